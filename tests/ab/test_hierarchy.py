"""The declared order of tests: one metric decides, guardrails must hold, all else comes behind them."""

import json
import math
import re

import numpy as np
import pytest
from ab_report_fixture import ab_row, guardrail, guards
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from benchmarks.ab.candidate_worlds import small_world
from benchmarks.ab.evidence_worlds import HeavyUsers
from benchmarks.ab.experiment_worlds import Returning
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.run import run_experiment
from learn_rank.ab.hierarchy.decision import answer, decide, rule_words
from learn_rank.ab.hierarchy.declaration import Guardrail, Hierarchy, guardrails_from
from learn_rank.ab.hierarchy.families import adjust
from learn_rank.ab.hierarchy.guardrails import guardrail_row
from learn_rank.ab.report.verdict import verdict_of
from learn_rank.ab.statistics.analysis import AnalysisConfig, analyse, guardrails
from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.cli import app

CHANCE = st.floats(0, 1)


def rows_of(primary, secondary, buckets, **changes):
    roles = {"primary": primary, "secondary": secondary, "bucket": buckets}
    return [{"role": role, "p": p, "flag": None, **changes} for role, values in roles.items() for p in values]


# the order of the p values


def test_the_order_by_hand():
    rows = rows_of([0.04], [0.01, 0.3], [0.001, 0.02, 0.5])
    adjust(rows)
    # Holm: .01 * 2, .3 * 1; .001 * 3, .02 * 2, .5 * 1; behind .04 nothing may be smaller
    assert [row["p_family"] for row in rows] == pytest.approx([0.04, 0.02, 0.3, 0.003, 0.04, 0.5])
    assert [row["p_adjusted"] for row in rows] == pytest.approx([0.04, 0.04, 0.3, 0.04, 0.04, 0.5])


def test_benjamini_and_hochberg_by_hand():
    rows = rows_of([0.001], [0.01, 0.02, 0.6], [])
    adjust(rows, "bh")
    assert [row["p_family"] for row in rows] == pytest.approx([0.001, 0.03, 0.03, 0.6])


@given(p=CHANCE, secondary=st.lists(CHANCE, max_size=4), buckets=st.lists(CHANCE, max_size=8))
def test_nothing_behind_the_primary_counts_where_that_was_not_found(p, secondary, buckets):
    rows = rows_of([p], secondary, buckets)
    adjust(rows)
    assert rows[0]["p_adjusted"] == p
    assert all(row["p_adjusted"] >= max(row["p_family"], p) >= row["p"] for row in rows[1:])


def test_several_treatments_share_the_level_and_each_opens_its_own_rows():
    rows = [*rows_of([0.02], [0.001], [], arm="a"), *rows_of([0.4], [0.001], [], arm="b")]
    adjust(rows)
    assert [row["p_adjusted"] for row in rows] == pytest.approx([0.04, 0.04, 0.4, 0.4])


def test_a_flagged_row_is_in_no_family_and_a_flagged_primary_opens_nothing():
    rows = rows_of([0.01], [0.02, 0.03], [])
    rows[2]["flag"] = "skewed"
    adjust(rows)
    assert [row["p_adjusted"] for row in rows] == [0.01, 0.02, None]
    rows[0]["flag"] = "skewed"
    adjust(rows)
    assert [row["p_adjusted"] for row in rows] == [None, None, None] and rows[1]["p_family"] == 0.02


# guardrails


def test_a_guardrail_by_hand():
    one = Contrast(2.0, 1.98, 0.02, 1e9, 0.01, 1e9)
    row = guardrail_row(one, Guardrail("CTR", 0.05))
    z = (math.log(0.99) - math.log(0.95)) / 0.01  # 4.12 standard errors above the margin
    assert row["p"] == pytest.approx(stats.norm.sf(z), rel=1e-6)
    assert row["power"] == pytest.approx(stats.norm.cdf(-math.log(0.95) / 0.01 - 1.959964), rel=1e-6)
    assert (row["state"], row["relative"]) == ("held", pytest.approx(-0.01))
    assert guardrail_row(one, Guardrail("CTR", 0.02))["state"] == "open"
    lost = Contrast(2.0, 1.8, 0.02, 1e9, 0.01, 1e9)
    assert guardrail_row(lost, Guardrail("CTR", 0.05))["state"] == "harmed"
    assert guardrail_row(lost, Guardrail("cost", 0.05, is_less_better=True))["state"] == "held"
    dearer = Contrast(1.8, 2.0, 0.02, 1e9, 0.01, 1e9)
    assert guardrail_row(dearer, Guardrail("cost", 0.05, is_less_better=True))["state"] == "harmed"


@given(
    relative=st.floats(-0.4, 0.6),
    error=st.floats(0.001, 0.3),
    margin=st.floats(0.01, 0.9),
    df=st.floats(5, 1e6),
    is_less_better=st.booleans(),
)
def test_a_guardrail_holds_where_the_interval_ends_before_the_margin(
    relative, error, margin, df, is_less_better
):
    found = Contrast(1.0, 1 + relative, error, df, error, df)
    row = guardrail_row(found, Guardrail("CTR", margin, is_less_better))
    near, far = (
        (margin - found.relative_high, margin - found.relative_low)
        if is_less_better
        else (found.relative_low + margin, found.relative_high + margin)
    )
    if min(abs(near), abs(far), abs(row["p"] - 0.025)) > 1e-9:
        assert row["state"] == ("held" if near > 0 else "harmed" if far < 0 else "open")
        assert (row["p"] < 0.025) == (row["state"] == "held")


def test_what_has_no_interval_or_is_flagged_is_open_and_never_held():
    undefined = Contrast(0.0, 1.0, 0.1, 9, math.nan, math.nan)
    row = guardrail_row(undefined, Guardrail("CTR"))
    assert (row["state"], row["p"], row["relative"]) == ("open", None, None)
    sure = Contrast(1.0, 1.0, 0.001, 1e6, 0.001, 1e6)
    assert guardrail_row(sure, Guardrail("CTR"), "skewed: a few users")["state"] == "open"


def test_the_guardrails_of_a_simulation_are_its_ratios_by_the_delta_method():
    world = HeavyUsers(1500).draw(np.random.default_rng(0), 0.5)
    rng = np.random.default_rng(1)
    for name, of in (("target_cost", "revenue"), ("predicted_clicks", "clicks")):
        world.sums[name][:] = world.sums[of] * 1.1 + 0.2 * rng.random(world.sums[of].shape)
    world.sums["immature"][:] = rng.poisson(0.05, world.sums["clicks"].shape)
    world.sums["predicted_conversions"][:] = 0.3 * world.sums["clicks"]
    rows = {row["metric"]: row for row in guardrails(world)}
    assert list(rows) == [
        *("CTR", "CVR", "cost over target", "calibration of clicks", "calibration of conversions")
    ]
    pairs = {
        "CTR": ("clicks", "impressions"),
        "cost over target": ("revenue", "target_cost"),
        "calibration of conversions": ("conversions", "predicted_conversions"),
    }
    for name, (above, below) in pairs.items():
        y = world.total(above) + (world.total("immature") if name.startswith("calibration") else 0)
        sums = PerUser(y, world.total(below))
        oracle = contrast(sums.of(world.arm == 0), sums.of(world.arm == 1))
        assert rows[name]["relative_low"] == pytest.approx(oracle.relative_low, rel=1e-12)
    assert rows["cost over target"]["is_less_better"] and not rows["CTR"]["is_less_better"]


# the verdict


@pytest.mark.parametrize(
    ("mark", "states", "status"),
    [
        ("better", [], "better"),
        ("better", ["held", "held"], "better"),
        ("better", ["held", "open"], "better with an open guardrail"),
        ("better", ["open", "harmed"], "worse"),
        ("worse", ["held"], "worse"),
        ("none", ["open"], "no detectable difference"),
        ("none", ["harmed"], "worse"),
        ("flagged", ["held"], "no detectable difference"),
    ],
)
def test_the_primary_and_the_guardrails_decide(mark, states, status):
    assert decide(mark, [{"state": state} for state in states]) == status


def test_the_verdict_is_one_sentence_with_the_rule_beside_it():
    held, opened = guardrail(), guardrail("cost over target", 0.04, less=True, state="open")
    for rows, end in (
        ([held, held], "p .002, and all 2 guardrails hold."),
        ([held], "p .002, and the guardrail holds."),
        (
            [held, opened],
            "p .002, but cost over target (margin +5 %, +4.00 % [+2.00 %, +6.00 %]) is not shown to hold.",
        ),
        (
            [guardrail(relative=-0.1, state="harmed"), opened],
            "but CTR (margin −5 %, −10.0 % [−12.0 %, −8.00 %]) is harmed beyond the margin.",
        ),
    ):
        verdict = verdict_of([ab_row(p_adjusted=0.002)], guards(), guardrails=rows, rule="It decides.")
        assert verdict.words[0].endswith(end) and verdict.words[0].count(". ") == 0
        assert verdict.rule == "It decides."
    said = verdict_of([ab_row()], guards(), guardrails=[held, opened]).words[1]
    assert said.startswith(
        "Where nothing is lost at all, tests of this size show it of cost over target in 70 %"
    )
    quiet = answer("No difference.", "none", [opened])
    assert quiet == "No difference."
    failed = verdict_of([ab_row()], guards(SRM=False), guardrails=[held], rule="It decides.")
    assert (failed.status, failed.rule) == ("invalid", "It decides.")


@pytest.mark.parametrize(("relative_high", "is_told"), [(0.003, True), (-0.003, False)])
def test_a_difference_that_is_found_while_the_lift_still_holds_0_is_told_to_be_at_the_edge(
    relative_high, is_told
):
    row = ab_row(delta=-0.5, low=-1.0, high=-0.01, relative=-0.1, p_adjusted=0.049) | {
        "relative_low": -0.19,
        "relative_high": relative_high,
    }
    said = verdict_of([row], guards()).words
    assert "−10.0 %" in said[0] and "p .049" in said[0]
    at_edge = [sentence for sentence in said if "at the edge" in sentence]
    assert len(at_edge) == is_told
    assert all("−0.5 [−1, −0.01]" in sentence for sentence in at_edge)


def test_the_rule_names_metric_level_guardrails_and_correction():
    said = rule_words("CTR", [Guardrail("CVR", 0.02)], level=0.9, correction="bh", n_treatments=3)
    for part in ("CTR over all users", "full level of 10.0 %", "3 treatments", "CVR −2 %", "Benjamini"):
        assert part in said
    assert "No guardrail was declared" in rule_words("CTR", [])


def test_a_lift_of_the_primary_counts_however_many_rows_stand_beside_it():
    world = HeavyUsers(6000, click_lift=0.1).draw(np.random.default_rng(2), 0.5)
    rows = analyse(world, AnalysisConfig(hierarchy=Hierarchy("CTR")))
    (row,) = [row for row in rows if row["role"] == "primary"]
    assert row["p"] == row["p_adjusted"] < 0.05 < row["p"] * len(rows)
    assert verdict_of(rows, []).status == "better"


# what is declared


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Guardrail("CTR", -0.05), "expected a margin above 0 and below 1 for 'CTR', got -0.05"),
        (lambda: Guardrail("CTR", math.nan), "guardrail: expected a margin above 0 and below 1"),
        (lambda: guardrails_from(["CTR=much"]), "guardrail: expected METRIC=MARGIN, got 'CTR=much'"),
        (lambda: guardrails_from(["=.05"]), "guardrail: expected METRIC=MARGIN, got '=.05'"),
        (lambda: guardrails_from(["GMV"], [Guardrail("CTR")]), "guardrail: expected some of CTR, got 'GMV'"),
        (lambda: guardrails_from(["none", "CTR"], [Guardrail("CTR")]), "guardrail: expected some of CTR"),
        (lambda: Hierarchy("ctr", (Guardrail("CTR"),)), "besides the primary one, got 'CTR', which decides"),
        (lambda: Hierarchy(None, (Guardrail("x"), Guardrail("x"))), "expected each metric once, got 'x'"),
        (lambda: Hierarchy(correction="bonferroni"), "correction: expected one of holm, bh, got"),
        (lambda: AnalysisConfig(hierarchy=Hierarchy("GMV")), "primary: expected one of revenue, CTR, CVR"),
        (
            lambda: AnalysisConfig(hierarchy=Hierarchy(guardrails=(Guardrail("revenue"),))),
            "metrics besides the primary one, got 'revenue', which decides",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_declared_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        make()
    assert "Remedy:" in str(refused.value)


def test_what_was_not_declared_is_said_and_what_was_is_stored(tmp_path):
    small_world(n_users=150, n_days=1, n_requests_per_day=300, n_candidates=3).to_parquet(
        tmp_path / "c.parquet"
    )
    asked = [tmp_path / "c.parquet", "--environment", "known", "--days", 1, "--no-aa", "--delay-days", 0]

    def run(*more):
        arguments = [
            "ab",
            *map(str, [*asked, *more, "--json", tmp_path / "x.json"]),
        ]
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "TERM": "dumb"})
        assert done.exit_code in (0, 3), done.output
        return " ".join(done.output.split()), json.loads((tmp_path / "x.json").read_text())

    shown, content = run()
    assert "No primary metric was declared: revenue per user decides" in " ".join(
        shown.replace("│", " ").split()
    )
    assert content["about"]["config"]["guardrails"][-1] == "calibration of conversions -5 %"
    declared = ("--primary", "ctr", "--guardrail", "cost=.1", "--guardrail", "revenue", "--correction", "bh")
    declared += ("--metrics", "CTR", "--html", tmp_path / "x.html")
    shown, content = run(*declared)
    order = {name: content["about"]["config"][name] for name in ("primary", "guardrails", "correction")}
    assert order == {
        "primary": "CTR",
        "guardrails": ["cost over target +10 %", "revenue -5 %"],
        "correction": "bh",
    }
    assert [row["metric"] for row in content["guardrails"]] == ["cost over target", "revenue"]
    assert [row["metric"] for row in content["rows"] if row["role"] == "primary"] == ["CTR"]
    assert "CTR over all users decides" in content["verdict"]["rule"]
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "What must not be lost" in page and "Rule.</strong> CTR over all users decides" in page
    assert "Rule: CTR over all users" in shown and "Guardrails: the loss" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--primary", "profit"), "--primary: expected one of revenue, CTR, CVR, conversions, got 'profit'"),
        (
            ("--guardrail", "CTR=-.05"),
            "--guardrail: expected a margin above 0 and below 1 for 'CTR', got -0.05",
        ),
        (("--primary", "CTR", "--guardrail", "CTR"), "--guardrail: expected metrics besides the primary one"),
        (("--guardrail", "profit"), "--guardrail: expected some of CTR, CVR, cost over target"),
        (("--correction", "none"), "--correction: expected one of holm, bh, got 'none'"),
    ],
)
def test_a_simulation_without_a_clear_order_ends_with_2(options, message, tmp_path):
    (tmp_path / "c.parquet").touch()  # the order is refused before anything is read
    asked = ["ab", str(tmp_path / "c.parquet"), "--environment", "known", *options]
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "160", "TERM": "dumb"})
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output


def test_an_order_is_refused_for_a_log_which_has_one_reward(tmp_path):
    (tmp_path / "log.parquet").touch()
    asked = ["ab", "--log", str(tmp_path / "log.parquet"), "--primary", "CTR"]
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "160", "TERM": "dumb"})
    assert done.exit_code == 2 and "--primary: expected no such option with --log" in done.output


def test_a_real_test_has_the_same_order(tmp_path):
    frame = Returning(900, n_days=3, arrival_days=1, lift=0.6).draw(3)
    frame["complaints"] = np.random.default_rng(0).poisson(np.where(frame["arm"] == "new", 1.0, 0.5))
    frame.to_parquet(tmp_path / "o.parquet")
    rails = (Guardrail("complaints", 0.05, is_less_better=True),)
    found = run_experiment(
        tmp_path / "o.parquet", Declaration(primary="CTR", metrics=("complaints",), guardrails=rails)
    )
    assert [row["state"] for row in found.guardrails] == ["harmed"] and found.status == "worse"
    assert "complaints (margin +5 %" in found.verdicts["new"].words[0]
    assert "complaints +5 %" in found.verdicts["new"].rule
    for name, message in (("GMV", "got 'GMV'"), ("complaints", "got 'complaints'")):
        wrong = Declaration(metrics=("complaints",), standard=("nothing",), guardrails=(Guardrail(name),))
        with pytest.raises(ValueError, match=message):
            run_experiment(tmp_path / "o.parquet", wrong)
