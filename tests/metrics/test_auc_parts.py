"""The pooled AUC taken apart by buckets: by hand, by a loop over all pairs, and what must add up."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.metrics.auc import AUC
from learn_rank.metrics.auc_parts import auc_change, auc_parts
from learn_rank.metrics.buckets import bucketed

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4), st.integers(0, 2), st.integers(0, 3)),
    min_size=1,
    max_size=30,
).map(lambda found: tuple(np.array(column) for column in zip(*found, strict=True)))


def won_by_loop(labels, scores, buckets, weights, n_buckets):
    won, pairs = np.zeros((n_buckets, n_buckets)), np.zeros((n_buckets, n_buckets))
    for p, n in itertools.product(range(len(labels)), repeat=2):
        if labels[p] == 1 and labels[n] == 0:
            weight = weights[p] * weights[n]
            pairs[buckets[p], buckets[n]] += weight
            won[buckets[p], buckets[n]] += weight * ((scores[p] > scores[n]) + (scores[p] == scores[n]) / 2)
    return won, pairs


def test_every_pair_stands_with_the_buckets_of_its_rows():
    labels = [1, 1, 0, 1, 0, 0]
    scores = [5, 3, 3, 4, 4, 1]
    found = auc_parts(labels, scores, ["a", "a", "a", "b", "b", "b"])
    within_a = 1 + 1 / 2  # 5 over 3, 3 beside 3
    a_over_b = (1 + 1) + (0 + 1)  # 5 over 4 and 1; 3 over 1 alone
    b_over_a = 1  # 4 over 3
    within_b = 1 / 2 + 1  # 4 beside 4, 4 over 1
    assert found.names == ("a", "b")
    assert found.won.tolist() == [[within_a, a_over_b], [b_over_a, within_b]]
    assert found.pairs.tolist() == [[2 * 1, 2 * 2], [1 * 1, 1 * 2]]
    assert found.auc == (within_a + a_over_b + b_over_a + within_b) / 9
    assert found.within == (within_a + within_b) / 9
    assert found.between == (a_over_b + b_over_a) / 9


def test_a_bucket_that_is_pushed_down_as_a_whole_loses_between_buckets_alone():
    rng = np.random.default_rng(3)
    is_new = rng.random(2000) < 0.8
    label = (rng.random(2000) < 0.25).astype(int)
    score = rng.random(2000) + 0.5 * label
    pushed = score - 2.0 * is_new
    bucket = np.where(is_new, "new", "old")
    change = auc_change(auc_parts(label, pushed, bucket), auc_parts(label, score, bucket))
    for name in ("new", "old"):
        inside = bucket == name
        assert AUC()(label[inside], pushed[inside]).value == AUC()(label[inside], score[inside]).value
    assert change.within == 0
    assert change.between == change.total
    assert change.total == pytest.approx(AUC()(label, pushed).value - AUC()(label, score).value, abs=1e-12)
    new_over_old = change.parts[change.names.index("new"), change.names.index("old")]
    assert new_over_old < 0 < change.parts[change.names.index("old"), change.names.index("new")]


@settings(max_examples=60, deadline=None)
@given(rows)
def test_cells_are_those_of_a_loop_over_all_pairs(drawn):
    labels, scores, _, buckets, weights = drawn
    names = ["0", "1", "2"]
    found = auc_parts(labels, scores, buckets, names=names, weights=weights)
    won, pairs = won_by_loop(labels, scores, buckets, weights, 3)
    np.testing.assert_array_equal(found.won, won)
    np.testing.assert_array_equal(found.pairs, pairs)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_within_and_between_add_up_to_the_change_of_the_pooled_auc(drawn):
    labels, scores, others, buckets, _ = drawn
    old, new = (auc_parts(labels, each, buckets) for each in (scores, others))
    expected = AUC()(labels, others).value - AUC()(labels, scores).value
    change = auc_change(new, old)
    assert change.total == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert change.parts.sum() == pytest.approx(change.within + change.between, abs=1e-12, nan_ok=True)
    assert auc_change(old, new).total == pytest.approx(-change.total, abs=1e-12, nan_ok=True)
    assert old.auc == pytest.approx(AUC()(labels, scores).value, abs=1e-12, nan_ok=True)
    diagonal = dict(zip(old.names, np.diag(old.by_pair), strict=True))
    alone = bucketed(AUC(), labels, scores, np.zeros(len(labels), int), buckets)
    assert {name: result.value for name, result in alone.items()} == pytest.approx(diagonal, nan_ok=True)


def test_the_order_of_rows_and_a_rescaled_score_change_nothing():
    rng = np.random.default_rng(0)
    label, score, bucket = rng.integers(0, 2, 300), rng.integers(0, 40, 300), rng.integers(0, 4, 300)
    expected = auc_parts(label, score, bucket).won
    order = rng.permutation(300)
    np.testing.assert_array_equal(auc_parts(label[order], score[order] / 7.0, bucket[order]).won, expected)


def test_without_rows_of_both_classes_nothing_is_said():
    alone = auc_parts([1, 1], [0.1, 0.2], ["a", "b"])
    assert math.isnan(alone.auc) and math.isnan(alone.within) and math.isnan(alone.between)
    assert math.isnan(auc_change(alone, alone).total)
    assert math.isnan(auc_parts([], [], []).auc)


def test_scores_of_other_rows_are_refused():
    one = auc_parts([1, 0], [2, 1], ["a", "b"])
    with pytest.raises(ValueError, match=r"new, old: expected two scores of the same rows and buckets"):
        auc_change(auc_parts([1, 0], [2, 1], ["a", "c"]), one)
    with pytest.raises(ValueError, match=r"with 2 pairs .* with 1"):
        auc_change(auc_parts([1, 0, 0], [2, 1, 1], ["a", "b", "b"]), one)
