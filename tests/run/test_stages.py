"""Stages: done work is kept, begun work goes on, other settings start anew with all that follows."""

import io

import pytest
from rich.console import Console

from learn_rank.pipeline.stages import Stages
from learn_rank.run.folder import RunFolder


class Killed(BaseException):
    pass


def write(folder, name, log, text="done"):
    def action():
        log.append(name)
        (folder / name).write_text(text)

    return action


def only(folder):
    return Stages(RunFolder(folder), Console(quiet=True), n_stages=1)


def run(folder, log, *, first="a", second="b"):
    stages = Stages(RunFolder(folder), Console(quiet=True), n_stages=2)
    stages.run("one", {"setting": first}, (folder / "one.txt",), write(folder, "one.txt", log))
    stages.run("two", {"setting": second}, (folder / "two.txt",), write(folder, "two.txt", log))
    return stages


def test_a_finished_stage_is_not_done_again(tmp_path):
    log = []
    run(tmp_path, log)
    run(tmp_path, log)
    assert log == ["one.txt", "two.txt"]


def test_a_changed_setting_redoes_its_stage_and_those_after_it(tmp_path):
    log = []
    run(tmp_path, log)
    run(tmp_path, log, second="c")
    assert log[2:] == ["two.txt"]
    run(tmp_path, log, first="z", second="c")
    assert log[3:] == ["one.txt", "two.txt"]


def test_a_stage_whose_output_was_removed_is_done_again(tmp_path):
    log = []
    run(tmp_path, log)
    (tmp_path / "two.txt").unlink()
    run(tmp_path, log)
    assert log[2:] == ["two.txt"]


def test_a_killed_stage_finds_its_partial_output_and_another_setting_does_not(tmp_path):
    found = []

    def partial():
        found.append((tmp_path / "out").exists())
        (tmp_path / "out").write_text("half")
        raise Killed

    for setting, expected in (("a", False), ("a", True), ("b", False)):
        with pytest.raises(Killed):
            only(tmp_path).run("one", {"setting": setting}, (tmp_path / "out",), partial)
        assert found[-1] is expected


def test_an_open_stage_is_always_asked_and_keeps_what_it_made(tmp_path):
    asked = []

    def action():
        asked.append((tmp_path / "out").exists())
        (tmp_path / "out").write_text("x")

    for _ in range(2):
        only(tmp_path).run("open", {}, (tmp_path / "out",), action, always=True)
    assert asked == [False, True]


def told(folder, settings, inputs=None):
    """What is printed of a stage."""
    console = Console(record=True, width=200, quiet=False, file=io.StringIO())
    stages = Stages(RunFolder(folder), console, n_stages=2)
    stages.run("one", settings, (folder / "one.txt",), write(folder, "one.txt", []), inputs=inputs)
    stages.run("two", {}, (folder / "two.txt",), write(folder, "two.txt", []))
    return console.export_text()


def test_what_changed_since_a_stage_was_made_is_told_by_its_name(tmp_path):
    settings = {"files": {"train": ["a"], "test": ["b"]}, "dense": ["price"]}
    assert "anew" not in told(tmp_path, settings)
    assert told(tmp_path, settings).count("done before, kept") == 2
    found = told(tmp_path, {**settings, "files": {"train": ["a"], "test": ["c"]}})
    assert "one: made anew, since files.test changed" in found
    assert "two: made anew, since an earlier stage changed" in found


def test_files_that_the_settings_only_name_are_noticed_when_they_change(tmp_path):
    told(tmp_path, {})  # of a version that kept no hashes
    for _ in range(2):
        assert "one: done before, kept" in told(tmp_path, {}, {"items.tsv": "a"})
    assert "one: made anew, since items.tsv changed" in told(tmp_path, {}, {"items.tsv": "b"})
    assert "one: done before, kept" in told(tmp_path, {}, {"items.tsv": "b"})
