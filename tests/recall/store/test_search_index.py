"""The faiss index: exact search agrees with a matrix product, and new items are appended."""

import sys

import numpy as np
import pytest
import torch
import tower_world as world
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.store import Block, StoreError, write_store
from learn_recall.store.search_index import search_index, write_index
from learn_recall.towers.ranking import rank_targets

faiss = pytest.importorskip("faiss", reason="the index needs faiss-cpu")


def items(path, n_items=200, n_old=None, seed=0, **extra):
    """Item store with a tower block of 6 and a content block of 4; rows 3 and 50 have no vector."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_items, 10)).astype(np.float32)
    present = np.ones(n_items, dtype=bool)
    present[[3, 50]] = False
    return write_store(
        path, ids=[f"i{row}" for row in range(n_items)], vectors=vectors, present=present, kind="item",
        blocks=(Block("tower", 0, 6), Block("content", 6, 10)), tower="t", extra=extra, overwrite=True,
        dtype="float32", **world.CARD,
    )  # fmt: skip


def users(n=40):
    return np.random.default_rng(1).normal(size=(n, 6)).astype(np.float32)


def test_exact_search_gives_the_lists_of_a_full_ranking(tmp_path):
    store = items(tmp_path / "s")
    assert write_index(store, tmp_path / "x.faiss") == 198
    found, score = search_index(tmp_path / "x.faiss", store, users(), 10)
    present = np.flatnonzero(store.present)
    tower = torch.from_numpy(np.array(store.vectors[present][:, :6]))
    top = rank_targets(torch.from_numpy(users()), tower, np.zeros(40, np.int64)).top
    assert found.tolist() == store.ids[present[top]].tolist()
    np.testing.assert_allclose(score, np.take_along_axis(users() @ tower.numpy().T, top, 1), rtol=1e-5)


def test_the_graph_finds_nearly_all_of_them(tmp_path):
    store = items(tmp_path / "s", n_items=2000)
    write_index(store, tmp_path / "flat.faiss")
    write_index(store, tmp_path / "hnsw.faiss", kind="hnsw")
    exact, _ = search_index(tmp_path / "flat.faiss", store, users(), 10)
    near, _ = search_index(tmp_path / "hnsw.faiss", store, users(), 10)
    share = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, near, strict=True)])
    assert share > 0.9


def test_new_items_are_appended_and_found_and_nothing_is_added_twice(tmp_path):
    old = items(tmp_path / "s", n_items=200)
    write_index(old, tmp_path / "x.faiss")
    before = old.card.files["vectors.npy"]
    new = items(tmp_path / "s", n_items=260, appended_to=before)
    assert write_index(new, tmp_path / "x.faiss") == 60
    assert write_index(new, tmp_path / "x.faiss") == 0
    found, _ = search_index(tmp_path / "x.faiss", new, np.array(new.vectors[259:260, :6]), 260)
    assert "i259" in found[0]
    assert found[0][-2:].tolist() == [None, None]  # 258 items have a vector
    assert len(set(found[0])) == 259


def test_an_index_of_another_store_block_or_kind_is_refused(tmp_path):
    store = items(tmp_path / "s")
    write_index(store, tmp_path / "x.faiss")
    other = items(tmp_path / "other", seed=9)
    for arguments in (
        {"store": other},
        {"store": store, "block": "content"},
        {"store": store, "kind": "hnsw"},
    ):
        with pytest.raises(StoreError, match="write it anew"):
            write_index(out=tmp_path / "x.faiss", **arguments)
    with pytest.raises(StoreError, match="tower, content"):
        write_index(store, tmp_path / "y.faiss", block="id")
    with pytest.raises(ValueError, match="kind: expected one of flat, hnsw"):
        write_index(store, tmp_path / "y.faiss", kind="ivf")
    with pytest.raises(ValueError, match=r"users: expected shape \(n, 6\)"):
        search_index(tmp_path / "x.faiss", store, np.ones((2, 5)), 3)


def test_a_search_with_a_store_exported_anew_is_refused(tmp_path):
    write_index(items(tmp_path / "s"), tmp_path / "x.faiss")
    with pytest.raises(StoreError, match=r"of another store.*write it anew"):
        search_index(tmp_path / "x.faiss", items(tmp_path / "s", seed=9), users(), 3)


def test_a_search_with_the_next_version_of_the_store_finds_what_was_indexed(tmp_path):
    old = items(tmp_path / "s")
    write_index(old, tmp_path / "x.faiss")
    before, _ = search_index(tmp_path / "x.faiss", old, users(), 3)
    new = items(tmp_path / "s", n_items=230, appended_to=old.card.files["vectors.npy"])
    assert search_index(tmp_path / "x.faiss", new, users(), 3)[0].tolist() == before.tolist()


def test_a_search_in_an_index_that_is_not_there_or_has_no_card_is_refused(tmp_path):
    store = items(tmp_path / "s")
    with pytest.raises(StoreError, match=r"x.faiss: expected an index, got no such file"):
        search_index(tmp_path / "x.faiss", store, users(), 3)
    write_index(store, tmp_path / "x.faiss")
    (tmp_path / "x.faiss.json").unlink()
    with pytest.raises(StoreError, match=r"no x.faiss.json beside it"):
        search_index(tmp_path / "x.faiss", store, users(), 3)


def test_without_faiss_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        write_index(items(tmp_path / "s"), tmp_path / "x.faiss")


def test_the_command_writes_and_then_appends(tmp_path):
    old = items(tmp_path / "s")
    arguments = ["index", "--items", str(tmp_path / "s"), "--out", str(tmp_path / "x.faiss")]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "198 of 198 vectors added" in first.output
    items(tmp_path / "s", n_items=230, appended_to=old.card.files["vectors.npy"])
    assert "30 of 228 vectors added" in CliRunner().invoke(app, arguments).output
