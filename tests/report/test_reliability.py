"""Predicted against observed in bins of the prediction: the arithmetic, and its plot on the page."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from planted_predictions import planted
from reference_metrics import leave_one_user_out
from scipy.stats import t as student

from learn_rank.evaluation.reliability import bins_of, reliability_rows
from learn_rank.metrics.auc import ECE
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.pipeline.judged_between import judge_between
from learn_rank.report import Report, report_html
from learn_rank.report.between import off_words, reliability_plots
from learn_rank.report.data import ABOUT_TABLES
from learn_rank.report.once import shown_once
from learn_rank.report.plots import reliability_plot

TASKS = ("CTR", "CVR", "CTCVR")


def table(prob, click, users=None, **columns):
    common = {"user_id": np.arange(len(prob)) if users is None else users, "item_id": 1}
    buckets = {"user_bucket": "other", "item_bucket": "other"}
    return pd.DataFrame({**common, "click": click, **buckets, "pctr": prob, **columns})


def rows_of(*tables):
    return reliability_rows({"baseline": tables}, "baseline", ("CTR",))


def test_a_bin_is_its_mean_prediction_and_its_observed_share():
    rows = LabelledRows.of([0, 1, 0, 0, 1, 1], np.arange(6))
    low, high = bins_of(rows, [0.1, 0.1, 0.2, 0.4, 0.9, 0.7], n_bins=2)
    assert (low.number, high.number) == (0, 1)
    assert low.predicted == pytest.approx((0.1 + 0.1 + 0.2) / 3) and low.observed.value == 1 / 3
    assert high.predicted == pytest.approx((0.4 + 0.7 + 0.9) / 3) and high.observed.value == 2 / 3


def test_the_interval_of_one_row_a_user_is_the_jackknife_of_a_share():
    """13 of 26 click: without one user the share is off by .5 / 25; the variance is 25 (.5 / 25)^2 = .01."""
    [found] = rows_of(table(np.full(26, 0.3), np.arange(26) % 2))
    reach = student.ppf(0.975, 25) * 0.1
    assert (found["low"], found["high"]) == pytest.approx((0.5 - reach, 0.5 + reach))


def slow_bins(labels, prob, users, n_bins):
    """Loops: a row's bin is floor(bins x share of rows with a strictly smaller prediction)."""
    place = [int(n_bins * sum(q < p for q in prob) / len(prob)) for p in prob]
    found = []
    for number in sorted(set(place)):
        inside = [at for at, own in enumerate(place) if own == number]
        y, p, u = ([column[at] for at in inside] for column in (labels, prob, users))
        moved = leave_one_user_out(lambda own, *_: np.mean(own) if len(own) else math.nan, y, p, u)
        n, sizes = len(moved), [u.count(user) for user in moved]
        variance = (n - 1) / n * sum(d**2 for d in moved.values())
        df = sum(sizes) ** 2 / sum(size**2 for size in sizes) - 1
        reach = student.ppf(0.975, df) * math.sqrt(variance) if variance > 1e-20 else None
        ends = (None, None) if reach is None else (max(np.mean(y) - reach, 0), min(np.mean(y) + reach, 1))
        found.append((number, np.mean(p), np.mean(y), *ends, len(inside)))
    return found


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_bins_with_users_and_ties_are_those_of_the_slow_oracle(digits):
    rng = np.random.default_rng(digits)
    prob = (rng.random(300) ** 2).round(digits)
    labels, users = (rng.random(300) < prob).astype(int), rng.integers(0, 60, 300)
    found = rows_of(table(prob, labels, users))
    names = ("bin", "predicted", "observed", "low", "high", "n_rows")
    slow = slow_bins(labels.tolist(), prob.tolist(), users.tolist(), 6)  # 50 rows a bin
    assert len(found) == len(slow) > 2
    for row, expected in zip(found, slow, strict=True):
        for name, value in zip(names, expected, strict=True):
            assert row[name] == (None if value is None else pytest.approx(value)), name


def test_the_gaps_of_one_seed_add_up_to_ece():
    rng = np.random.default_rng(3)
    prob = rng.random(800).round(2)
    labels = (rng.random(800) < prob**1.3).astype(int)
    found = rows_of(table(prob, labels))
    gap = sum(row["n_rows"] * abs(row["predicted"] - row["observed"]) for row in found) / 800
    assert gap == pytest.approx(ECE(bins=10)(labels, prob).value)


def test_a_bin_is_the_mean_over_the_seeds_that_have_rows_in_it_and_seeds_widen_its_interval():
    rng = np.random.default_rng(4)
    click = rng.integers(0, 2, 100)
    one, other = table(rng.random(100), click), table(rng.random(100), click)
    alike, twice, both = rows_of(one), rows_of(one, one), rows_of(one, other)
    assert twice == alike  # two seeds that agree say what one says
    for at in (0, 1):
        own = [rows_of(each)[at] for each in (one, other)]
        for name in ("predicted", "observed"):
            assert both[at][name] == pytest.approx(np.mean([row[name] for row in own]))
    tied = rows_of(one, table(np.full(100, 0.5), click))
    assert tied[1] == alike[1]  # the second seed has one bin


def test_equal_predictions_few_rows_and_one_class_are_told_as_they_are():
    [tied] = rows_of(table(np.full(1000, 0.2), np.arange(1000) % 4 == 0))
    assert (tied["bin"], tied["observed"], tied["n_rows"]) == (0, 0.25, 1000)
    assert len(rows_of(table(np.linspace(0, 1, 99), np.arange(99) % 2))) == 1
    assert len(rows_of(table(np.linspace(0, 1, 100), np.arange(100) % 2))) == 2
    [none] = rows_of(table(np.linspace(0, 1, 60), np.zeros(60)))
    assert (none["observed"], none["low"], none["high"]) == (0, None, None)
    [alone] = rows_of(table([0.2, 0.3], [0, 1], users=[7, 7]))
    assert (alone["low"], alone["high"]) == (None, None)  # one user: nothing varies


def test_conversions_are_judged_on_clicked_rows_and_what_is_unknown_elsewhere_does_not_matter():
    rng = np.random.default_rng(5)
    click = rng.integers(0, 2, 400)
    pcvr, bought = rng.random(400), rng.integers(0, 2, 400)
    unknown = {"conversion": np.where(click, bought, np.nan), "pcvr": np.where(click, pcvr, np.nan)}
    predictions = {"baseline": [table(rng.random(400), click, **unknown)]}
    found = reliability_rows(predictions, "baseline", ("CVR",))
    assert sum(row["n_rows"] for row in found) == click.sum()
    assert sum(row["n_rows"] * row["observed"] for row in found) == pytest.approx((bought * click).sum())
    nobody = {"baseline": [table(np.full(9, 0.1), np.zeros(9), conversion=np.nan, pcvr=np.nan)]}
    assert reliability_rows(nobody, "baseline", ("CVR",)) == []
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        rows_of(table([0.2, 1.2], [0, 1]))


@pytest.fixture(scope="module")
def report():
    arms = {"baseline": ((1, 0.3), 0.3), "learn": ((1, 0.6), 0.1), "shuffled": ((1, 0.3), 0.3)}
    predictions = planted(arms, n_seeds=2, n_users=60, seed_noise=0.01)
    predictions["auto"] = predictions["learn"]
    between, _ = judge_between(predictions, [], TASKS)
    twin = {"task": "CTR", "model": "auto", "same_as": "learn"}
    row = {"task": "CTR", "metric": "AUC", "bucket_kind": "all", "bucket": "all", "model": "learn"}
    counts = {"n_rows": 1200, "n_users": 60, "n_skipped_users": 0}
    rows = [{**row, "task": task, "value": 0.7, "low": 0.6, "high": 0.8, **counts} for task in TASKS]
    return Report(rows, [], {**between, "equal_arms": [twin]})


def test_every_bin_of_every_drawn_model_is_on_the_page_and_in_report_json(report):
    bins = report.about["reliability"]
    assert set(bins[0]) == set(ABOUT_TABLES["reliability"])
    assert {(row["model"], row["task"]) for row in bins} == {
        (model, task) for model in ("baseline", "learn", "shuffled", "auto") for task in TASKS
    }
    clicks = [row for row in bins if (row["model"], row["task"]) == ("learn", "CTR")]
    assert [row["bin"] for row in clicks] == list(range(10))
    svg = reliability_plot(clicks, ["learn"], "p")
    assert svg.startswith("<svg") and svg == reliability_plot(clicks, ["learn"], "p")
    dots = re.findall(r'<use [^>]*style="fill: #0b5cad', svg)
    assert len(dots) == 2 * 10 + 1  # above, below, and one in the legend
    assert reliability_plot([], ["learn"], "p") == ""
    html = report_html(report)
    assert "Does as much happen as is predicted?" in html and html.count("observed / predicted") == 6
    assert 'aria-label="Observed rate over mean predicted probability for clicks (CTR)' in html
    assert "Auto: " not in html
    assert {row["task"] for row in shown_once(report).about["reliability"] if row["model"] == "auto"} == {
        "CVR",
        "CTCVR",
    }


def test_a_report_without_bins_opens_and_shows_no_such_plot(report):
    about = {name: value for name, value in report.about.items() if name != "reliability"}
    html = report_html(Report(report.rows, [], about))
    assert "Does as much happen as is predicted?" not in html and "What an AUC inside" in html


def test_the_words_name_the_bin_that_moves_most_rows_off_the_line():
    def one(at, rates, ends, n_rows=100):
        place = {"model": "learn", "task": "CTR", "bin": at, "n_rows": n_rows}
        return {**place, **dict(zip(("predicted", "observed", "low", "high"), rates + ends, strict=True))}

    right, far = one(0, (0.1, 0.12), (0.09, 0.15)), one(1, (0.2, 0.3), (0.25, 0.35))
    many, unknown = one(2, (0.4, 0.45), (0.41, 0.49), n_rows=300), one(3, (0.9, 1.0), (None, None))
    assert off_words([right, unknown], "learn") == "LEARN: 0 of 2 bins off the line."
    assert off_words([right], "learn") == "LEARN: 0 of 1 bin off the line."
    assert off_words([right, far, many, unknown], "learn") == (
        "LEARN: 2 of 4 bins off the line, most of all where it predicts 40.00 % and 45.00 % happen."
    )
    assert reliability_plots([right, far], "CVR") == {"task": "CVR", "first": [], "others": []}


def test_a_prediction_of_zero_and_a_bin_without_any_positive_are_drawn():
    place = {"model": "learn", "task": "CTR", "low": None, "high": None, "n_rows": 50}
    bins = [{**place, "bin": 0, "predicted": 0.0, "observed": 0.0}]
    assert reliability_plot(bins, ["learn"], "p").startswith("<svg")
    wide = [{**place, "bin": at, "predicted": p, "observed": p} for at, p in enumerate((0.001, 0.01, 0.1))]
    assert ">0.01<" in reliability_plot(wide, ["learn"], "p")  # logarithmic
