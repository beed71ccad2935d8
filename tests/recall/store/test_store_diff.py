"""Drift between two stores: cosines and neighbours against loops, and what belongs to one store alone."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.store import StoreError, write_store
from learn_recall.store import diff as store_diff
from learn_recall.store.diff import diff_stores

FIELDS = {"kind": "item", "encoder_sha256": "0", "prompt": "short", "pooling": "mean", "max_tokens": 9}


def store(path, ids, vectors, present=None, encoder="x"):
    return write_store(path, ids=ids, vectors=vectors, present=present, encoder=encoder, **FIELDS)


@pytest.fixture
def pair(tmp_path):
    """Thirty shared ids in two orders; the second store's vectors are the first's, disturbed."""
    generator = np.random.default_rng(4)
    vectors = generator.normal(size=(32, 6)).astype(np.float32)
    moved = vectors + generator.normal(scale=0.5, size=vectors.shape).astype(np.float32)
    order = generator.permutation(32)
    one = store(tmp_path / "one", np.arange(32), vectors, present=np.arange(32) != 7)
    ids = np.where(order == 9, 99, order)  # the second store has 99 in the place of 9
    other = store(tmp_path / "other", ids, moved[order], encoder="y")
    return one, other


def cosine(left, right) -> float:
    left, right = left.astype(float), right.astype(float)
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def neighbours(found, shared, asked, k):
    others = [each for each in shared if each != asked]
    vector = {each: found.lookup([each])[0][0] for each in shared}
    return set(sorted(others, key=lambda each: -cosine(vector[asked], vector[each]))[:k])


@pytest.mark.parametrize("rows_at_once", [4, 1000])
def test_cosines_and_neighbours_are_those_of_nested_loops(pair, monkeypatch, rows_at_once):
    monkeypatch.setattr(store_diff, "_ROWS_AT_ONCE", rows_at_once)
    one, other = pair
    found = diff_stores(one, other, k=3, events={0: 3, 1: 5, 2: 6, 3: 400})
    shared = [each for each in range(32) if each not in (7, 9)]
    cosines = {each: cosine(one.lookup([each])[0][0], other.lookup([each])[0][0]) for each in shared}
    overlap = {
        each: len(neighbours(one, shared, each, 3) & neighbours(other, shared, each, 3)) / 3
        for each in shared
    }
    members = {
        "all": shared,
        "events 0": [each for each in shared if each > 3],
        "events 1-5": [0, 1],
        "events 6-20": [2],
        "events 21+": [3],
    }
    assert [row.bucket for row in found.rows] == list(members)
    for row in found.rows:
        inside = members[row.bucket]
        assert (row.n_items, row.n_queries) == (len(inside), len(inside))
        assert row.mean_cosine == pytest.approx(np.mean([cosines[each] for each in inside]), abs=1e-6)
        assert row.min_cosine == pytest.approx(min(cosines[each] for each in inside), abs=1e-6)
        assert row.neighbour_overlap == pytest.approx(np.mean([overlap[each] for each in inside]))
    assert found.rows[0].neighbour_overlap < 1
    assert (found.only_one, found.only_other) == (
        (1, [9]),
        (2, [7, 99]) if 7 in other.ids[:9] else (2, [99, 7]),
    )
    assert found.card == {"encoder": ("x", "y")}


def test_a_store_has_not_drifted_from_itself_and_a_turned_space_keeps_its_neighbours(pair, tmp_path):
    one, _ = pair
    same = diff_stores(one, one)
    assert same.rows[0].mean_cosine == pytest.approx(1)
    assert (same.rows[0].neighbour_overlap, same.only_one, same.card) == (1.0, (0, []), {})
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 6)))[0]
    turned = store(tmp_path / "turned", one.ids, one.vectors @ turn.T.astype(np.float32), present=one.present)
    found = diff_stores(one, turned, k=5)
    assert found.rows[0].mean_cosine is None  # another dimension
    assert found.rows[0].neighbour_overlap == pytest.approx(1.0)


def test_samples_bound_the_queries_and_the_candidates(pair):
    one, other = pair
    found = diff_stores(one, other, k=2, n_queries=5, n_candidates=8)
    assert (found.rows[0].n_queries, found.rows[0].n_items, found.n_candidates) == (5, 30, 8)
    assert found == diff_stores(one, other, k=2, n_queries=5, n_candidates=8)
    seeds = [diff_stores(one, other, k=3, n_queries=3, n_candidates=8, seed=seed) for seed in range(6)]
    assert len({each.rows[0].neighbour_overlap for each in seeds}) > 1


def test_stores_that_cannot_be_compared_are_refused(pair, tmp_path):
    one, _ = pair
    texts = store(tmp_path / "texts", ["a", "b"], np.eye(2))
    with pytest.raises(StoreError, match=r"integer ids as in.*string ids"):
        diff_stores(one, texts)
    with pytest.raises(StoreError, match=r"more than k = 10 ids with a vector in both.*got 0"):
        diff_stores(one, store(tmp_path / "far", [1000, 1001], np.eye(2)))


def test_the_command_prints_the_drift_and_writes_it(pair, tmp_path):
    one, other = pair
    pd.DataFrame({"user_id": 1, "item_id": [0, 0, 3], "timestamp": [1, 2, 3]}).to_csv(
        tmp_path / "log.csv", index=False
    )
    arguments = [
        "diff",
        one.path,
        other.path,
        "--interactions",
        tmp_path / "log.csv",
        "--json",
        tmp_path / "d",
    ]
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "d").read_text())
    overlap = {row["bucket"]: row["neighbour_overlap"] for row in written["rows"]}
    assert f"{overlap['all']:.5f}" in done.output
    assert [row["n_items"] for row in written["rows"]] == [30, 28, 2, 0, 0]
    assert "encoder: 'x' | 'y'" in done.output
    assert "only the first store has a vector of 1 ids, such as [9]" in done.output
