"""AUC, UAUC, WUAUC: hand-derived cases, oracles, properties, and the faults of other implementations."""

import doctest
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_metrics import mean_user_auc, pair_auc, user_aucs
from sklearn.metrics import roc_auc_score

from learn_rank.metrics import grouped_auc
from learn_rank.metrics import weighted_auc as weighted_fold
from learn_rank.metrics.auc import AUC, UAUC, WUAUC, merge, per_user_auc
from learn_rank.metrics.score_ordinals import score_ordinals

quick = settings(max_examples=40, deadline=None)


@st.composite
def judged_rows(draw, max_rows=24):
    """Few users, few distinct scores, so that ties, one-class users and single rows all occur."""
    n_rows = draw(st.integers(0, max_rows))
    columns = (st.integers(0, 1), st.integers(-4, 4), st.integers(0, 6), st.integers(0, 3))
    labels, scores, users, weights = (
        np.array(draw(st.lists(c, min_size=n_rows, max_size=n_rows)), dtype=np.int64) for c in columns
    )
    return labels, scores / 4, users, weights


def clustered_rows(n_rows=1600, n_users=100, seed=0):
    rng = np.random.default_rng(seed)
    users = rng.integers(0, n_users, n_rows)
    labels = (rng.random(n_rows) < 0.25).astype(np.int64)
    return labels, np.round(rng.normal(size=n_rows) + 0.5 * labels, 1), users


# hand-derived


def test_uauc_is_the_plain_mean_and_wuauc_weighs_by_rows():
    labels = [1, 0, 0, 1, 0, 1]
    scores = [0.9, 0.1, 0.9, 0.2, 0.3, 0.5]
    users = ["ann", "ann", "ann", "bob", "bob", "cid"]
    ann = (1 + 0.5) / 2  # above .1, tied with .9
    bob = 0 / 1  # .2 below .3
    assert UAUC()(labels, scores, users).value == (ann + bob) / 2
    assert WUAUC()(labels, scores, users).value == (3 * ann + 2 * bob) / (3 + 2)
    assert WUAUC(weight="positives")(labels, scores, users).value == (1 * ann + 1 * bob) / (1 + 1)
    # of 3 x 3 pairs: .9 wins 2 and ties 1, .2 wins 1, .5 wins 2
    assert AUC()(labels, scores).value == (2.5 + 1 + 2) / 9


def test_result_counts_rows_users_skipped_users_and_covered_rows():
    result = UAUC()([1, 0, 1, 1, 0], [3, 2, 1, 1, 1], users=[5, 5, 6, 6, 7])
    assert (result.n_rows, result.n_positives, result.n_users, result.n_skipped_users) == (5, 3, 3, 2)
    assert result.covered_rows == 2 / 5
    assert result.as_dict()["metric"] == "UAUC"


def test_per_user_arrays_are_in_id_order_with_counts():
    found = per_user_auc([1, 0, 1, 0, 1], [1, 2, 2, 1, 5], ["b", "b", "a", "a", "c"])
    assert found.user.tolist() == ["a", "b", "c"]
    assert found.auc[:2].tolist() == [1.0, 0.0]
    assert math.isnan(found.auc[2])
    assert found.n_rows.tolist() == [2, 2, 1]
    assert found.n_positives.tolist() == [1, 1, 1]


def test_min_rows_skips_short_users_and_counts_them():
    labels, scores, users = [1, 0, 1, 0, 0], [2, 1, 1, 2, 3], [1, 1, 2, 2, 2]
    result = UAUC(min_rows=3)(labels, scores, users)
    assert (result.value, result.n_skipped_users, result.covered_rows) == (0.0, 1, 3 / 5)


# oracles


@pytest.mark.parametrize("kind", ["integer", "string", "negative", "int8", "wide"])
def test_per_user_auc_agrees_with_scikit_learn_for_every_kind_of_id(kind):
    labels, scores, users = clustered_rows()
    ids = {
        "integer": users,
        "string": np.array([f"user {u}" for u in users]),
        "negative": users - 100,
        "int8": (users * 2 - 128).astype(np.int8),
        "wide": users * 10**15,
    }[kind]
    found = per_user_auc(labels, scores, ids)
    n_scored = 0
    for user, auc in zip(found.user, found.auc, strict=True):
        own = ids == user
        if 0 < labels[own].sum() < own.sum():
            assert auc == pytest.approx(roc_auc_score(labels[own], scores[own]), abs=1e-12)
            n_scored += 1
        else:
            assert math.isnan(auc)
    assert n_scored == UAUC()(labels, scores, ids).n_users - UAUC()(labels, scores, ids).n_skipped_users > 80
    assert AUC()(labels, scores).value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@quick
@given(judged_rows())
def test_every_metric_equals_the_count_of_pairs(rows):
    labels, scores, users, weights = rows
    assert AUC()(labels, scores).value == pytest.approx(pair_auc(labels, scores), nan_ok=True)
    assert UAUC()(labels, scores, users).value == pytest.approx(
        mean_user_auc(labels, scores, users), nan_ok=True
    )
    n_rows = {user: n for user, (_, n, _) in user_aucs(labels, scores, users).items()}
    assert WUAUC()(labels, scores, users).value == pytest.approx(
        mean_user_auc(labels, scores, users, n_rows), nan_ok=True
    )
    clicks = {user: weights[users == user].sum() for user in n_rows}
    assert WUAUC("clicks")(labels, scores, users, columns={"click": weights}).value == pytest.approx(
        mean_user_auc(labels, scores, users, clicks), nan_ok=True
    )


@quick
@given(judged_rows())
def test_weighted_user_auc_equals_the_weighted_count_of_pairs(rows):
    labels, scores, users, weights = rows
    oracle = user_aucs(labels, scores, users, weights)
    found = per_user_auc(labels, scores, users, weights=weights)
    for user, auc in zip(found.user, found.auc, strict=True):
        assert auc == pytest.approx(oracle[user][0], nan_ok=True)


# properties


@quick
@given(judged_rows(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter_at_all(rows, random):
    labels, scores, users, _ = rows
    order = list(range(len(labels)))
    random.shuffle(order)
    for metric in (AUC(), UAUC(), WUAUC()):
        there = metric(labels[order], scores[order], users[order])
        here = metric(labels, scores, users)
        assert here.as_dict() == there.as_dict()


@quick
@given(judged_rows())
def test_strictly_increasing_rescaling_does_not_matter_at_all(rows):
    labels, scores, users, _ = rows
    for rescaled in (
        scores * 1e6,
        np.exp(scores),
        scores**3,
        (scores * 4).astype(np.int8),
        1 / (1 - scores + 9),
    ):
        for metric in (AUC(), UAUC(), WUAUC()):
            assert metric(labels, rescaled, users).as_dict() == metric(labels, scores, users).as_dict()


@quick
@given(judged_rows())
def test_reversed_scores_and_swapped_labels_mirror_the_value(rows):
    labels, scores, users, _ = rows
    for metric in (AUC(), UAUC(), WUAUC()):
        value = metric(labels, scores, users).value
        assert metric(labels, -scores, users).value == pytest.approx(1 - value, nan_ok=True)
        assert metric(1 - labels, -scores, users).value == pytest.approx(value, nan_ok=True)


@quick
@given(judged_rows())
def test_constant_scores_give_exactly_one_half(rows):
    labels, scores, users, _ = rows
    for metric in (AUC(), UAUC(), WUAUC()):
        value = metric(labels, np.zeros_like(scores), users).value
        assert math.isnan(value) or value == 0.5


@quick
@given(judged_rows(), st.integers(1, 4))
def test_partitions_by_user_merge_to_the_whole(rows, n_parts):
    labels, scores, users, weights = rows
    parts = [users % n_parts == part for part in range(n_parts)]
    merged = merge([per_user_auc(labels[p], scores[p], users[p], columns={"w": weights[p]}) for p in parts])
    whole = per_user_auc(labels, scores, users, columns={"w": weights})
    np.testing.assert_array_equal(merged.user, whole.user)
    np.testing.assert_array_equal(merged.auc, whole.auc)
    np.testing.assert_array_equal(merged.columns["w"], whole.columns["w"])
    folded = UAUC().result(UAUC().fold(merged))
    assert folded.as_dict() == UAUC()(labels, scores, users).as_dict()


def test_merging_refuses_a_user_in_two_parts():
    part = per_user_auc([1, 0], [1, 0], ["ann", "bob"])
    with pytest.raises(ValueError, match="'ann' in two"):
        merge([part, per_user_auc([1], [1], ["ann"])])


@quick
@given(judged_rows())
def test_whole_weights_count_like_repeated_rows(rows):
    labels, scores, users, weights = rows
    again = np.repeat(np.arange(labels.size), weights)
    spend = (labels + users) / 7
    for metric in (AUC(), UAUC(), WUAUC(), WUAUC("positives"), WUAUC("spend")):
        weighted = metric(labels, scores, users, weights, {"spend": spend}).value
        repeated = metric(labels[again], scores[again], users[again], None, {"spend": spend[again]}).value
        assert weighted == pytest.approx(repeated, nan_ok=True)


@quick
@given(judged_rows(), st.floats(1e-3, 1e3))
def test_equal_weights_change_nothing(rows, weight):
    labels, scores, users, _ = rows
    for metric in (AUC(), UAUC(), WUAUC(), WUAUC("positives")):
        weighted = metric(labels, scores, users, np.full(labels.size, weight)).value
        assert weighted == pytest.approx(metric(labels, scores, users).value, abs=1e-12, nan_ok=True)


def test_light_users_keep_their_precision_beside_heavy_ones():
    labels, scores, users = clustered_rows()
    scale = 10.0 ** np.random.default_rng(1).integers(-12, 12, 100)
    found = per_user_auc(labels, scores, users, weights=scale[users])
    np.testing.assert_allclose(found.auc, per_user_auc(labels, scores, users).auc, rtol=1e-11)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_blocks_of_any_size_give_the_same_digits(monkeypatch, block):
    labels, scores, users = clustered_rows(n_rows=600, n_users=9)
    whole = per_user_auc(labels, scores, users)
    weighted = per_user_auc(labels, scores, users, weights=users + 1)
    monkeypatch.setattr(grouped_auc, "_BLOCK", block)
    monkeypatch.setattr(weighted_fold, "_BLOCK", block)
    np.testing.assert_array_equal(per_user_auc(labels, scores, users).auc, whole.auc)
    in_blocks = per_user_auc(labels, scores, users, weights=users + 1)
    np.testing.assert_allclose(in_blocks.auc, weighted.auc, rtol=1e-14)
    np.testing.assert_allclose(in_blocks.auc, whole.auc, rtol=1e-14)


# faults of other implementations, each once seen


def test_all_scores_tied_give_one_half_in_any_order_unlike_torchrec():
    for labels in ([1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]):
        assert AUC()(labels, [0.3] * 4).value == 0.5
        assert UAUC()(labels, [0.3] * 4, users=[1] * 4).value == 0.5


def test_logits_far_from_zero_are_not_squashed_unlike_torchmetrics():
    labels, logits = [0, 1, 0, 1, 1, 0, 1], np.array([18, 19, 19.5, 20, 21, 21.5, 22], np.float32)
    assert AUC()(labels, logits).value == pytest.approx(roc_auc_score(labels, logits))
    assert AUC()(labels, logits).value != 0.5


def test_one_class_users_are_counted_and_not_scored_as_half_unlike_torchrec():
    result = UAUC()([1, 0, 1, 1, 0], [2, 1, 3, 4, 5], users=[1, 1, 2, 2, 3])
    assert (result.value, result.n_users, result.n_skipped_users) == (1.0, 3, 2)


def test_one_single_class_user_does_not_make_the_mean_undefined_unlike_torch_rechub():
    assert not math.isnan(UAUC()([1, 0, 1], [2, 1, 3], users=[1, 1, 2]).value)


def test_five_thousand_users_keep_precision_unlike_group_times_1e12():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(5000), 20)
    labels = (rng.random(users.size) < 0.3).astype(int)
    scores = rng.random(users.size, dtype=np.float32) * 1e-3 + labels.astype(np.float32) * 2e-4
    frame = pd.DataFrame({"u": users, "y": labels, "s": scores.astype(np.float64)})
    frame["rank"] = frame.groupby("u").s.rank()
    per_user = frame.groupby("u").agg(n=("y", "size"), p=("y", "sum"))
    per_user["rank_sum"] = frame[frame.y == 1].groupby("u")["rank"].sum()
    p, n = per_user.p, per_user.n - per_user.p
    exact = ((per_user.rank_sum - p * (p + 1) / 2) / (p * n))[(p > 0) & (n > 0)].mean()
    assert UAUC()(labels, scores, users).value == pytest.approx(exact, abs=1e-13)


def test_user_ids_above_two_to_the_24_do_not_fall_together():
    users = np.array([2**24, 2**24, 2**24 + 1, 2**24 + 1, 2**53, 2**53, 2**53 + 1, 2**53 + 1])
    labels, scores = [1, 0] * 4, [2, 1, 1, 2, 2, 1, 1, 2]
    found = per_user_auc(labels, scores, users)
    assert found.user.tolist() == [2**24, 2**24 + 1, 2**53, 2**53 + 1]
    assert found.auc.tolist() == [1, 0, 1, 0]


def test_float64_scores_that_differ_in_the_last_bit_are_told_apart():
    low = 0.1
    high = np.nextafter(low, 1)
    assert np.float32(low) == np.float32(high)
    assert AUC()([1, 0], [high, low]).value == 1.0
    assert UAUC()([1, 0], [low, high], users=["a", "a"]).value == 0.0


def test_auc_at_a_low_click_rate_is_not_binned_unlike_torcheasyrec():
    rng = np.random.default_rng(0)
    labels = (rng.random(40_000) < 0.01).astype(int)
    scores = (0.004 + 0.002 * rng.random(40_000) + 0.0015 * labels).astype(np.float32)
    assert AUC()(labels, scores).value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


# score dtypes


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "longdouble", "int8", "int64", "uint64", "bool"]
)
def test_every_score_dtype_gives_the_same_value(dtype):
    labels, scores, users = clustered_rows()
    whole = np.clip(np.round(scores * 3), 0, 1 if dtype == "bool" else 9)
    assert UAUC()(labels, whole.astype(dtype), users).value == UAUC()(labels, whole, users).value


@pytest.mark.parametrize(
    "values",
    [
        np.array([-np.inf, -2.5, -1e-45, -0.0, 0.0, 1e-45, 2.5], np.float32)[1:],
        np.array([-3.5, 0.1, np.nextafter(0.1, 1), 1e300, 1e301]),
        np.array([-(2**62), -1, 0, 2**62], np.int64),
        np.array([2**63, 2**64 - 1], np.uint64),
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.array([-128, 127], np.int8),
        np.array([1, 1 + np.finfo(np.longdouble).eps], np.longdouble),
    ],
)
def test_ordinals_keep_order_and_equality_exactly(values):
    shuffled = np.random.default_rng(0).permutation(np.concatenate([values, values]))
    ordinals = score_ordinals(shuffled)
    for i, a in enumerate(shuffled):
        for j, b in enumerate(shuffled):
            assert (ordinals[i] < ordinals[j]) == (a < b)
            assert (ordinals[i] == ordinals[j]) == (a == b)


# undefined and bad input


@pytest.mark.parametrize("metric", [AUC(), UAUC(), WUAUC()])
def test_undefined_is_nan_with_counts_and_never_zero(metric):
    empty = metric([], [], [])
    assert math.isnan(empty.value)
    assert (empty.n_rows, empty.n_users, empty.n_skipped_users) == (0, 0, 0)
    one_class = metric([1, 1, 1], [0.1, 0.2, 0.3], ["a", "a", "b"])
    assert math.isnan(one_class.value)
    assert not one_class.is_defined
    assert (one_class.n_rows, one_class.n_users) == (3, 2)
    assert one_class.as_dict()["value"] is None


def test_all_users_one_class_are_all_counted_as_skipped():
    result = UAUC()([1, 1, 0], [1, 2, 3], ["a", "a", "b"])
    assert math.isnan(result.value)
    assert (result.n_skipped_users, result.covered_rows) == (2, 0.0)


@pytest.mark.parametrize(
    ("labels", "scores", "users", "message"),
    [
        (
            [1, 0],
            [0.1, math.nan],
            [1, 1],
            r"scores: expected finite numbers, got 1 other row\(s\): nan in row 1",
        ),
        ([1, 0], [math.inf, 0.1], [1, 1], "inf in row 0"),
        ([1, 2], [0.1, 0.2], [1, 1], "labels: expected only 0 and 1, got 1 other"),
        ([1, -1], [0.1, 0.2], [1, 1], "labels: expected only 0 and 1"),
        ([1, math.nan], [0.1, 0.2], [1, 1], "labels: expected only 0 and 1, got .* nan in row 1"),
        ([1, 0.5], [0.1, 0.2], [1, 1], "labels: expected only 0 and 1"),
        (["1", "0"], [0.1, 0.2], [1, 1], "labels: expected 0/1 or bool, got dtype"),
        ([1, 0], [0.1], [1, 1], "scores: expected 2 rows, as many as labels, got 1"),
        ([1, 0], ["a", "b"], [1, 1], "scores: expected real numbers"),
        ([1, 0], [[0.1, 0.2]], [1, 1], "scores: expected one dimension"),
        ([1, 0], [0.1, 0.2], [1], "users: expected 2 rows"),
        ([1, 0], [0.1, 0.2], [1.0, 2.0], "users: expected integer or string ids, got float64"),
        (
            [1, 0],
            [0.1, 0.2],
            ["a", None],
            "users: expected an id in every row, got 1 missing, first at row 1",
        ),
        ([1, 0], [0.1, 0.2], [7, "7"], "users: expected ids of one kind, got mixed"),
        ([1, 0], [0.1, 0.2], None, "users: UAUC needs the user id of every row, got None"),
    ],
)
def test_bad_rows_are_named(labels, scores, users, message):
    with pytest.raises(ValueError, match=message):
        UAUC()(labels, scores, users)


def test_bad_weights_and_settings_are_named():
    with pytest.raises(ValueError, match=r"weights: expected finite numbers >= 0, got .* -1.0 in row 1"):
        AUC()([1, 0], [1, 2], weights=[1, -1])
    with pytest.raises(ValueError, match=r"columns: WUAUC.* needs the column 'spend', got none"):
        WUAUC(weight="spend")([1, 0], [1, 2], users=[1, 1])
    with pytest.raises(ValueError, match="min_rows: expected an integer of at least 1, got 0"):
        UAUC(min_rows=0)
    with pytest.raises(ValueError, match="weight: expected"):
        WUAUC(weight="")


def test_pandas_columns_are_read_by_position_and_left_alone():
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "s": [0.2, 0.1, 0.3, 0.4], "u": ["b", "b", "a", "a"]})
    shuffled_index = frame.set_index(pd.Index([3, 1, 2, 0]))
    kept = shuffled_index.copy()
    assert UAUC()(shuffled_index.y, shuffled_index.s, shuffled_index.u).value == 0.5
    assert UAUC()(frame.y.astype("Int64"), frame.s, frame.u.astype("category")).value == 0.5
    pd.testing.assert_frame_equal(shuffled_index, kept)


# values that print and hash


def test_a_metric_is_a_printable_hashable_value():
    assert str(UAUC()) == "UAUC"
    assert str(UAUC(min_rows=5)) == "UAUC(min_rows=5)"
    assert str(WUAUC(weight="clicks")) == "WUAUC(weight='clicks')"
    assert repr(WUAUC()) == "WUAUC(weight='impressions', min_rows=2)"
    assert {UAUC(), UAUC(min_rows=2), UAUC(min_rows=3), AUC()} == {UAUC(), UAUC(min_rows=3), AUC()}
    with pytest.raises(AttributeError):
        UAUC().min_rows = 3


# cost and imports


def test_memory_stays_below_64_bytes_a_row():
    rng = np.random.default_rng(0)
    users, scores = rng.integers(0, 100_000, 1_000_000), rng.random(1_000_000, dtype=np.float32)
    labels = (scores > 0.9).astype(np.int8)
    tracemalloc.start()
    UAUC()(labels, scores, users)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / 1_000_000 < 64


def test_examples_in_the_documentation_are_true():
    page = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0
