"""How large a test must be: the formulas, traffic by days, days chosen before the treatment, bad input."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from typer.testing import CliRunner

from benchmarks.ab.candidate_worlds import small_world
from benchmarks.ab.evidence_worlds import HeavyUsers
from benchmarks.ab.experiment_worlds import Returning
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.read import read_untreated
from learn_rank.ab.hierarchy.declaration import Guardrail
from learn_rank.ab.hierarchy.guardrails import guardrail_row
from learn_rank.ab.plan.needs import Look, Wanted, guardrail_needs, looks_of, need_rows, powers
from learn_rank.ab.plan.result import answer, days_words, plan_of
from learn_rank.ab.plan.size import Arms, days_needed, margin_errors, slope_of, users_needed
from learn_rank.ab.plan.traffic import LoggedTraffic, SimulatedTraffic
from learn_rank.ab.plan.until import control_traffic, days_of_power
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment
from learn_rank.ab.statistics.analysis import analyse
from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.ab.statistics.power import minimal_effect
from learn_rank.cli import app

WANTED = Wanted(("revenue", "CTR"), "CTR", Arms(0.2), lift=0.1)


def run(*arguments):
    done = CliRunner().invoke(app, ["ab", *map(str, arguments)], env={"COLUMNS": "160", "TERM": "dumb"})
    return done, " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.output).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Outcomes of eight days without a test, and candidates of six days."""
    place = tmp_path_factory.mktemp("plan")
    Returning(400, n_days=8, arrival_days=5).draw(0).drop(columns="arm").to_parquet(place / "before.parquet")
    small_world(n_users=250, n_days=6, n_requests_per_day=400, n_candidates=3).to_parquet(place / "c.parquet")
    return place


@pytest.fixture(scope="module")
def logged(folder):
    outcomes, metrics = read_untreated(
        folder / "before.parquet", Declaration(primary="CTR", buckets=("habit",))
    )
    return LoggedTraffic(outcomes, {metric.name: metric for metric in metrics})


# formulas


def test_users_by_hand():
    # q = .2: 1 / .2 + 1 / .8 = 6.25; effect .1 * 2 = .2; (1.95996 + .84162) / .2 = 14.0079; 4 * 6.25 * 196.22
    users = users_needed(4.0, 0.2, Arms(0.2), minimal_effect(1.0))
    assert users == pytest.approx(25 * (2.801585 / 0.2) ** 2, rel=1e-5)
    look = Look(4.0, 2.0, round(users))
    assert look.smallest(Wanted(("CTR",), "CTR", Arms(0.2))) == pytest.approx(0.1, rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    effect=st.floats(0.02, 0.5),
    share=st.floats(0.05, 0.9),
    level=st.floats(0.8, 0.99),
    power=st.floats(0.5, 0.95),
)
def test_users_are_those_of_statsmodels(effect, share, level, power):
    oracle = NormalIndPower().solve_power(
        effect, alpha=1 - level, power=power, ratio=share / (1 - share), alternative="two-sided"
    )
    users = users_needed(9.0, 3 * effect, Arms(share), minimal_effect(1.0, level, power))
    assert users == pytest.approx(oracle / (1 - share), rel=1e-4)


def test_tests_of_that_size_find_the_lift_as_often_as_they_should():
    rng, shape = np.random.default_rng(0), 0.6
    mean, variance = math.exp(shape**2 / 2), (math.exp(shape**2) - 1) * math.exp(shape**2)
    users = math.ceil(users_needed(variance, 0.15 * mean, Arms(0.4), minimal_effect(1.0)))
    found = 0
    for _ in range(400):
        values, arm = rng.lognormal(0.0, shape, users), rng.random(users) < 0.4
        found += contrast(PerUser(values[~arm]), PerUser(values[arm] + 0.15 * mean)).p < 0.05
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.8)
    assert low <= found <= high


def test_a_guardrail_of_that_size_is_held_as_often_as_wanted_where_nothing_is_lost():
    bound, variance, value = -math.log(0.95), 4.0, 2.0
    users = users_needed(variance, bound * value, Arms(0.3), margin_errors(power=0.9))
    error = math.sqrt(variance * Arms(0.3).spread / users) / value
    row = guardrail_row(Contrast(value, value, error * value, 1e9, error, 1e9), Guardrail("CTR", 0.05))
    assert row["power"] == pytest.approx(0.9, rel=1e-6)


def test_days_go_on_as_the_last_half_of_what_was_seen():
    growing = [0.3 / day**0.5 for day in range(1, 13)]
    assert slope_of(growing) == pytest.approx(-0.5)
    assert days_needed(growing, 0.1) == (9, False)
    assert days_needed(growing, 0.03) == (100, True)
    assert days_needed(growing, 0.01) == (None, True)  # 900 days
    assert days_needed([0.2] * 8, 0.1) == (None, True)  # more days of the same people add nothing
    assert days_needed(growing[:4], 0.1) == (None, True) and math.isnan(slope_of(growing[:4]))
    assert days_needed([math.nan, *growing], 0.1) == (10, False)
    row = {"is_beyond": True, "more_than_days": 365}
    assert days_words(row | {"days_needed": 100}) == "about 100 days"
    assert days_words(row | {"days_needed": None}) == "more than 365 days"
    assert days_words({"is_beyond": False, "days_needed": 1}) == "1 day"


def test_nothing_that_varies_is_a_word_and_no_number():
    assert math.isnan(users_needed(0.0, 0.1, Arms(0.5), 2.8)) and math.isnan(
        users_needed(1.0, 0.0, Arms(0.5), 2.8)
    )
    still = HeavyUsers(80, n_days=2).draw(np.random.default_rng(0), 0.0)
    still.sums["revenue"][:] = 0
    rows, _ = need_rows(SimulatedTraffic(still), WANTED)
    row = next(row for row in rows if (row["metric"], row["bucket_kind"]) == ("revenue", "all"))
    assert (row["users_needed"], row["mde"]) == (None, None)
    said = list(answer([row | {"role": "primary"}], [], WANTED, 2))
    assert said == ["CTR has no variance in the 2 days of this traffic: it gives no plan."]


# traffic


def test_a_look_at_logged_users_is_that_of_slow_sums(folder, logged):
    frame = pd.read_parquet(folder / "before.parquet")
    assert logged.n_days == 8 and logged.places[0] == ("all", "all")
    for place in (("all", "all"), ("habit", "often")):
        for n_days in (1, 5, 8):
            rows = frame[frame["day"] < n_days]
            rows = rows if place[0] == "all" else rows[rows["habit"] == place[1]]
            users = rows.groupby("user_id")[["clicks", "impressions"]].sum().to_numpy(float)
            look = looks_of(logged, "CTR", Arms(0.5), [place])[place][n_days - 1]
            scores = PerUser(users[:, 0], users[:, 1]).scores()
            assert (look.n_users, look.value) == (
                len(users),
                pytest.approx(users[:, 0].sum() / users[:, 1].sum()),
            )
            assert look.variance == pytest.approx(scores.var(ddof=1))


def test_the_smallest_lift_of_a_plan_is_the_one_of_the_test_that_follows():
    world = HeavyUsers(4000, n_days=2).draw(np.random.default_rng(1), 0.2)
    planned, _ = need_rows(SimulatedTraffic(world), WANTED)
    tested = {(row["metric"], row["bucket"]): row for row in analyse(world)}
    for row in planned:
        if row["bucket_kind"] == "all":
            assert row["mde"] == pytest.approx(tested[row["metric"], row["bucket"]]["mde"], rel=0.15)


def test_what_users_did_before_makes_the_test_smaller():
    world = HeavyUsers(1500, n_days=2).draw(np.random.default_rng(2), 0.0)
    plain, past = (need_rows(SimulatedTraffic(world, pre), WANTED)[0][0] for pre in (None, world))
    assert past["users_needed"] is None or past["users_needed"] < 0.01 * plain["users_needed"]


def test_each_metric_and_bucket_has_a_row_and_each_day_a_point(logged):
    wanted = Wanted(("CTR", "revenue"), "CTR", Arms(0.5), (Guardrail("CVR"),), lift=0.05)
    found = plan_of(logged, wanted)
    assert len(found.rows) == 2 * 3 and len(found.curve) == 2 * 3 * 8
    assert [row["role"] for row in found.rows[:3]] == ["primary", "secondary", "bucket"]
    whole = [row["mde"] for row in found.curve if (row["metric"], row["bucket"]) == ("CTR", "all")]
    assert whole[-1] == found.rows[0]["mde"] < whole[0]
    (held,) = guardrail_needs(logged, wanted)
    assert held["users_needed"] > 0 and f"{held['users_needed']:,} users" in found.words[-1]


# days chosen before the treatment is played


def test_the_days_until_the_power_are_chosen_on_the_control_alone(folder, tmp_path):
    frame, found = pd.read_parquet(folder / "c.parquet"), []
    frame.assign(pctr_b=1 - frame["pctr_b"]).to_parquet(tmp_path / "other.parquet")
    config, wanted = ABConfig(n_days=6, treatment_share=0.5), Wanted(("CTR",), "CTR", Arms(0.5), lift=0.3)
    for path in (folder / "c.parquet", tmp_path / "other.parquet"):
        traffic = control_traffic(CandidateFiles(path), KnownEnvironment(), config)
        chosen, said = days_of_power(traffic, config, wanted)
        reached = powers(traffic, wanted)
        assert reached[chosen.n_days - 1] >= 0.8 > reached[chosen.n_days - 2]
        assert said.startswith(f"Played for {chosen.n_days} of at most 6 days")
        found.append(chosen.n_days)
    assert found[0] == found[1] < 6
    never, said = days_of_power(traffic, config, replace(wanted, lift=0.001))
    assert never == config and "Played for all 6 days, the limit" in said


def test_a_test_is_played_until_the_power(folder, tmp_path):
    asked = (folder / "c.parquet", "--environment", "known", "--no-aa", "--delay-days", 0, "--primary", "CTR")
    asked += (
        "--metrics",
        "CTR",
        "--declared-lift",
        0.5,
        "--treatment-share",
        0.5,
        "--json",
        tmp_path / "x.json",
    )
    done, shown = run(*asked, "--until-power", 0.8)
    assert done.exit_code in (0, 3), done.output
    about = json.loads((tmp_path / "x.json").read_text())["about"]
    assert (
        f"Played for {about['config']['n_days']} of at most 6 days" in shown and about["until_power"] == 0.8
    )
    assert about["config"]["n_days"] < 6


# the command


def test_a_plan_of_logged_outcomes_needs_no_arm_and_writes_table_page_and_json(folder, tmp_path):
    done, shown = run(
        *("--experiment", folder / "before.parquet", "--plan", "--primary", "CTR", "--bucket", "habit"),
        *("--declared-lift", 0.05, "--guardrail", "CVR=.1", "--treatment-share", 0.2, "--metrics", "CTR,CVR"),
        *("--json", tmp_path / "x.json", "--html", tmp_path / "x.html"),
    )
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert (content["format"], content["about"]["config"]["treatment_share"]) == ("learn_rank.plan/1", 0.2)
    row = content["rows"][0]
    assert (row["metric"], row["role"]) == ("CTR", "primary")
    assert (
        f"it takes {row['users_needed']:,} users" in shown
        and "CTR (clicks per impression): a lift of 5.0 %" in shown
    )
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "How large must the test be?" in page and f"{row['users_needed']:,}" in page
    assert page.count("<svg") == 2 and "://" not in page


def test_a_plan_of_candidates_plays_the_control_alone(folder, tmp_path):
    frame = pd.read_parquet(folder / "c.parquet")
    frame.assign(pctr_b=0.5, pcvr_b=0.5).to_parquet(tmp_path / "other.parquet")
    rows = []
    for path in (folder / "c.parquet", tmp_path / "other.parquet"):
        done, shown = run(
            path, "--environment", "known", "--plan", "--pre-days", 1, "--json", tmp_path / "x.json"
        )
        assert done.exit_code == 0 and "The traffic is simulated" in shown, done.output
        rows.append(json.loads((tmp_path / "x.json").read_text())["rows"])
        assert "the 5 days" in shown  # all that the candidates have behind the day before
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plan", "--power", "1.2"), "--power: expected a number between 0 and 1, got 1.2"),
        (("--plan", "--power", ".01"), "--power: expected more than 1 - level (0.05)"),
        (("--plan", "--declared-lift", "0"), "--declared-lift: expected a number > 0, got 0.0"),
        (("--plan", "--primary", "GMV"), "--primary: expected one of revenue, CTR"),
        (("--plan", "--guardrail", "GMV"), "--guardrail: expected a metric besides the primary one"),
        (("--plan", "--bucket", "age_group"), "column age_group expected: a value of each user"),
        (("--plan", "--control", "old"), "--control: expected no such option with --plan"),
        (("--plan", "--pre-period", "x"), "--pre-period: expected no such option with --plan"),
        (("--plan", "--treatment-share", "1.5"), "--treatment-share: expected shares between 0 and 1"),
        (("--until-power", ".8"), "--until-power: expected a simulated test with it, got --experiment"),
    ],
)
def test_what_cannot_be_planned_is_refused_by_name(options, message, folder):
    done, shown = run("--experiment", folder / "before.parquet", *options)
    assert done.exit_code == 2 and message in shown and "emedy" in shown, shown


def test_a_power_that_is_none_and_a_log_are_refused(folder):
    for arguments, message in (
        (
            (folder / "c.parquet", "--until-power", 2),
            "--until-power: expected a number between 0 and 1, got 2.0",
        ),
        (
            (folder / "c.parquet", "--plan", "--until-power", 0.8),
            "expected a simulated test with it, got --plan",
        ),
        (
            ("--log", folder / "before.parquet", "--plan"),
            "--plan: expected candidates, --marketplace or --exper",
        ),
    ):
        done, shown = run(*arguments)
        assert done.exit_code == 2 and message in shown, shown
