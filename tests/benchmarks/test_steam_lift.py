"""Differences over splits: their mean and their interval by hand."""

import math

import pandas as pd
import pytest

from benchmarks.steam_lift import contrast, warm
from learn_rank.evaluation.tasks import evaluate_arms


def split(seed: int, lift: float) -> dict[str, pd.DataFrame]:
    """Two arms on rows of their own; the second knows more of the label."""
    import numpy as np

    generator = np.random.default_rng(seed)
    n = 3000
    click = generator.integers(0, 2, n)
    noise = generator.normal(size=n)
    rows = pd.DataFrame(
        {
            "user_id": generator.integers(0, 150, n),
            "item_id": generator.integers(0, 50, n),
            "click": click,
            "conversion": np.where(click == 1, generator.integers(0, 2, n), np.nan),
            "user_bucket": "other",
            "item_bucket": "other",
        }
    )

    def scores(strength: float) -> pd.DataFrame:
        p = 1 / (1 + np.exp(-(strength * click + noise)))
        return rows.assign(pctr=p, pcvr=p, pctcvr=p * p)

    return {"old": scores(0.5), "new": scores(0.5 + lift)}


def alone(tables: dict[str, pd.DataFrame]) -> dict[str, list[pd.DataFrame]]:
    """Arms of one seed."""
    return {name: [table] for name, table in tables.items()}


def test_a_difference_is_the_mean_of_the_splits_and_its_interval_holds_users_and_splits():
    splits = [split(seed, lift) for seed, lift in enumerate((0.3, 0.5, 0.4))]
    rows = contrast([alone(tables) for tables in splits], "new", "old")
    place = ("CTR", "UAUC", "all", "all")
    names = ("task", "metric", "bucket_kind", "bucket")
    (row,) = [row for row in rows if tuple(row[name] for name in names) == place]
    own = [
        next(
            each
            for each in evaluate_arms({"old": [tables["old"]], "new": [tables["new"]]}, "old")[1]
            if tuple(each[name] for name in names) == place
        )
        for tables in splits
    ]
    deltas = [each["delta"] for each in own]
    mean = sum(deltas) / 3
    assert row["of_splits"] == pytest.approx(deltas)
    assert row["delta"] == pytest.approx(mean)
    of_users = sum(((each["high"] - each["low"]) / 2 / 1.96) ** 2 for each in own) / 3
    of_splits = sum((delta - mean) ** 2 for delta in deltas) / 2 / 3
    half = (row["high"] - row["low"]) / 2
    # t with a few degrees of freedom is wider than the normal's 1.96
    assert half > 1.96 * math.sqrt(of_users + of_splits) * 0.999
    assert half < 4.31 * math.sqrt(of_users + of_splits)


def test_a_split_counts_once_however_many_seeds_it_has():
    first, second, third = split(0, 0.3), split(1, 0.5), split(2, 0.4)
    both = {name: [first[name], second[name]] for name in first}
    rows = contrast([both, alone(third)], "new", "old")
    apart = contrast([alone(first), alone(second), alone(third)], "new", "old")
    for row, each in zip(rows, apart, strict=True):
        if each["delta"] is not None:
            one, two, three = each["of_splits"]
            assert row["of_splits"] == pytest.approx([(one + two) / 2, three])
            assert row["delta"] == pytest.approx(((one + two) / 2 + three) / 2)


def test_seeds_that_one_arm_lacks_are_left_out():
    first, second = split(0, 0.3), split(1, 0.5)
    rows = contrast([{"old": [first["old"], second["old"]], "new": [first["new"]]}], "new", "old")
    for row, each in zip(rows, contrast([alone(first)], "new", "old"), strict=True):
        assert row == each


def test_one_split_gives_the_users_interval_alone():
    rows = contrast([alone(split(0, 0.4))], "new", "old")
    own = evaluate_arms({"old": [split(0, 0.4)["old"]], "new": [split(0, 0.4)["new"]]}, "old")[1]
    for row, each in zip(rows, own, strict=True):
        if each["low"] is None:
            assert row["delta"] is None
        else:
            assert row["low"] == pytest.approx(each["low"], abs=2e-4)


def test_equal_scores_differ_by_exactly_nothing():
    tables = split(0, 0.4)
    rows = contrast([alone({**tables, "same": tables["old"]})] * 2, "same", "old")
    assert {(row["delta"], row["low"], row["high"], row["p"]) for row in rows if row["of_splits"]} == {
        (0.0, 0.0, 0.0, 1.0)
    }


def test_warm_rows_are_all_but_those_of_new_items_in_every_arm():
    tables = split(0, 0.4)
    bucket = ["cold-start", "long-tail", "other"] * 1000
    rows = warm(alone({name: table.assign(item_bucket=bucket) for name, table in tables.items()}))
    for name, (table,) in rows.items():
        kept = tables[name].iloc[[n for n in range(3000) if n % 3]]
        assert table["pctr"].tolist() == kept["pctr"].tolist()
        assert set(table["item_bucket"]) == {"long-tail", "other"}
