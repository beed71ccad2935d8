"""Many real tests in one file: the sample-ratio guard of each, which differ, which has a winner."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest
from typer.testing import CliRunner

from learn_rank.ab.series.judge import judge
from learn_rank.ab.series.read import read_series
from learn_rank.ab.series.result import run_series
from learn_rank.cli import app


def many(n_tests=120, seed=0, spread=0.0, shown=3000):
    """Tests of two to five arms with equal chances of being shown; click rates differ by ``spread``."""
    rng = np.random.default_rng(seed)
    rows = []
    for test in range(n_tests):
        n_arms = int(rng.integers(2, 6))
        base = rng.uniform(0.02, 0.1)
        seen = rng.multinomial(shown * n_arms, np.full(n_arms, 1 / n_arms))
        rate = np.clip(base * np.exp(spread * rng.normal(size=n_arms)), 0, 1)
        clicks = rng.binomial(seen, rate)
        rows += [(f"t{test:03d}", n, y, 201300 + test) for n, y in zip(seen, clicks, strict=True)]
    return pd.DataFrame(rows, columns=["test", "impressions", "clicks", "week"])


def judged(frame, folder, **settings):
    frame.to_parquet(folder / "tests.parquet")
    result = run_series(folder / "tests.parquet", "test", **settings)
    return result, {row["test"]: row for row in result.tests}


def test_every_test_is_judged_as_scipy_does_one_by_one(tmp_path):
    frame = many(60, spread=0.2)
    frame.loc[frame["test"] == "t007", "impressions"] *= [5, *[1] * (sum(frame["test"] == "t007") - 1)]
    _, found = judged(frame, tmp_path)
    p, names = [], []
    for name, rows in frame.groupby("test"):
        row = found[name]
        ratio = stats.chisquare(rows["impressions"]).pvalue
        table = np.array([rows["clicks"], rows["impressions"] - rows["clicks"]])
        assert row["ratio_p"] == pytest.approx(ratio, rel=1e-9)
        assert row["p"] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
        assert (row["status"] == "invalid") == (ratio < 0.001)
        if ratio >= 0.001:
            p.append(row["p"])
            names.append(name)
    assert "t007" not in names
    q = multipletests(p, method="fdr_bh")[1]
    for name, adjusted in zip(names, q, strict=True):
        assert found[name]["q"] == pytest.approx(adjusted, rel=1e-9)
        assert (found[name]["status"] in {"winner", "arms differ"}) == (adjusted < 0.05)


def test_a_winner_beats_every_other_arm_after_holm_over_all_pairs(tmp_path):
    frame = many(60, seed=3, spread=0.3)
    _, found = judged(frame, tmp_path)
    kinds = set()
    for name, rows in frame.groupby("test"):
        if found[name]["status"] not in {"winner", "arms differ"}:
            continue
        y, n = rows["clicks"].to_numpy(), rows["impressions"].to_numpy()
        best = int(np.argmax(y / n))
        pairs = [(i, j) for i in range(len(y)) for j in range(i + 1, len(y))]
        p = [proportions_ztest(y[list(pair)], n[list(pair)])[1] for pair in pairs]
        adjusted = multipletests(p, method="holm")[1]
        wins = all(each < 0.05 for each, pair in zip(adjusted, pairs, strict=True) if best in pair)
        assert (found[name]["status"] == "winner") == wins
        assert found[name]["best_arm"] == str(best + 1)
        rest = (y.sum() - y[best]) / (n.sum() - n[best])
        assert found[name]["relative"] == pytest.approx(y[best] / n[best] / rest - 1)
        assert found[name]["relative_low"] < found[name]["relative"] < found[name]["relative_high"]
        kinds.add(found[name]["status"])
    assert kinds == {"winner", "arms differ"}


def test_tests_whose_arms_are_alike_are_seldom_told_to_differ_and_the_guard_seldom_fires(tmp_path):
    result, _ = judged(many(600, seed=5, shown=800), tmp_path)
    whole = result.groups[0]
    assert whole["winner"] + whole["arms differ"] <= stats.binom.ppf(0.9995, 600, 0.05 / 600)
    assert whole["n_fired"] <= stats.binom.ppf(0.9995, 600, 0.001)


def test_the_order_of_rows_and_tests_changes_nothing_but_the_numbers_of_arms_without_names(tmp_path):
    frame = many(30, spread=0.2)
    named = frame.assign(arm=frame.groupby("test").cumcount().map("abcdef".__getitem__))
    one, _ = judged(named, tmp_path)
    other, _ = judged(named.sample(frac=1, random_state=1), tmp_path)
    assert one.tests == other.tests
    twice = pd.concat([named.assign(clicks=0, impressions=0), named])
    summed, _ = judged(twice, tmp_path)
    assert summed.tests == one.tests
    assert summed.about["counts"]["rows_summed_into_another"] == len(named)


def test_what_cannot_be_judged_is_told_and_counted(tmp_path):
    rows = [("one", 500, 20), ("few", 400, 1), ("few", 410, 2), ("none", 300, 0), ("none", 310, 0)]
    result, found = judged(pd.DataFrame(rows, columns=["test", "impressions", "clicks"]), tmp_path)
    assert {row["status"] for row in found.values()} == {"not judged"}
    assert found["one"]["ratio_p"] is None and found["few"]["p"] is None
    assert result.groups[0]["not judged"] == 3
    assert any("1 tests have one arm only" in notice for notice in result.about["notices"])


def test_the_guard_is_counted_by_bucket_and_a_test_of_two_values_is_told(tmp_path):
    frame = many(20)
    frame.loc[frame["test"] == "t000", "week"] = [201300, *[201399] * (sum(frame["test"] == "t000") - 1)]
    frame.loc[frame["test"] == "t003", "impressions"] *= [3, *[1] * (sum(frame["test"] == "t003") - 1)]
    result, _ = judged(frame, tmp_path, buckets=("week=201300..201309",))
    groups = {row["bucket"]: row for row in result.groups}
    assert groups["(several)"]["n_tests"] == 1
    assert (groups["inside"]["n_tests"], groups["inside"]["n_fired"]) == (9, 1)
    assert groups["outside"]["n_tests"] == 10
    assert groups["inside"]["share_fired"] == pytest.approx(1 / 9)


def run(*arguments):
    found = CliRunner().invoke(app, ["ab", *map(str, arguments)], env={"COLUMNS": "160", "TERM": "dumb"})
    return found, " ".join(re.sub(r"[│╭╮╰╯─]", " ", found.output).split())


def test_the_command_prints_and_writes_what_was_judged(tmp_path):
    many(40, spread=0.3).rename(columns={"clicks": "taps"}).to_csv(tmp_path / "tests.csv", index=False)
    found, shown = run(
        *("--experiment", tmp_path / "tests.csv", "--experiment-column", "test", "--column", "clicks=taps"),
        *("--json", tmp_path / "x.json"),
    )
    assert found.exit_code == 0, found.output
    assert "40 tests judged" in shown and "Mode O" in shown and "The sample-ratio guard fired in" in shown
    content = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert (content["format"], content["mode"], len(content["tests"])) == ("learn_rank.series/1", "O", 40)


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda frame: frame.drop(columns="clicks"), (), "column clicks expected: a count in each row"),
        (lambda frame: frame.assign(clicks=-1), (), "column clicks expected: a whole number >= 0"),
        (lambda frame: frame.assign(clicks=0.5), (), "column clicks expected: a whole number >= 0"),
        (
            lambda frame: frame.assign(clicks=frame["impressions"] + 1),
            (),
            "column clicks expected: no more clicks than impressions",
        ),
        (lambda frame: frame.assign(test=None), (), "column test expected: the test of each row"),
        (lambda frame: frame.drop(columns="test"), (), "column test expected: the test of each row"),
        (None, ("--bucket", "month"), "column month expected: a value of each test"),
        (None, ("--bucket", "test"), "--bucket: expected at most 50 values of 'test', got 60"),
        (None, ("--control", "a"), "--control: expected no such option with --experiment-column"),
        (None, ("--primary", "CTR"), "--primary: expected no such option with --experiment-column"),
        (None, ("--guardrail", "CTR"), "--guardrail: expected no such option with --experiment-column"),
        (None, ("--level", "1.5"), "--level: expected a number between 0 and 1"),
    ],
)
def test_what_is_no_series_is_refused_by_name(spoil, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = many(60)
    (frame if spoil is None else spoil(frame)).to_parquet("tests.parquet")
    found, shown = run("--experiment", "tests.parquet", "--experiment-column", "test", *options)
    assert found.exit_code == 2, found.output
    assert message in shown and "emedy" in shown and "unexpected" not in shown, shown


def test_the_guard_fires_in_two_thirds_of_the_tests_that_upworthy_s_curators_distrust_and_hardly_elsewhere(
    shared_data,
):
    upworthy = shared_data / "experiments" / "upworthy.parquet"
    series = read_series(upworthy, "clickability_test_id", buckets=("test_week=201325..201402",))
    found = judge(series)
    (bucket,) = series.buckets.values()
    is_inside = bucket.codes == bucket.names.index("inside")
    assert (series.tests.size, is_inside.sum()) == (4873, 1102)
    fired = found.status == "invalid"
    assert fired[is_inside].mean() == pytest.approx(0.668, abs=0.001)
    assert fired[~is_inside].mean() == pytest.approx(0.0045, abs=0.0001)
