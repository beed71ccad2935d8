"""Buckets come from training counts alone, and a bucketed metric says which pairs it compares."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.metrics.auc import AUC, PCOC, UAUC, WUAUC
from learn_rank.metrics.buckets import (
    BUCKETS,
    ITEM_RULE,
    USER_RULE,
    BucketRule,
    assign_buckets,
    bucketed,
    training_counts,
)


def marketplace(n_rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 120, n_rows), rng.integers(0, 60, n_rows)
    labels = (rng.random(n_rows) < 0.3).astype(int)
    scores = np.round(rng.random(n_rows) + 0.3 * labels, 2)
    user_bucket = np.array(BUCKETS)[users % 3]
    item_bucket = np.array(BUCKETS)[np.minimum(items // 10, 2)]
    return labels, scores, users, user_bucket, item_bucket


# rules


def test_thresholds_are_inclusive():
    counts = [0, 1, 3, 4, 10, 11, 20, 21]
    assert ITEM_RULE.bucket_of(counts).tolist() == ["cold-start"] + ["long-tail"] * 6 + ["other"]
    assert USER_RULE.bucket_of(counts).tolist() == ["cold-start"] * 3 + ["long-tail"] * 2 + ["other"] * 3
    assert BucketRule(2, 2).bucket_of([2, 3]).tolist() == ["cold-start", "other"]


def test_rule_by_exposure_puts_at_most_the_share_into_the_tail():
    counts = pd.Series([50, 30, 10, 5, 3, 2])
    assert BucketRule.by_exposure(counts, tail_share=0.10) == BucketRule(0, 5)
    assert BucketRule.by_exposure(counts, tail_share=0.09) == BucketRule(0, 3)
    assert BucketRule.by_exposure(counts, tail_share=0.0) == BucketRule(0, 0)
    assert BucketRule.by_exposure(counts, tail_share=1.0, cold_max=2) == BucketRule(2, 50)
    assert BucketRule.by_exposure(pd.Series([], dtype="int64")) == BucketRule(0, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.floats(0, 1))
def test_rule_by_exposure_is_the_largest_that_fits(counts, share):
    counts = pd.Series(counts)
    rule = BucketRule.by_exposure(counts, tail_share=share)

    def held(limit):
        return counts[counts <= limit].sum()

    assert held(rule.tail_max) <= share * counts.sum()
    larger = counts[counts > rule.tail_max]
    assert larger.empty or held(larger.min()) > share * counts.sum()


@pytest.mark.parametrize("thresholds", [(-1, 3), (5, 4)])
def test_thresholds_out_of_order_are_refused(thresholds):
    with pytest.raises(ValueError, match="expected 0 <= cold_max <= tail_max"):
        BucketRule(*thresholds)


# counts


def test_counts_are_distinct_pairs_of_clicks_and_interactions():
    impressions = pd.DataFrame(
        {"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "a", "c"], "click": [1, 0, 1, 1]}
    )
    interactions = pd.DataFrame({"user_id": ["u", "u", "w"], "item_id": ["a", "d", "a"]})
    found = training_counts(impressions, interactions)
    # u: a (in both tables, once), d; v: a, c; w: a. The unclicked u-b counts nowhere.
    assert found.users.to_dict() == {"u": 2, "v": 2, "w": 1}
    assert found.items.to_dict() == {"a": 3, "c": 1, "d": 1}
    assert training_counts(impressions).items.to_dict() == {"a": 2, "c": 1}
    assert training_counts(None, interactions).items.to_dict() == {"a": 2, "d": 1}


def test_counts_need_a_table_with_its_columns():
    with pytest.raises(ValueError, match="got None for both"):
        training_counts(None)
    with pytest.raises(
        ValueError, match=r"train_impressions: expected the columns .* got none named \['click'\]"
    ):
        training_counts(pd.DataFrame({"user_id": [1], "item_id": [1]}))


@pytest.mark.parametrize("swapped", [False, True])
def test_signed_and_unsigned_ids_are_counted_exactly(swapped):
    big = 2**53
    signed, unsigned = np.array([big, big + 1, big + 2]), np.array([big + 1, big + 3], np.uint64)
    shown, seen = (unsigned, signed) if swapped else (signed, unsigned)
    found = training_counts(
        pd.DataFrame({"user_id": range(len(shown)), "item_id": shown, "click": 1}),
        pd.DataFrame({"user_id": np.arange(10, 10 + len(seen)).astype(np.uint64), "item_id": seen}),
    )
    assert found.items.to_dict() == {big: 1, big + 1: 2, big + 2: 1, big + 3: 1}
    assert found.items.index.dtype == np.int64
    # far beyond 64 bits with a sign nothing is merged, either
    rows = pd.DataFrame({"user_id": [1], "item_id": np.array([2**64 - 1], np.uint64)})
    both = training_counts(pd.DataFrame({"user_id": [1], "item_id": [-1], "click": [1]}), rows)
    assert both.items.to_dict() == {-1: 1, 2**64 - 1: 1}


@pytest.mark.parametrize(
    ("there", "said"),
    [([1.0], "integer in train_impressions, float in inter"), (["1"], "text in interactions")],
)
def test_ids_of_two_kinds_are_not_counted_together(there, said):
    shown = pd.DataFrame({"user_id": [1], "item_id": [1], "click": [1]})
    with pytest.raises(ValueError, match=f"item_id: expected integers .* got .*{said}"):
        training_counts(shown, pd.DataFrame({"user_id": [2], "item_id": there}))


@pytest.mark.parametrize("ids", [np.array([7, 8, 9]), pd.Series([7, 8, 9], index=[2, 1, 0]), [7, 8, 9]])
def test_ids_unknown_to_training_are_cold_start(ids):
    counts = pd.Series([1, 30], index=[8, 9])
    assert assign_buckets(ids, counts, ITEM_RULE).tolist() == ["cold-start", "long-tail", "other"]


def test_string_ids_are_bucketed_and_without_training_all_are_cold():
    counts = pd.Series([1, 30], index=["b", "c"])
    assert assign_buckets(["a", "b", "c", "c"], counts, ITEM_RULE).tolist()[1:] == [
        "long-tail",
        "other",
        "other",
    ]
    assert set(assign_buckets(["a", "b"], counts.iloc[:0], ITEM_RULE)) == {"cold-start"}


def test_integer_ids_against_string_counts_are_refused_and_not_all_cold():
    with pytest.raises(ValueError, match="expected the kind of id of training_counts"):
        assign_buckets([1, 2], pd.Series([5], index=["1"]), ITEM_RULE)
    with pytest.raises(ValueError, match="got 1 missing"):
        assign_buckets(["a", None], pd.Series([5], index=["a"]), ITEM_RULE)


# metrics by bucket


@pytest.mark.parametrize("metric", [AUC(), UAUC(), WUAUC(), UAUC(min_rows=6), PCOC()])
def test_within_equals_the_metric_on_the_rows_of_the_bucket(metric):
    labels, scores, users, user_bucket, item_bucket = marketplace()
    scores = scores / 2
    for buckets in (user_bucket, item_bucket):
        found = bucketed(metric, labels, scores, users, buckets)
        assert list(found) == list(BUCKETS)
        for name, result in found.items():
            own = buckets == name
            alone = metric(labels[own], scores[own], users[own])
            assert result.value == pytest.approx(alone.value, abs=1e-14)
            assert result.as_dict() | {"value": 0} == alone.as_dict() | {"value": 0}


def test_both_meanings_coincide_for_user_buckets():
    labels, scores, users, user_bucket, _ = marketplace()
    for metric in (UAUC(), WUAUC()):
        within = bucketed(metric, labels, scores, users, user_bucket)
        assert within == bucketed(metric, labels, scores, users, user_bucket, meaning="attributed")


def test_user_buckets_average_back_to_the_whole():
    labels, scores, users, user_bucket, _ = marketplace()
    found = bucketed(UAUC(), labels, scores, users, user_bucket, meaning="attributed")
    scored = {name: r.n_users - r.n_skipped_users for name, r in found.items()}
    mean = sum(scored[name] * r.value for name, r in found.items()) / sum(scored.values())
    assert mean == pytest.approx(UAUC()(labels, scores, users).value)


def test_pairs_across_item_buckets_are_not_compared_within():
    # the user's only mistake is between a cold and a warm item
    labels, scores, users = [1, 0, 1, 0], [0.2, 0.1, 0.9, 0.8], [5, 5, 5, 5]
    buckets = ["cold-start", "cold-start", "other", "other"]
    assert UAUC()(labels, scores, users).value == 0.75
    assert {n: r.value for n, r in bucketed(UAUC(), labels, scores, users, buckets).items()} == {
        "cold-start": 1.0,
        "other": 1.0,
    }


def test_item_buckets_cannot_be_attributed_to_users():
    labels, scores, users, _, item_bucket = marketplace()
    with pytest.raises(
        ValueError, match="'attributed' expects all rows of a user in one bucket, got 120 user"
    ):
        bucketed(UAUC(), labels, scores, users, item_bucket, meaning="attributed")
    with pytest.raises(ValueError, match="'attributed' needs a mean over users, got AUC"):
        bucketed(AUC(), labels, scores, users, item_bucket, meaning="attributed")


@pytest.mark.parametrize("metric", [AUC(), UAUC(), PCOC()])
def test_an_empty_bucket_is_a_row_with_no_value_and_no_error(metric):
    found = bucketed(metric, [1, 0], [0.9, 0.1], [1, 1], ["other", "other"], names=BUCKETS)
    assert [found[name].n_rows for name in BUCKETS] == [0, 0, 2]
    assert math.isnan(found["cold-start"].value)
    assert (found["cold-start"].n_users, found["cold-start"].n_skipped_users) == (0, 0)


def test_own_buckets_of_any_kind_are_reported_sorted():
    found = bucketed(AUC(), [1, 0, 1], [1, 2, 3], [1, 2, 3], [10, 9, 9])
    assert list(found) == ["9", "10"]
    assert list(bucketed(AUC(), [], [], [], [])) == []
    assert list(bucketed(UAUC(), [], [], [], [])) == []


def test_weights_and_columns_reach_the_buckets():
    labels, scores, users, _, item_bucket = marketplace()
    weights = users % 3
    for metric in (AUC(), WUAUC(weight="spend")):
        found = bucketed(
            metric, labels, scores, users, item_bucket, weights=weights, columns={"spend": scores}
        )
        own = item_bucket == "long-tail"
        alone = metric(labels[own], scores[own], users[own], weights[own], {"spend": scores[own]})
        assert found["long-tail"].value == pytest.approx(alone.value)


@pytest.mark.parametrize(
    ("buckets", "names", "message"),
    [
        (["a"], None, "buckets: expected 2 rows"),
        (["a", None], None, "buckets: expected a bucket in every row, got 1 missing, first in row 1"),
        (["a", "b"], ["a"], r"buckets: expected only \['a'\], got \['b'\] as well"),
    ],
)
def test_bad_buckets_are_named(buckets, names, message):
    with pytest.raises(ValueError, match=message):
        bucketed(AUC(), [1, 0], [1, 2], [1, 2], buckets, names=names)


def test_an_unknown_meaning_is_refused():
    with pytest.raises(ValueError, match="meaning: expected 'within' or 'attributed', got 'of'"):
        bucketed(AUC(), [1, 0], [1, 2], [1, 2], ["a", "a"], meaning="of")
