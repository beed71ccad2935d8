"""A real experiment: differences, what takes noise out, the declared order, guards, bad input."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from benchmarks.ab.experiment_worlds import Returning, watched
from learn_rank.ab.experiment.always_valid import multiplier, multipliers
from learn_rank.ab.experiment.cupac import predicted
from learn_rank.ab.experiment.declaration import Declaration, shares_of
from learn_rank.ab.experiment.report.result import ExperimentResult, read_experiment, write_experiment
from learn_rank.ab.experiment.run import run_experiment
from learn_rank.ab.statistics.cuped import adjusted_contrast
from learn_rank.ab.statistics.delta_method import PerUser, contrast
from learn_rank.cli import app

WIDE = {"COLUMNS": "160", "TERM": "dumb"}


def judged(frame, folder, declared=None, before=None, **settings):
    """The experiment of a frame, by way of a file."""
    frame.to_parquet(folder / "outcomes.parquet", index=False)
    if before is not None:
        before.to_parquet(folder / "before.parquet", index=False)
        settings["pre_period"] = folder / "before.parquet"
    return run_experiment(folder / "outcomes.parquet", declared or Declaration(primary="revenue"), **settings)


def row_of(rows, **wanted):
    (found,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def whole(result, metric, arm="new"):
    return row_of(result.rows, metric=metric, arm=arm, bucket_kind="all")


@pytest.fixture(scope="module")
def world():
    return Returning(800, n_days=10, arrival_days=4, lift=0.6, n_pre_days=6).draw(0)


@pytest.fixture(scope="module")
def result(world, tmp_path_factory):
    declared = Declaration(
        primary="CTR", buckets=("habit", "age=20..30"), covariates=("age",), adjust="cupac"
    )
    is_before = world["day"] < 0
    folder = tmp_path_factory.mktemp("experiment")
    return judged(world[~is_before], folder, declared, world[is_before & world["user_id"].lt(700)])


# the difference


def test_finer_rows_are_summed_and_the_difference_is_by_hand(tmp_path):
    # control 1 + 1 and 4 -> mean 3; new 5, 7, 9 -> mean 7; two rows of user 1 on day 0 are one
    frame = pd.DataFrame(
        {
            "user_id": [1, 1, 2, 3, 4, 5],
            "arm": ["control"] * 3 + ["new"] * 3,
            "day": [0, 0, 1, 0, 0, 1],
            "revenue": [1.0, 1.0, 4.0, 5.0, 7.0, 9.0],
        }
    )
    found = judged(frame, tmp_path)
    row = whole(found, "revenue")
    assert (row["control"], row["treatment"], row["delta"]) == (3.0, 7.0, 4.0)
    assert row["flag"].startswith("too few users: 2") and row["p_adjusted"] is None
    assert found.about["counts"]["rows_summed_into_another"] == 1
    assert found.verdicts["new"].status == "invalid"


def test_means_are_welch_s_by_scipy_and_ratios_the_delta_method_of_the_simulation(world, tmp_path):
    frame = world[world["day"] >= 0]
    found = judged(frame, tmp_path, Declaration(primary="revenue"))
    users = frame.groupby("user_id").agg(
        {"arm": "first", "revenue": "sum", "clicks": "sum", "impressions": "sum"}
    )
    control, new = users[users["arm"] == "control"], users[users["arm"] == "new"]
    oracle = stats.ttest_ind(new["revenue"], control["revenue"], equal_var=False)
    row, ends = whole(found, "revenue"), oracle.confidence_interval(0.95)
    np.testing.assert_allclose([row["p"], row["low"], row["high"]], [oracle.pvalue, *ends], rtol=1e-9)
    ratio = contrast(
        *(
            PerUser(side["clicks"].to_numpy(float), side["impressions"].to_numpy(float))
            for side in (control, new)
        )
    )
    row = whole(found, "CTR")
    np.testing.assert_allclose([row["p"], row["low"], row["high"]], [ratio.p, ratio.low, ratio.high])


def test_the_order_of_rows_and_the_kind_of_file_change_nothing(world, tmp_path):
    frame = world[world["day"] >= 0]
    one = judged(frame, tmp_path)
    again = judged(frame.sample(frac=1, random_state=3), tmp_path)
    frame.to_csv(tmp_path / "outcomes.csv", index=False)
    as_csv = run_experiment(tmp_path / "outcomes.csv", Declaration(primary="revenue"))
    for other in (again, as_csv):
        for row, same in zip(one.rows, other.rows, strict=True):
            assert row["delta"] == pytest.approx(same["delta"], rel=1e-12)
            assert row["p"] == pytest.approx(same["p"], rel=1e-9)


def test_dates_are_days(world, tmp_path):
    frame = world[world["day"] >= 0]
    dated = frame.assign(day=(pd.Timestamp("2024-02-27") + pd.to_timedelta(frame["day"], unit="D")))
    one, other = judged(frame, tmp_path), judged(dated, tmp_path)
    assert [row["p"] for row in one.rows] == [row["p"] for row in other.rows]
    assert {row["day_name"] for row in other.daily} >= {"2024-02-29", "2024-03-01"}


# what was known before


def test_cuped_is_that_of_the_simulation_with_the_pre_period_of_the_same_metric(world, tmp_path):
    is_before = world["day"] < 0
    found = judged(world[~is_before], tmp_path, Declaration(primary="revenue"), world[is_before])
    sums = [
        world[side].groupby("user_id")["revenue"].sum().reindex(range(800), fill_value=0.0).to_numpy()
        for side in (~is_before, is_before)
    ]
    arm = world.groupby("user_id")["arm"].first().to_numpy()
    cut = [PerUser(values[arm == name]) for values in sums for name in ("control", "new")]
    oracle = adjusted_contrast(*cut)
    row = whole(found, "revenue")
    np.testing.assert_allclose([row["delta"], row["p"]], [oracle.contrast.delta, oracle.contrast.p])
    assert (
        row["variance_reduction"] == pytest.approx(oracle.variance_reduction)
        and row["variance_reduction"] > 0
    )


def test_all_three_ways_stand_beside_each_other_and_the_declared_one_is_judged(result):
    ways = {row["way"]: row for row in result.estimates if row["metric"] == "revenue"}
    assert set(ways) == {"plain", "CUPED", "CUPAC"}
    assert [name for name, row in ways.items() if row["is_judged"]] == ["CUPAC"]
    assert ways["CUPAC"]["delta"] == whole(result, "revenue")["delta"]
    for name in ("CUPED", "CUPAC"):
        share = 1 - (ways[name]["std_error"] / ways["plain"]["std_error"]) ** 2
        assert ways[name]["variance_reduction"] == pytest.approx(share) and share > 0


def test_cupac_takes_what_no_line_can_and_never_uses_the_user_s_own_outcome():
    rng = np.random.default_rng(0)
    known = pd.DataFrame({"x": rng.normal(size=2000), "y": rng.normal(size=2000)})
    outcome = np.cos(3 * known["x"]).to_numpy() + rng.normal(size=2000) * 0.3
    found = predicted(outcome, known).numerator
    assert np.corrcoef(found, outcome)[0, 1] ** 2 > 0.6 > np.corrcoef(known["x"], outcome)[0, 1] ** 2
    noise = rng.normal(size=2000)
    assert abs(np.corrcoef(predicted(noise, known).numerator, noise)[0, 1]) < 0.1  # not fitted to itself
    assert not predicted(np.ones(50), known[:50]).numerator.any()


def test_cupac_s_prediction_of_a_user_is_the_same_whatever_the_user_did():
    rng = np.random.default_rng(1)
    known, outcome = pd.DataFrame({"x": rng.normal(size=300)}), rng.normal(size=300)
    changed = outcome.copy()
    changed[7] += 100
    one, other = predicted(outcome, known).numerator, predicted(changed, known).numerator
    assert one[7] == other[7] and (one != other).any()


def test_users_without_a_past_count_with_zero_and_are_told(result):
    assert result.about["counts"]["users_without_a_past"] >= 100
    assert any("were not there before the test" in notice for notice in result.about["notices"])


# the declared order


def test_the_primary_has_its_full_level_and_the_others_are_two_families_of_holm_behind_it(result):
    primary = [row for row in result.rows if row["role"] == "primary"]
    assert [(row["metric"], row["bucket_kind"]) for row in primary] == [("CTR", "all")]
    assert primary[0]["p_adjusted"] == pytest.approx(primary[0]["p"])
    families = {
        role: [row for row in result.rows if row["role"] == role and row["flag"] is None]
        for role in ("secondary", "bucket")
    }
    assert {row["metric"] for row in families["secondary"]} >= {"revenue", "CVR", "conversions"}
    assert {row["bucket"] for row in families["bucket"]} >= {"rare", "often", "inside", "outside"}
    for family in families.values():
        adjusted = multipletests([row["p"] for row in family], method="holm")[1]
        np.testing.assert_allclose([row["p_family"] for row in family], adjusted, rtol=1e-9)
        behind = np.maximum(adjusted, primary[0]["p"])
        np.testing.assert_allclose([row["p_adjusted"] for row in family], behind, rtol=1e-9)


def test_several_treatments_share_the_level_of_the_primary(tmp_path):
    frame = Returning(1500, n_days=3, arrival_days=1, lift=0.3, arms=("control", "a", "b")).draw(5)
    found = judged(frame, tmp_path, Declaration(primary="CTR"))
    primary = [row for row in found.rows if row["role"] == "primary"]
    adjusted = multipletests([row["p"] for row in primary], method="holm")[1]
    np.testing.assert_allclose([row["p_adjusted"] for row in primary], adjusted, rtol=1e-9)
    assert list(found.verdicts) == ["a", "b"]
    assert {row["arm"] for row in found.rows} == {"a", "b"}


def test_the_verdict_follows_the_primary_and_a_failed_guard_makes_all_invalid(world, tmp_path):
    frame = world[world["day"] >= 0]
    assert judged(frame, tmp_path, Declaration(primary="CTR")).verdicts["new"].status == "better"
    swapped = frame.assign(arm=frame["arm"].map({"control": "new", "new": "control"}))
    assert judged(swapped, tmp_path, Declaration(primary="CTR")).verdicts["new"].status == "worse"
    lost = judged(frame, tmp_path, Declaration(primary="CTR", shares=0.2))
    assert lost.status == "invalid"
    assert "--treatment-share" in " ".join(lost.verdicts["new"].words)


def test_a_bucket_that_the_arms_do_not_share_is_a_result_of_the_treatment(world, tmp_path):
    frame = world[world["day"] >= 0]
    clicked = frame.groupby("user_id")["clicks"].transform("sum") > 3
    found = judged(frame.assign(active=clicked), tmp_path, Declaration(primary="CTR", buckets=("active",)))
    (guard,) = [guard for guard in found.guards if guard.name == "balance of active"]
    assert guard.has_passed is False and "not frozen" in guard.words and found.status == "invalid"


# every day


def test_the_boundary_by_hand():
    # x = 1: sqrt(2 ln(2 / .0025)) ; at the best x it is 3.03, far off it grows as the root of a logarithm
    assert multiplier(1.0) == pytest.approx(math.sqrt(2 * math.log(800)))
    assert multipliers([math.nan, 4.0, 2.0, 16.0])[1:] == [multiplier(1.0), multiplier(1.0), multiplier(4.0)]
    assert math.isnan(multiplier(0.0))


def test_the_looks_are_those_of_slow_sums(world, tmp_path):
    frame = world[world["day"] >= 0]
    found = judged(frame, tmp_path)
    looks = [row for row in found.daily if row["metric"] == "revenue"]
    assert [row["day"] for row in looks] == list(range(10))
    for row in looks[::3]:
        so_far = frame[frame["day"] <= row["day"]].groupby("user_id").agg({"arm": "first", "revenue": "sum"})
        new = so_far.loc[so_far["arm"] == "new", "revenue"]
        control = so_far.loc[so_far["arm"] == "control", "revenue"]
        assert row["cumulative_delta"] == pytest.approx(new.mean() - control.mean(), rel=1e-9)
        error = math.sqrt(new.var() / new.size + control.var() / control.size)
        first = frame[frame["day"] <= 0].groupby("user_id").agg({"arm": "first", "revenue": "sum"})
        sides = [first.loc[first["arm"] == name, "revenue"] for name in ("control", "new")]
        unit = sum(side.var() / side.size for side in sides) * len(first) ** 2
        reach = multiplier((error * len(so_far)) ** 2 / unit)
        assert row["always_delta_high"] == pytest.approx(row["cumulative_delta"] + reach * error, rel=1e-9)
    last = whole(found, "revenue")
    assert looks[-1]["cumulative"] == last["relative"] and looks[-1]["always_low"] == last["always_low"]


@pytest.mark.parametrize(("spread", "arrival"), [(0.0, 1), (0.0, 60), (1.0, 7)])
def test_an_a_a_watched_for_60_days_rejects_at_its_level_and_the_fixed_interval_far_too_often(
    spread, arrival
):
    delta, error, users = watched(200, 400, 60, 1, habit_spread=spread, arrival_days=arrival)
    is_look = users >= 100
    evidence = np.where(is_look, (error * users) ** 2, np.nan)
    reach = np.array([multipliers(each) for each in evidence])
    rejects = {
        "always": (np.abs(delta) > reach * error)[:, :].any(axis=1).sum(),
        "fixed": ((np.abs(delta) > 1.96 * error) & is_look).any(axis=1).sum(),
    }
    assert rejects["always"] <= stats.binom.ppf(0.9995, 200, 0.05)
    assert rejects["fixed"] > stats.binom.ppf(0.9995, 200, 0.05)


def test_a_lift_that_is_there_is_found_by_who_looks_every_day(tmp_path):
    found = judged(Returning(1500, n_days=20, lift=0.5).draw(2), tmp_path, Declaration(primary="CTR"))
    first = next(row["day"] for row in found.daily if row["metric"] == "CTR" and (row["always_low"] or 0) > 0)
    assert 0 < first < 15


# novelty


def test_a_lift_that_wears_off_is_told_and_one_that_stays_is_not(tmp_path):
    wears = judged(
        Returning(3000, n_days=12, arrival_days=3, lift=1.0, wear=0.5).draw(1),
        tmp_path,
        Declaration(primary="CTR"),
    )
    stays = judged(
        Returning(3000, n_days=12, arrival_days=3, lift=0.4).draw(1), tmp_path, Declaration(primary="CTR")
    )
    (row,) = [row for row in wears.wear if row["metric"] == "CTR"]
    assert row["early"] > 2 * row["late"] and row["p"] < 0.001
    assert any("changes with days since" in words for words in wears.verdicts["new"].words)
    assert not any("changes with days since" in words for words in stays.verdicts["new"].words)
    by_day = [row for row in wears.novelty if row["metric"] == "CTR"]
    assert [row["days_since"] for row in by_day] == list(range(12))
    assert by_day[0]["relative"] > 0.8 and abs(by_day[8]["relative"]) < 0.2


def test_a_later_day_counts_the_users_for_whom_it_lies_in_the_test(world, tmp_path):
    frame = world[world["day"] >= 0]
    found = judged(frame, tmp_path)
    first = frame.groupby("user_id")["day"].min()
    for row in found.novelty:
        assert row["n_users"] == (9 - first >= row["days_since"]).sum()
    day_3 = row_of(found.novelty, metric="revenue", days_since=3)
    since = frame["day"] - frame["user_id"].map(first)
    sums = frame[since == 3].groupby("user_id")["revenue"].sum().reindex(first.index, fill_value=0.0)
    arm = frame.groupby("user_id")["arm"].first()
    can = 9 - first >= 3
    delta = sums[can & (arm == "new")].mean() - sums[can & (arm == "control")].mean()
    assert day_3["delta"] == pytest.approx(delta)


# files


def test_a_result_survives_its_json_and_another_format_is_refused(result, tmp_path):
    write_experiment(tmp_path / "x.json", result)
    content = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert content["mode"] == "O"
    again = read_experiment(tmp_path / "x.json")
    assert again.as_dict() == result.as_dict() and isinstance(again, ExperimentResult)
    (tmp_path / "y.json").write_text('{"format": "learn_rank.ab/1"}')
    with pytest.raises(ValueError, match=r"expected the format 'learn_rank\.experiment/2'"):
        read_experiment(tmp_path / "y.json")


def run(*arguments):
    found = CliRunner().invoke(app, ["ab", *map(str, arguments)], env=WIDE)
    return found, " ".join(re.sub(r"[│╭╮╰╯─]", " ", found.output).split())


def test_the_command_prints_verdict_mode_and_guards_and_writes_the_json(world, tmp_path):
    world[world["day"] >= 0].to_parquet(tmp_path / "o.parquet")
    world[world["day"] < 0].to_parquet(tmp_path / "p.parquet")
    found, shown = run(
        *("--experiment", tmp_path / "o.parquet", "--pre-period", tmp_path / "p.parquet", "--primary", "CTR"),
        *("--bucket", "habit", "--json", tmp_path / "x.json", "--fail-if-worse"),
    )
    assert found.exit_code == 0, found.output
    for words in ("Verdict on new: better", "Mode O: online experiment", "sample ratio", "variance taken"):
        assert words in shown
    assert read_experiment(tmp_path / "x.json").about["primary"] == "CTR"
    swapped = world[world["day"] >= 0].replace({"arm": {"control": "new", "new": "control"}})
    swapped.to_parquet(tmp_path / "o.parquet")
    assert (
        run("--experiment", tmp_path / "o.parquet", "--primary", "CTR", "--fail-if-worse")[0].exit_code == 1
    )
    lost = run("--experiment", tmp_path / "o.parquet", "--treatment-share", 0.1)
    assert lost[0].exit_code == 3 and "say so with --treatment-share" in lost[1]


# bad input


def change(**columns):
    return lambda frame: frame.assign(**columns)


def in_both(frame):
    return frame.assign(arm=np.where((frame["user_id"] == 3) & (frame["day"] > 1), "new", "control")).assign(
        arm=lambda own: np.where(frame["user_id"] == 4, "new", own["arm"])
    )


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (
            in_both,
            (),
            "arm: expected one arm a user, got 1 user of 300 in two or more, as 3 in 'control' and",
        ),
        (change(arm="new"), (), "arm: expected two arms or more, got one: 'new'"),
        (change(arm=lambda frame: frame["arm"].where(frame.index > 2)), (), "the name of an arm in each row"),
        (None, ("--control", "old"), "--control: expected one of the arms 'control', 'new', got 'old'"),
        (change(arm=lambda f: f["arm"].replace("control", "a")), (), "got none named. Remedy: --control"),
        (
            change(mood=lambda frame: np.where(frame["day"] > 2, "late", "early")),
            ("--bucket", "mood"),
            "--bucket: expected one value of 'mood' a user, frozen before the first exposure, got",
        ),
        (None, ("--bucket", "user_id"), "expected at most 50 values of 'user_id', got 300"),
        (None, ("--bucket", "nothing"), "column nothing expected: a value of each user"),
        (None, ("--bucket", "habit=0..x"), "--bucket: expected a column, or NAME=LOW..HIGH"),
        (None, ("--primary", "profit"), "--primary: expected one of revenue, CTR, CVR, conversions"),
        (None, ("--metric", "profit"), "column profit expected: an outcome, a number in each row"),
        (
            change(clicks=0, conversions=0, revenue=0.0),
            ("--primary", "CVR"),
            "--primary: expected a ratio whose denominator is not 0, got no clicks",
        ),
        (change(clicks=-1), (), "column clicks expected: a number >= 0"),
        (change(revenue=math.nan), (), "column revenue expected: a finite number in each row"),
        (change(day=0.5), (), "column day expected: an integer, or a date"),
        (
            None,
            ("--treatment-share", "1.2"),
            "--treatment-share: expected shares above 0 that leave some for",
        ),
        (None, ("--treatment-share", "old=.2"), "--treatment-share: expected the share of new, got old=0.2"),
        (None, ("--treatment-share", "much"), "--treatment-share: expected a number, or NAME=SHARE"),
        (None, ("--column", "arm"), "--column: expected NAME=VALUE, got 'arm'"),
        (None, ("--column", "arm=segment"), "--column: expected names of the file's columns"),
        (None, ("--adjust", "magic"), "--adjust: expected one of cuped, cupac, none, got 'magic'"),
        (None, ("--row-is-user",), "no such column with --row-is-user"),
        (lambda frame: frame.drop(columns="user_id"), (), "--column user_id=YOURS, or --row-is-user"),
        (lambda frame: frame[["user_id", "arm", "day"]], (), "columns of outcomes: of revenue (revenue)"),
        (lambda frame: frame[:0], (), "at least one row"),
        (None, ("--pre-period", "after.parquet"), "--pre-period: expected days before the first day of the"),
        (None, ("--pre-period", "others.parquet"), "--pre-period: expected users of the test, got none"),
        (None, ("--pre-period", "swapped.parquet"), "--pre-period: expected each user's arm of the test"),
        (None, ("--pre-period", "dated.parquet"), "--pre-period: expected days as the test writes them"),
        (
            None,
            ("--covariate", "habit"),
            "--covariate: expected a number among habit for CUPED, got text alone",
        ),
        (change(blank=None), ("--covariate", "blank"), "--covariate: expected values in 'blank', got none"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(spoil, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = Returning(300, n_days=5, arrival_days=2, n_pre_days=3).draw(0)
    frame, before = world[world["day"] >= 0].reset_index(drop=True), world[world["day"] < 0]
    frame.assign(day=frame["day"] - 1).to_parquet("after.parquet")
    before.assign(user_id=before["user_id"] + 1000).to_parquet("others.parquet")
    before.assign(arm=before["arm"].map({"control": "new", "new": "control"})).to_parquet("swapped.parquet")
    before.assign(day="2024-01-01").to_parquet("dated.parquet")
    (frame if spoil is None else spoil(frame)).to_parquet("outcomes.parquet")
    found, shown = run("--experiment", "outcomes.parquet", *options)
    assert found.exit_code == 2, found.output
    assert message in shown and "emedy" in shown and "unexpected" not in shown, shown


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.assign(revenue=frame["revenue"] - 0.2), "rows have a revenue below 0; they are"),
        (lambda frame: frame[frame["day"] == 0], "One day, or no column day: there is no daily curve"),
        (lambda frame: frame.drop(columns="day"), "One day, or no column day: there is no daily curve"),
        (lambda frame: frame[frame["day"] != 2], "1 days between 0 and 4 have no row, the first is 2 days"),
        (
            lambda frame: frame[(frame["day"] != 3) | (frame["arm"] == "new")],
            "control has no row on 1 of 5 days, as 3, where others have",
        ),
        (lambda frame: frame.assign(impressions=0), "no impressions in control: the ratio has no value"),
    ],
)
def test_what_is_odd_and_can_be_judged_is_told(spoil, message, tmp_path):
    spoil(Returning(300, n_days=5, arrival_days=2).draw(0)).to_parquet(tmp_path / "o.parquet")
    found, shown = run("--experiment", tmp_path / "o.parquet", "--primary", "revenue")
    assert found.exit_code in {0, 3}, found.output
    assert message in shown


def test_options_of_an_experiment_are_refused_without_one():
    for option in (("--covariate", "x"), ("--bucket", "x"), ("--pre-period", "x"), ("--row-is-user",)):
        found, shown = run("x.parquet", *option)
        assert found.exit_code == 2 and f"{option[0]}: expected --experiment with it" in shown


def test_shares_by_name_and_by_number_say_the_same():
    arms = ["control", "a", "b"]
    assert shares_of(0.2, arms) == pytest.approx(shares_of({"b": 0.2, "a": 0.2}, arms)) == (0.6, 0.2, 0.2)
    assert shares_of({"control": 0.6, "a": 0.2, "b": 0.2}, arms) == pytest.approx((0.6, 0.2, 0.2))


# a real one


def test_hillstrom_plain_differences_and_intervals_are_welch_s(shared_data):
    hillstrom = shared_data / "experiments" / "hillstrom.csv.gz"
    declared = Declaration(
        control="No E-Mail",
        primary="spend",
        metrics=("visit", "conversion", "spend"),
        covariates=("history",),
        columns={"arm": "segment"},
        is_row_a_user=True,
    )
    found = run_experiment(hillstrom, declared)
    frame = pd.read_csv(hillstrom)
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        for metric in ("visit", "conversion", "spend"):
            new, control = (frame.loc[frame["segment"] == name, metric] for name in (arm, "No E-Mail"))
            oracle = stats.ttest_ind(new, control, equal_var=False)
            plain = row_of(found.estimates, arm=arm, metric=metric, way="plain")
            ends = oracle.confidence_interval(0.95)
            assert plain["delta"] == pytest.approx(new.mean() - control.mean(), rel=1e-12)
            np.testing.assert_allclose(
                [plain["low"], plain["high"], plain["p"]], [*ends, oracle.pvalue], rtol=1e-9
            )
            cuped = row_of(found.estimates, arm=arm, metric=metric, way="CUPED")
            assert cuped["is_judged"] and abs(cuped["delta"] - plain["delta"]) < plain["std_error"]
    assert {verdict.status for verdict in found.verdicts.values()} == {"better"}
    assert all(guard.has_passed for guard in found.guards)
