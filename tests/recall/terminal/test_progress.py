"""How far long work is, told to a log."""

import io
import re

import numpy as np
import pytest
import torch
from rich.console import Console

from learn_recall.convert.vector_files import write_vectors_file
from learn_recall.encode.progress import EncodeProgress
from learn_recall.store import write_store
from learn_recall.store.diff import diff_stores
from learn_recall.terminal import StageProgress, track_steps
from learn_recall.towers.ranking import rank_targets


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def told(work, *, kind=Console, **options):
    out, clock = io.StringIO(), Clock()
    with StageProgress(console=kind(file=out, width=80), get_time=clock, **options) as bar:
        work(bar, clock)
    return out.getvalue().splitlines()


def ten_minutes(bar, clock):
    task = bar.add_task("towers, steps", total=600)
    for _ in range(600):
        clock.now += 1
        bar.advance(task)


def test_a_log_hears_every_half_minute_what_is_done_the_share_and_the_time_left():
    lines = told(ten_minutes)
    assert lines[0] == "towers, steps: 5 % (30 of 600), 0:00:30 so far, 0:09:30 left"
    assert len(lines) == 20
    assert lines[-1] == "towers, steps: done (600 of 600) in 0:10:00"


def test_a_stage_of_a_few_seconds_says_nothing():
    def short(bar, clock):
        task = bar.add_task("towers", total=2)
        for _ in range(2):
            clock.now += 1
            bar.advance(task)

    assert told(short) == []


def test_work_whose_end_is_not_known_tells_what_is_done():
    def endless(bar, clock):
        task = bar.add_task("rows", total=None)
        clock.now += 31
        bar.update(task, advance=7, words="3 files")

    assert told(endless) == ["rows: 7, 0:00:31 so far; 3 files", "rows: done (7) in 0:00:31"]


def test_nothing_is_told_where_nobody_asked():
    assert told(ten_minutes, is_shown=False) == []


def test_work_that_an_error_ends_is_not_called_done():
    lines = []

    def failing(bar, clock):
        task = bar.add_task("encode", total=9)
        clock.now += 40
        bar.advance(task)
        lines.append(bar.console.file.getvalue())
        raise ValueError

    with pytest.raises(ValueError):
        told(failing)
    assert lines == ["encode: 11 % (1 of 9), 0:00:40 so far, 0:05:20 left\n"]


def test_a_terminal_gets_the_bar_and_no_lines():
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, width=80, force_terminal=True)
    with StageProgress(console=console, get_time=clock, auto_refresh=False) as bar:
        ten_minutes(bar, clock)
    assert "so far" not in out.getvalue() and "600/600" in out.getvalue()


def test_steps_are_handed_on_as_they_are():
    assert list(track_steps(iter("abc"), "letters", 3, is_shown=False)) == ["a", "b", "c"]


def test_encoding_into_a_log_tells_texts_and_cut_ones(monkeypatch):
    out = io.StringIO()
    with EncodeProgress(400, 4, console=Console(file=out, width=80), is_shown=True) as bar:
        bar._bar.every_seconds = 0.0
        bar.start_shard(2, 200, 50, 1)
        bar.advance(2, 50)
    assert out.getvalue().splitlines()[-2].startswith("encode, tokens: 50 % (50 of 100), ")
    assert "2/4 texts" in out.getvalue() and "50.0% cut" in out.getvalue()


def test_comparing_ranking_and_writing_many_vectors_tell_how_far_they_are(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("learn_recall.terminal.progress.LEAST_SECONDS", 0.0)
    vectors = np.random.default_rng(0).standard_normal((40, 3))
    card = {"kind": "item", "encoder": "x", "encoder_sha256": "0", "prompt": "", "pooling": "mean"}
    store = write_store(tmp_path / "store", ids=np.arange(40), vectors=vectors, max_tokens=9, **card)
    diff_stores(store, store, k=3, progress=True)
    write_vectors_file(store, tmp_path / "vectors.npy", progress=True)
    users = torch.from_numpy(vectors)
    ranks = [rank_targets(users, users, np.arange(40), progress=name) for name in ("rank", "")]
    np.testing.assert_array_equal(ranks[0].top, ranks[1].top)
    said = re.findall("^(.+): done", capfd.readouterr().err, re.MULTILINE)
    assert said == ["cosines", "neighbours in store", "neighbours in store", "write vectors", "rank"]
