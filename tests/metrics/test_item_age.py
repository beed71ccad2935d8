"""How long an item has been around: by hand, by loops, and where a run's report tells ages apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.data.dataset import RankingDataset
from learn_rank.evaluation.item_ages import KIND, has_ages, judge_by_age
from learn_rank.evaluation.tasks import evaluate_predictions
from learn_rank.metrics.item_age import AGES, item_ages
from learn_rank.report import Report
from learn_rank.report.markdown import report_markdown
from learn_rank.run.predictions import labelled_rows

HOUR = 3_600


def rows(*pairs):
    return pd.DataFrame(pairs, columns=["item_id", "timestamp"])


def test_an_item_is_as_old_as_its_first_row_in_any_table():
    read = rows((1, 0), (2, 5 * HOUR))
    shown = rows(
        (1, 6 * HOUR - 1), (1, 6 * HOUR), (1, 24 * HOUR), (1, 72 * HOUR), (2, 6 * HOUR), (3, 99 * HOUR)
    )
    assert item_ages(shown, read).tolist() == ["< 6 h", "6-24 h", "1-3 d", "older", "< 6 h", "< 6 h"]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), min_size=1, max_size=30), st.integers(1, 29)
)
def test_ages_are_what_a_loop_over_all_rows_finds_and_later_rows_change_none(pairs, cut):
    every = rows(*((item, hour * HOUR) for item, hour in pairs))
    asked, others = every.iloc[:cut], every.iloc[cut:]
    expected = []
    for item, time in zip(asked["item_id"], asked["timestamp"], strict=True):
        first = min(t for i, t in zip(every["item_id"], every["timestamp"], strict=True) if i == item)
        hours = (time - first) / HOUR
        expected.append(next(name for name, limit in AGES.items() if hours < limit))
    assert item_ages(asked, others).tolist() == expected
    later = others[others["timestamp"] < asked["timestamp"].max()]
    assert item_ages(asked, later).tolist() == expected


def predictions(ages, seed=0, lift=0.0):
    generator = np.random.default_rng(seed)
    label = np.random.default_rng(99).integers(0, 2, len(ages))
    score = generator.normal(size=len(ages)) + (1.0 + lift * (ages == "< 6 h")) * label
    return pd.DataFrame(
        {
            "user_id": np.arange(len(ages)) % 40,
            "item_id": np.arange(len(ages)) % 11,
            "click": label,
            "pctr": 1 / (1 + np.exp(-score)),
            "user_bucket": "other",
            "item_bucket": "other",
            "item_age": ages,
        }
    )


@pytest.fixture(scope="module")
def ages():
    return np.random.default_rng(1).choice(
        np.array(["< 6 h", "6-24 h", "older"], object), 900, p=[0.4, 0.2, 0.4]
    )


@pytest.fixture(scope="module")
def arms(ages):
    return {"baseline": [predictions(ages, seed=2)], "learn": [predictions(ages, seed=2, lift=2.0)]}


def test_a_bucket_of_age_is_judged_on_its_own_rows_with_an_empty_one_told(arms, ages):
    found, deltas = judge_by_age(arms, "baseline", ["CTR"])
    assert {(row["bucket_kind"], row["bucket"]) for row in found} == {(KIND, name) for name in AGES}
    table = arms["learn"][0]
    for name in ("< 6 h", "older"):
        alone = evaluate_predictions(table[ages == name], "learn", ["CTR"])
        for metric in ("AUC", "UAUC"):
            expected = next(r for r in alone if (r["metric"], r["bucket_kind"]) == (metric, "all"))
            got = next(r for r in found if (r["model"], r["metric"], r["bucket"]) == ("learn", metric, name))
            assert (got["value"], got["low"], got["n_rows"]) == (
                expected["value"],
                expected["low"],
                expected["n_rows"],
            )
    empty = [row for row in found if row["bucket"] == "1-3 d"]
    assert {row["n_rows"] for row in empty} == {0} and {row["value"] for row in empty} == {None}
    by_name = {row["bucket"]: row for row in deltas if row["metric"] == "AUC"}
    assert by_name["< 6 h"]["low"] > 0 and by_name["older"]["delta"] == 0
    assert by_name["< 6 h"]["p_adjusted"] >= by_name["< 6 h"]["p"]


def test_ages_are_told_only_where_the_rows_are_not_nearly_all_of_one():
    assert has_ages(predictions(np.array(["older"] * 89 + ["< 6 h"] * 11, object)))
    assert not has_ages(predictions(np.array(["older"] * 90 + ["< 6 h"] * 10, object)))
    assert not has_ages(predictions(np.array(["older"], object)).drop(columns="item_age"))


def test_the_markdown_has_a_table_by_age_below_the_one_by_bucket(arms):
    whole = evaluate_predictions(arms["baseline"][0], "baseline", ["CTR"])
    by_age, differences = judge_by_age(arms, "baseline", ["CTR"])
    about = {"item_age": {"rows": by_age, "deltas": differences}}
    delta = {**differences[0], "bucket_kind": "all", "bucket": "all", "metric": "UAUC"}
    text = report_markdown(Report(whole, [delta], about))
    last = text.strip().split("\n\n")[-1].split("\n")
    assert last[0] == "| CTR UAUC | test rows | baseline | learn |"
    assert [line.split("|")[1].strip() for line in last[2:]] == [f"item age: {name}" for name in AGES]
    assert "item age" not in report_markdown(Report(whole, [delta], {}))


@pytest.mark.parametrize("has_time", [False, True])
def test_prediction_files_say_how_old_an_item_was_where_all_tables_have_time(has_time):
    log = pd.DataFrame(
        {
            "user_id": 1,
            "item_id": [1, 2],
            "click": [1, 0],
            "context_id": 5,
            "timestamp": [10 * HOUR, 50 * HOUR],
        }
    )
    seen = pd.DataFrame({"user_id": [1], "item_id": [1], "timestamp": [0]})
    if not has_time:
        seen = seen.drop(columns="timestamp")
    dataset = RankingDataset(
        name="two rows",
        items=pd.DataFrame({"item_id": [1, 2], "title": ["a", "b"]}),
        interactions=seen,
        train=log,
        valid=log,
        test=log,
        contexts=pd.DataFrame({"context_id": [5], "user_id": [1], "history": [[]]}),
    )
    found = labelled_rows(dataset)
    assert ("item_age" in found) == has_time
    if has_time:
        assert found["item_age"].tolist() == ["6-24 h", "< 6 h"]
