"""Full ranking: strict ties, both protocols, buckets and coverage, held against sorting one by one."""

import math

import numpy as np
import pandas as pd
import pytest
import reference
import torch
import tower_world as world
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.evaluate.towers import evaluate_towers
from learn_recall.store import StoreError
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.ranking import rank_targets
from learn_recall.train.loop import train_towers


def test_a_target_alone_at_the_third_place_gives_half_a_point_of_ndcg():
    items = torch.tensor([[0.9, 0.0], [0.7, 0.0], [0.8, 0.0], [0.1, 0.0]])
    ranks = rank_targets(torch.tensor([[1.0, 0.0]]), items, np.array([1]), k=4)
    assert (ranks.n_higher.tolist(), ranks.n_equal.tolist()) == ([2], [0])
    assert [ranks.recall(k).tolist() for k in (1, 2, 3)] == [[0.0], [0.0], [1.0]]
    assert ranks.ndcg(3).tolist() == [pytest.approx(1 / math.log2(1 + 3))]
    assert ranks.top.tolist() == [[0, 2, 1, 3]]


def test_equal_vectors_are_no_free_hits():
    items = torch.ones(50, 3)  # the target ties with 49 others: a hit in the first 10 has probability 10 / 50
    ranks = rank_targets(torch.ones(2, 3), items, np.array([0, 30]))
    assert ranks.recall(10).tolist() == [0.2, 0.2]
    gain = sum(1 / math.log2(1 + place) for place in range(1, 11)) / 50
    assert ranks.ndcg(10) == pytest.approx([gain, gain])


@pytest.mark.parametrize(("n_items", "n_users"), [(33, 1), (49, 3), (127, 2), (1001, 257)])
def test_equal_vectors_tie_bit_by_bit_whatever_their_place_in_the_matrix(n_items, n_users):
    # a matrix product alone does not promise that: its last columns are summed in another order
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(n_items, 64, generator=generator)
    items[[3, 20, n_items - 1]] = items[7].clone()
    users = torch.randn(n_users, 64, generator=generator)
    ranks = rank_targets(users, items, np.full(n_users, n_items - 1))
    assert (ranks.n_equal == 3).all()


def draw_case(seed, n_items=12, n_users=6, levels=3):
    rng = np.random.default_rng(seed)
    items = rng.integers(-levels, levels + 1, (n_items, 2)).astype(float)  # exact arithmetic, many ties
    users = rng.integers(-2, 3, (n_users, 2)).astype(float)
    targets = rng.integers(0, n_items, n_users)
    history = np.where(rng.random((n_users, 4)) < 0.7, rng.integers(0, n_items, (n_users, 4)), -1)
    return users, items, targets, history


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 15), is_filtered=st.booleans())
def test_recall_and_ndcg_equal_sorting_one_user_at_a_time(seed, k, is_filtered):
    users, items, targets, history = draw_case(seed)
    exclude = (lambda part: history[part]) if is_filtered else None
    ranks = rank_targets(torch.from_numpy(users), torch.from_numpy(items), targets, exclude=exclude)
    out = [set(row[row >= 0].tolist()) if is_filtered else set() for row in history]
    recall, ndcg = reference.strict_recall_and_ndcg(users, items, targets, out, k)
    np.testing.assert_allclose(ranks.recall(k), recall, atol=1e-12)
    np.testing.assert_allclose(ranks.ndcg(k), ndcg, atol=1e-12)
    for row, hidden, target in zip(ranks.top, out, targets, strict=True):
        assert not (set(row[row >= 0].tolist()) & (hidden - {target}))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.125, 0.5, 4.0]))  # exact in binary
def test_ranks_do_not_change_when_users_are_scaled_or_items_shuffled(seed, scale):
    users, items, targets, _ = draw_case(seed)
    order = np.random.default_rng(seed).permutation(len(items))
    plain = rank_targets(torch.from_numpy(users), torch.from_numpy(items), targets)
    other = rank_targets(
        torch.from_numpy(users) * scale, torch.from_numpy(items[order]), np.argsort(order)[targets]
    )
    np.testing.assert_array_equal(plain.n_higher, other.n_higher)
    np.testing.assert_array_equal(plain.n_equal, other.n_equal)


def test_many_users_in_chunks_equal_one_at_a_time():
    generator = torch.Generator().manual_seed(1)
    users, items = torch.randn(1100, 8, generator=generator), torch.randn(30, 8, generator=generator)
    targets = np.arange(1100) % 30
    whole = rank_targets(users, items, targets, exclude=lambda part: targets[part][:, None] - 1)
    single = [
        rank_targets(
            users[[n]], items, targets[[n]], exclude=lambda _, n=n: targets[[n]][:, None] - 1
        ).n_higher[0]
        for n in range(0, 1100, 97)
    ]
    assert whole.n_higher[::97].tolist() == single


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="users: expected shape"):
        rank_targets(torch.ones(2, 3), torch.ones(5, 4), np.array([0, 1]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    content = world.content_store(folder / "content")
    table = world.interactions(120)
    last = table.sort_values("timestamp").groupby("user_id").tail(1).index
    history, targets = table.drop(index=last), table.loc[last]
    config = world.small_config(train={"n_epochs": 5, "learning_rate": 1e-2})
    out = train_towers(history, content, folder / "towers", config, progress=False)
    return out, content, history, targets


def test_evaluation_reports_both_protocols_buckets_and_what_was_left_out(trained):
    out, content, history, targets = trained
    targets = pd.concat([targets, pd.DataFrame({"user_id": [0, 999_999], "item_id": ["unknown", "i1"]})])
    report = evaluate_towers(out, content, history, targets, ks=(5, 10))
    n_new_users = int((~targets.user_id.isin(history.user_id)).sum())
    assert report.n_unknown_item == 1
    assert report.n_without_history == n_new_users
    assert report.n_targets == len(targets) - 1 - n_new_users
    assert {row["metric"] for row in report.rows} == {
        "recall@5",
        "ndcg@5",
        "recall@10",
        "ndcg@10",
        "coverage@10",
    }
    for protocol in ("filtered", "unfiltered"):
        rows = [r for r in report.rows if r["metric"] == "recall@10" and r["history"] == protocol]
        whole, parts = rows[0], rows[1:]
        assert [row["bucket"] for row in rows] == ["all", "0", "1-5", "6-20", "21+"]
        assert sum(row["n"] for row in parts) == whole["n"] == report.n_targets
        mean = sum(row["n"] * row["value"] for row in parts if row["n"]) / whole["n"]
        assert whole["value"] == pytest.approx(mean)
        assert 0 < report.value("coverage@10", history=protocol) <= 1
    assert report.value("recall@10") > 0.4  # chance 10 / 60
    assert report.value("recall@5") <= report.value("recall@10")
    with pytest.raises(KeyError, match="recall@7"):
        report.value("recall@7")


def test_a_bucket_without_targets_is_none_and_not_zero(trained):
    out, content, history, targets = trained
    trained_counts = load_checkpoint(out).counts(targets.item_id.to_numpy())
    report = evaluate_towers(out, content, history, targets[trained_counts > 0])
    assert report.value("recall@10", bucket="0") is None


def test_filtering_takes_only_the_users_own_items_out_and_keeps_a_repeated_target(trained):
    out, content, history, _ = trained
    repeated = history.drop_duplicates("user_id")  # every target is in its user's history
    report = evaluate_towers(out, content, history, repeated)
    assert report.value("recall@10") >= report.value("recall@10", history="unfiltered")
    assert report.value("recall@10") > 0


def test_targets_that_cannot_be_ranked_at_all_and_wrong_stores_are_refused(trained, tmp_path):
    out, content, history, targets = trained
    with pytest.raises(ValueError, match="without a history"):
        evaluate_towers(out, content, history, targets.assign(user_id=10**9))
    with pytest.raises(ValueError, match="expected a column 'user_id'"):
        evaluate_towers(out, content, history, targets.drop(columns="user_id"))
    with pytest.raises(ValueError, match="ks"):
        evaluate_towers(out, content, history, targets, ks=(0,))
    other = world.content_store(tmp_path / "other", encoder_sha256="another")
    with pytest.raises(StoreError, match="encoder_sha256"):
        evaluate_towers(out, other, history, targets)


def test_validation_scores_leave_the_history_in_or_take_it_out_as_asked(tmp_path):
    table = world.interactions(60)
    content = world.content_store(tmp_path / "content")
    scores = {}
    for filters in (False, True):
        train = {"n_epochs": 1, "filters_history": filters, "max_validation_users": 1000}
        out = train_towers(
            table, content, tmp_path / str(filters), world.small_config(train=train), progress=False
        )
        scores[filters] = load_checkpoint(out).extra["recall@10"]
    last = table.sort_values("timestamp").groupby("user_id").tail(1)
    is_target = table.index.isin(last.index) & (table.groupby("user_id")["item_id"].transform("size") >= 2)
    report = evaluate_towers(tmp_path / "True", content, table[~is_target], table[is_target])
    for filters, history in ((False, "unfiltered"), (True, "filtered")):
        assert scores[filters] == pytest.approx(report.value("recall@10", history=history), abs=1e-6)
    assert scores[False] < scores[True]


def test_a_ranking_without_lists_has_the_same_counts():
    users, items = torch.randn(30, 4), torch.randn(40, 4)
    targets = np.arange(30)
    with_lists, without = (rank_targets(users, items, targets, k=k) for k in (10, 0))
    assert without.top.shape == (30, 0)
    assert (without.n_higher == with_lists.n_higher).all()
    assert (without.n_equal == with_lists.n_equal).all()
