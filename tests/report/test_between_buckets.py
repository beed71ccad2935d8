"""What an AUC inside a bucket cannot see is counted, and named on the page."""

import numpy as np
import pandas as pd
import pytest

from learn_rank.evaluation.between_buckets import calibration_rows, part_rows, share_tied, tie_rows
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.metrics.auc import AUC
from learn_rank.pipeline.judged_between import judge_between
from learn_rank.report import Report, report_html
from learn_rank.report.alarms import auc_changes, shift_alarms, tie_alarms, weak_baseline_alarms
from learn_rank.report.between import calibration_table, parts_table

pytestmark = pytest.mark.usefixtures("without_plots")
CTR = ("CTR",)


def shifted(n_users=200, n_rows=20, factor=0.3, n_seeds=2):
    """LEARN is the baseline, but for rows of new items, of whose probabilities it says a share."""
    generator = np.random.default_rng(0)
    n = n_users * n_rows
    rate = generator.uniform(0.05, 0.5, n)
    is_new = generator.random(n) < 0.6
    common = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(n_users), n_rows),
            "item_id": np.where(is_new, 1, 2),
            "click": (generator.random(n) < rate).astype(int),
            "user_bucket": "other",
            "item_bucket": np.where(is_new, "cold-start", "other"),
        }
    )
    noise = [generator.uniform(0.95, 1.05, n) for _ in range(n_seeds)]
    base = [common.assign(pctr=rate * each) for each in noise]
    learn = [table.assign(pctr=table.pctr * np.where(is_new, factor, 1.0)) for table in base]
    return {"baseline": base, "learn": learn}


def judged(predictions):
    rows, deltas = evaluate_arms(predictions, "baseline", CTR)
    between, alarms = judge_between(predictions, rows, CTR)
    return Report([dict(row) for row in rows], [dict(row) for row in deltas], {**between, "warnings": alarms})


def test_a_planted_shift_of_new_items_is_unseen_inside_buckets_and_named_on_the_page():
    report = judged(shifted())
    of_items = [
        row["delta"]
        for row in report.deltas
        if (row["metric"], row["bucket_kind"]) == ("AUC", "item") and row["delta"] is not None
    ]
    assert of_items == pytest.approx([0, 0])
    [said] = report.about["warnings"]
    assert said.startswith("LEARN predicts 0.3") and "rows of cold-start items" in said
    assert "baseline 1.0" in said or "baseline 0.9" in said
    within, between = auc_changes(report.about["auc_parts"], "learn", "CTR", "item")
    assert within == pytest.approx(0) and between < -0.05
    assert f"against each other changed the AUC by −{-100 * between:.2f} points" in said
    page = report_html(report)
    assert "rows of cold-start items get" in page
    assert "What an AUC inside a bucket cannot see" in page
    assert "positive cold-start over negative other" in page


def test_a_bucket_that_holds_all_rows_is_not_shown_beside_them():
    report = judged(shifted())  # all users are in one bucket
    calibration = calibration_table(report.about["calibration"], "CTR")
    assert [(line["kind"], line["name"]) for line in calibration["lines"]] == [
        ("all", "all rows"),
        ("item", "cold-start items"),
        ("item", "other items"),
    ]
    assert [line["kind"] for line in parts_table(report.about["auc_parts"], "CTR")["lines"]] == ["items"]


def test_without_a_shift_nothing_is_named():
    report = judged(shifted(factor=1.0))
    assert report.about["warnings"] == []
    assert [row["delta"] for row in report.about["auc_parts"]] == pytest.approx([0.0] * 5)


def test_parts_of_a_mean_over_seeds_add_up_to_the_change_of_the_pooled_auc():
    predictions = shifted(n_users=30)
    [whole] = [
        row["delta"]
        for row in evaluate_arms(predictions, "baseline", CTR, metrics=[AUC()])[1]
        if row["bucket_kind"] == "all"
    ]
    for kind in ("user", "item"):
        parts = [row for row in part_rows(predictions, "baseline", CTR) if row["bucket_kind"] == kind]
        assert sum(row["delta"] for row in parts) == pytest.approx(whole, abs=1e-12)
        assert sum(row["share_of_pairs"] for row in parts) == pytest.approx(1)


def test_calibration_of_a_bucket_is_its_predicted_over_its_observed_clicks():
    predictions = shifted()
    found = {
        (row["model"], row["bucket_kind"], row["bucket"]): row
        for row in calibration_rows(predictions, "baseline", CTR)
    }
    for arm, tables in predictions.items():
        inside = [table[table.item_bucket == "cold-start"] for table in tables]
        row = found[arm, "item", "cold-start"]
        assert row["value"] == pytest.approx(np.mean([t.pctr.sum() / t.click.sum() for t in inside]))
        assert row["low"] < row["value"] < row["high"]
    assert found["learn", "item", "long-tail"]["value"] is None


def test_ties_are_rows_whose_score_another_row_of_the_bucket_has():
    assert share_tied(np.array([1, 1, 1, 2, 3])) == 3 / 5
    predictions = shifted(n_seeds=1)
    [base] = predictions["baseline"]
    is_new = base.item_bucket == "cold-start"
    predictions["baseline"] = [base.assign(pctr=base.pctr.where(~is_new, 0.25))]
    ties = tie_rows(predictions, "baseline", CTR)
    share = {(row["model"], row["bucket"]): row["share"] for row in ties if row["bucket_kind"] == "item"}
    assert share["baseline", "cold-start"] == 1 and share["learn", "cold-start"] < 0.01
    [said] = tie_alarms(ties)
    assert "of the baseline's CTR scores of rows of cold-start items are those of another row" in said


def row(model, value, *, low=None, high=None, kind="all", bucket="all", metric="AUC"):
    place = {"task": "CTR", "metric": metric, "bucket_kind": kind, "bucket": bucket}
    return {"model": model, **place, "value": value, "low": low, "high": high, "n_rows": 100}


def test_a_baseline_below_plain_rates_or_worse_than_chance_in_a_bucket_is_named():
    inside = {"kind": "item", "bucket": "cold-start"}
    rows = [
        row("baseline", 0.60, low=0.5, high=0.7),
        row("rates", 0.61),
        row("baseline", 0.44, low=0.41, high=0.47, **inside),
        row("learn", 0.40, low=0.39, high=0.41, **inside),
        row("baseline", 0.48, low=0.45, high=0.51, kind="item", bucket="other"),
    ]
    below, worse = weak_baseline_alarms(rows, ["rates"])
    assert "(0.6000) is below plain item and user rates (0.6100)" in below
    assert "rows of cold-start items worse than chance (AUC 0.4400 [0.4100, 0.4700])" in worse
    assert weak_baseline_alarms([*rows[:1], row("rates", 0.59)], ["rates"]) == []


@pytest.mark.parametrize(
    "learn, baseline, is_named",
    [
        ((0.5, 0.45, 0.55), 0.9, True),
        ((2.0, 1.8, 2.2), 1.1, True),
        ((0.5, 0.45, 0.85), 0.9, False),  # the interval reaches what is near enough
        ((0.5, 0.45, 0.55), 0.3, False),  # the baseline is farther off
        ((None, None, None), 0.9, False),
    ],
)
def test_a_shift_is_named_where_the_interval_is_far_off_and_the_baseline_is_not(learn, baseline, is_named):
    inside = {"kind": "item", "bucket": "cold-start", "metric": "PCOC"}
    value, low, high = learn
    rows = [row("learn", value, low=low, high=high, **inside), row("baseline", baseline, **inside)]
    assert bool(shift_alarms(rows, [])) == is_named
