"""Arms that score alike and buckets of the same rows: found, and counted once."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from planted_predictions import copied, planted

from learn_rank.evaluation.compare import Partition
from learn_rank.evaluation.equal_scores import first_of_buckets
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.evaluation.twins import twins

NAMES = ("cold-start", "long-tail", "other")


def parts(user, item):
    return [Partition("user", user, NAMES), Partition("item", item, NAMES)]


@pytest.mark.parametrize(
    ("user", "item", "equal"),
    [
        (["other"] * 3, ["cold-start", "other", "other"], {("user", "other"): ("all", "all")}),
        (
            ["cold-start", "other", "other"],
            ["long-tail", "other", "other"],
            {("item", "long-tail"): ("user", "cold-start"), ("item", "other"): ("user", "other")},
        ),
        (["cold-start", "other", "other"], ["other", "cold-start", "other"], {}),
    ],
)
def test_a_bucket_with_the_rows_of_an_earlier_one_is_found_and_an_empty_one_is_not(user, item, equal):
    found = first_of_buckets(parts(user, item), 3)
    assert {place: first for place, first in found.items() if place != first} == equal
    assert len(found) == 7


@pytest.fixture(scope="module")
def tables():
    made = planted({"baseline": ((1, 0.3), 0.3), "learn": ((1, 0.36), 0.3)}, seed_noise=0.01)
    made["auto"] = copied(made, "learn")
    for table in chain(*made.values()):
        table["user_bucket"] = "other"
    for one, base in zip(made["auto"], made["baseline"], strict=True):
        one["pcvr"] = base["pcvr"]
    return made


def test_twins_are_told_by_task(tables):
    arms, buckets = twins(tables, "baseline", ["CTR", "CVR"])
    assert arms == [
        {"task": "CTR", "model": "auto", "same_as": "learn"},
        {"task": "CVR", "model": "auto", "same_as": "baseline"},
    ]
    same = {"same_kind": "all", "same_bucket": "all"}
    assert buckets == [
        {"task": task, "bucket_kind": "user", "bucket": "other", **same} for task in ("CTR", "CVR")
    ]


def test_a_bucket_that_is_all_rows_makes_the_family_no_larger_and_has_their_marks(tables):
    divided = {arm: [one.assign(user_bucket="other") for one in own] for arm, own in tables.items()}
    for table in chain(*divided.values()):
        table.loc[table["item_id"] < 3, "user_bucket"] = "long-tail"  # now two buckets with rows of their own
    once, apart = (evaluate_arms(one, tasks=["CTR"])[1] for one in (tables, divided))

    def largest(deltas):
        own = [row for row in deltas if row["metric"] == "UAUC" and row["model"] == "learn" and row["p"]]
        least = min(own, key=lambda row: row["p"])
        return least["p_adjusted"] / least["p"]

    assert largest(once) == pytest.approx(1 + 3)  # all rows, three buckets of items
    assert largest(apart) == pytest.approx(1 + 2 + 3)
    by_place = {
        (row["bucket_kind"], row["bucket"]): row["p_adjusted"]
        for row in once
        if (row["model"], row["metric"]) == ("learn", "UAUC")
    }
    assert by_place["user", "other"] == by_place["all", "all"]


def test_the_differences_of_the_seeds_have_the_difference_as_their_mean(tables):
    _, deltas = evaluate_arms(tables, tasks=["CTR"])
    own = [row for row in deltas if row["delta"] is not None]
    assert own and all(len(row["seed_deltas"]) == 3 for row in own)
    np.testing.assert_allclose([np.mean(row["seed_deltas"]) for row in own], [row["delta"] for row in own])


def test_one_seed_or_unlike_seeds_have_no_differences_of_seeds(tables):
    floor = {"baseline": tables["baseline"], "rates": tables["learn"][:1]}
    single = {arm: own[:1] for arm, own in tables.items()}
    for arms in (floor, single):
        assert not any("seed_deltas" in row for row in evaluate_arms(arms, tasks=["CTR"])[1])


def test_a_seeds_difference_is_that_of_its_two_columns(tables):
    _, deltas = evaluate_arms(tables, tasks=["CTR"])
    alone = [
        evaluate_arms({arm: own[seed : seed + 1] for arm, own in tables.items()}, tasks=["CTR"])[1]
        for seed in range(3)
    ]
    for at, row in enumerate(deltas):
        if row["delta"] is not None:
            expected = [found[at]["delta"] for found in alone]
            pd.testing.assert_series_equal(pd.Series(row["seed_deltas"]), pd.Series(expected))
