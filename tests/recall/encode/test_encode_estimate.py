"""A dry run: the counts of the run itself, nothing written, and a refusal where the disk is too small."""

import shutil

import numpy as np
import pandas as pd
import pytest
from tiny_models import save_tiny_model
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.encode import disk_space as encode_room
from learn_recall.encode import estimate as encode_estimate
from learn_recall.encode import shards as encode_job
from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.estimate import estimate_job
from learn_recall.encode.job import EncodeError, encode_items
from learn_recall.encode.start import EncodeRequest

SETTINGS = {"template": "short", "shard_size": 7, "batch_tokens": 30, "dtype": "float32"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("tiny-llama"), "llama")


def items(n: int = 40) -> pd.DataFrame:
    """Texts of 3 to 11 tokens ("<s> Title:" and the words), one twice, one item without."""
    titles = [" ".join(["ring"] * (1 + number % 9)) + f" {number}" for number in range(n)]
    titles[5], titles[9] = titles[4], None
    return pd.DataFrame({"item_id": np.arange(n), "title": titles})


def requested(table, folder, **settings):
    return EncodeRequest.of(table, folder / "store", EncodeConfig(**settings))


def test_a_dry_run_counts_what_the_run_then_does_and_leaves_nothing(model, tmp_path):
    request = requested(items(), tmp_path, encoder=model, max_tokens=9, **SETTINGS)
    found = estimate_job(request, calibration_seconds=0.01)
    assert list(tmp_path.iterdir()) == []
    store = encode_items(items(), tmp_path / "store", encoder=model, max_tokens=9, progress=False, **SETTINGS)
    extra = store.card.extra
    assert (found.n_items, found.n_without_text, found.n_texts) == (40, 1, 38)
    assert (found.n_todo, found.n_tokens, found.n_tokenized) == (38, extra["n_tokens"], 38)
    assert found.truncation_rate == extra["truncation_rate"] > 0
    assert [(low, high) for low, high, _ in found.lengths] == [(0, 7), (8, 15)]
    assert sum(count for _, _, count in found.lengths) == 38
    assert found.n_shards == 6
    assert found.tokens_per_second > 0
    assert found.seconds == pytest.approx(found.n_tokens / found.tokens_per_second)
    vectors = (tmp_path / "store" / "vectors.npy").stat().st_size
    assert vectors < found.store_bytes < 1.5 * vectors + 40 * 40
    assert found.shard_bytes == 38 * (32 * 2 + 21)


def test_a_dry_run_counts_only_what_is_new(model, tmp_path):
    options = {"encoder": model, "progress": False, **SETTINGS}
    encode_items(items(20), tmp_path / "store", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_job, "write_shard", interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            encode_items(items(40), tmp_path / "store", **options)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    found = estimate_job(requested(items(40), tmp_path, encoder=model, **SETTINGS), calibration_seconds=0.01)
    assert (found.n_texts, found.n_todo, found.n_shards) == (38, 20 - 2 * 7, 1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    done = estimate_job(requested(items(20), tmp_path, encoder=model, **SETTINGS))
    assert (done.n_todo, done.n_tokens, done.tokens_per_second, done.seconds, done.lengths) == (
        0,
        0,
        0,
        0,
        [],
    )


def interrupted_after(n_calls: int):
    calls: list[int] = []
    original = encode_job.write_shard

    def write(*args, **options):
        calls.append(1)
        if len(calls) > n_calls:
            raise KeyboardInterrupt
        original(*args, **options)

    return write


def test_many_texts_are_estimated_from_some_shards(model, tmp_path, monkeypatch):
    monkeypatch.setattr(encode_estimate, "_MOST_TOKENIZED", 14)
    request = requested(items(200), tmp_path, encoder=model, **SETTINGS)
    some = estimate_job(request, calibration_seconds=0.01)
    monkeypatch.undo()
    exact = estimate_job(request, calibration_seconds=0.01)
    assert some.n_tokenized < 20 < exact.n_tokenized == exact.n_todo
    assert some.n_tokens == pytest.approx(exact.n_tokens, rel=0.15)
    assert some.n_tokens != exact.n_tokens


def test_another_identity_is_refused_by_the_dry_run_too(model, tmp_path):
    encode_items(items(), tmp_path / "store", encoder=model, progress=False, **SETTINGS)
    request = requested(items(), tmp_path, encoder=model, pooling="last", **SETTINGS)
    with pytest.raises(EncodeError, match="pooling: 'mean' there, 'last' now"):
        estimate_job(request)


def test_the_command_prints_the_estimate_and_refuses_a_small_disk(model, tmp_path, monkeypatch):
    items().dropna().to_parquet(tmp_path / "items.parquet")
    command = [
        "encode",
        "--items",
        str(tmp_path / "items.parquet"),
        "--out",
        str(tmp_path / "s"),
        "--dry-run",
    ]
    command += ["--encoder", str(model), "--template", "short", "--dtype", "float32"]
    done = CliRunner().invoke(app, command, env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "39, of them 0 without text" in done.output
    assert "38, of them 38 without a vector yet" in done.output
    assert "(counted)" in done.output
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "s.work").exists()
    monkeypatch.setattr(encode_room.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 100))
    refused = CliRunner().invoke(app, command, env={"COLUMNS": "160"})
    assert refused.exit_code == 2
    assert "bytes of room, got 100" in refused.output
    assert "38, of them 38 without a vector yet" in refused.output
