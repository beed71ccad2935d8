"""The plan of an encode job: joined and not made anew, guarded against other items, mended when it breaks."""

import os
import resource

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import save_tiny_model

from learn_recall.encode import shards as encode_job
from learn_recall.encode import start as encode_start
from learn_recall.encode.job import EncodeError, encode_items
from learn_recall.encode.work_folder import WorkFolder
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.files.claims import Claims
from learn_recall.files.whole_files import write_array
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.store.diff import diff_stores

SETTINGS = {
    "template": "short",
    "shard_size": 7,
    "batch_tokens": 30,
    "dtype": "float32",
    "store_dtype": "float32",
    "progress": False,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("tiny-llama"), "llama")


@pytest.fixture
def job(model, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(items, name: str = "store", **options) -> EmbeddingStore:
        return encode_items(items, tmp_path / name, encoder=model, **{**SETTINGS, **options})

    yield run
    torch.set_num_threads(threads)


def items(n: int = 40) -> pd.DataFrame:
    titles = [" ".join(["red", "ring", "pin", "set"][: 1 + number % 4]) + f" {number}" for number in range(n)]
    return pd.DataFrame({"item_id": np.arange(n), "title": [f"{title} blue" for title in titles]})


def vectors_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts whose words the tiny model knows, so that distinct texts have distinct vectors."""
    words = ["red", "blue", "ring", "pin", "for", "women", "men", "set", "of", "nail", "polish"]
    titles = [f"{words[n % 11]} {words[n // 11 % 11]} {words[(n * 7) % 11]}" for n in frame["item_id"]]
    return frame.assign(title=titles)


def bytes_of(store: EmbeddingStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.path.iterdir()}


def stopped_after(n_shards: int):
    """Let the job stop after so many shards, as if by ctrl-c."""
    original, calls = encode_job.write_shard, []

    def write(*args, **options):
        calls.append(1)
        if len(calls) > n_shards:
            raise KeyboardInterrupt
        original(*args, **options)

    patch = pytest.MonkeyPatch()
    patch.setattr(encode_job, "write_shard", write)
    return patch


def stop(job, frame, n_shards: int, **options) -> None:
    patch = stopped_after(n_shards)
    with pytest.raises(KeyboardInterrupt):
        job(frame, **options)
    patch.undo()


@pytest.fixture
def spooled(monkeypatch):
    """How often the items were read."""
    original, calls = encode_start.spool_items, []

    def counted(*args, **options):
        calls.append(1)
        return original(*args, **options)

    monkeypatch.setattr(encode_start, "spool_items", counted)
    return calls


def test_a_rerun_on_the_same_files_goes_on_without_reading_them_again(job, spooled, tmp_path):
    path = tmp_path / "items.parquet"
    items().to_parquet(path)
    undisturbed = bytes_of(job(path, "whole"))
    stop(job, path, 2)
    spooled.clear()
    assert bytes_of(job(str(path))) == undisturbed
    assert spooled == []

    stop(job, path, 2, name="other")
    items(41).to_parquet(path)
    os.utime(path, (1, 1))
    spooled.clear()
    assert len(job(path, "other")) == 41
    assert spooled == [1]


def test_items_from_memory_go_on_by_the_plan_of_the_same_items(job, monkeypatch):
    undisturbed = bytes_of(job(items(), "whole"))
    stop(job, items(), 2)
    monkeypatch.setattr(encode_start, "make_plan", lambda *args, **options: pytest.fail("planned again"))
    assert bytes_of(job(items())) == undisturbed


def test_other_items_or_batches_are_refused_while_others_work_and_taken_when_they_are_gone(job, tmp_path):
    stop(job, items(), 2)
    with Claims(tmp_path / "store.work" / ".claims") as other:
        assert other.take("shard-7")
        for frame, options in (
            (items(41), {}),
            (items(), {"batch_tokens": 64}),
            (items(), {"shard_size": 9}),
        ):
            with pytest.raises(EncodeError, match=r"no other job there, got 1 pieces.*first shard-7"):
                job(frame, **options)
        with pytest.raises(EncodeError, match="no other job there"):
            job(items(), pooling="last", overwrite=True)
    assert len(job(items(41), batch_tokens=64)) == 41


def test_a_shard_that_the_plan_builds_on_may_still_break(job, tmp_path):
    stop(job, items(30), 3)
    stop(job, items(), 1)  # its plan takes three shards as they are
    undisturbed = bytes_of(job(items(), "whole"))
    plan = WorkFolder(tmp_path / "store").plan()
    assert plan is not None
    assert len(plan.sources) == 3
    broken = tmp_path / "store.work" / plan.sources[1]
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    store = job(items())
    np.testing.assert_array_equal(store.vectors, EmbeddingStore.open(tmp_path / "whole").vectors)
    assert bytes_of(store) == undisturbed


def test_a_store_that_another_job_replaced_meanwhile_is_no_source_any_more(job, tmp_path):
    job(items(20))
    stop(job, items(), 1)
    assert WorkFolder(tmp_path / "store").plan().sources == ("the store",)
    kept = tmp_path / "store.work"
    kept.rename(tmp_path / "aside")
    job(items(12))
    (tmp_path / "aside").rename(kept)
    store = job(items())
    assert store.ids.tolist() == list(range(40))
    assert store.present.all()
    np.testing.assert_allclose(store.vectors, job(items(), "whole").vectors, atol=2e-5)


def test_a_real_limit_of_the_disk_is_said_and_nothing_finished_is_lost(job, tmp_path, monkeypatch):
    undisturbed = bytes_of(job(items(), "whole"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(undisturbed["vectors.npy"]) - 1, hard))
    try:
        with pytest.raises(EncodeError, match=r"Finished and kept: every shard.*same command again"):
            job(items())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr(TextEncoder, "encode_rows", lambda *args, **options: pytest.fail("encoded again"))
    assert bytes_of(job(items())) == undisturbed


def test_diff_tells_items_whose_text_changed_from_those_whose_vector_moved(job):
    before = vectors_apart(items())
    after = before.copy()
    after.loc[[3, 8], "title"] = ["polish polish polish", "nail nail"]
    found = diff_stores(job(before), job(after, "after"), k=3)
    rows = {row.bucket: row for row in found.rows}
    assert (rows["same text"].n_items, rows["other text"].n_items) == (38, 2)
    assert rows["same text"].min_cosine == pytest.approx(1, abs=1e-5)
    assert rows["other text"].mean_cosine < 0.999
    assert found.card == {}


def test_an_array_that_a_full_disk_cuts_is_an_error_and_no_short_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(OSError, match="too large"), open(tmp_path / "rows", "wb") as file:
            write_array(file, np.ones(501))
        with pytest.raises(OSError, match="too large"):
            write_store(
                tmp_path / "store", ids=range(4000), vectors=np.ones((4000, 1)), dtype="float16", kind="item",
                encoder="x", encoder_sha256="0", prompt="p", pooling="mean", max_tokens=9,
            )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]
