"""Verdicts of planted prediction tables: what was planted is said, and said what to do about it."""

import json
import os

import pytest
from planted_predictions import copied, mixed_heads, planted, report_of
from rich.console import Console

from learn_rank.report import print_report, report_html, verdict_of, write_report
from learn_rank.report.looks import LOOKS
from learn_rank.report.markdown import report_markdown
from learn_rank.report_kit.rules import find, mark

pytestmark = pytest.mark.usefixtures("without_plots")
BASE = ((1, 0.3), 0.3)  # knows the user's level, and some of taste and of wish
ALL = {"metric": "UAUC", "bucket_kind": "all", "bucket": "all"}


def judged(tables):
    report = report_of(tables)
    return report, verdict_of(report.deltas, report.about)


@pytest.mark.parametrize(("n_seeds", "seed_noise"), [(1, 0.0), (2, 0.004), (3, 0.004)])
def test_a_loss_of_pooled_auc_that_uauc_cannot_see_is_the_headline(n_seeds, seed_noise):
    arms = {"baseline": BASE, "learn": ((-0.2, 0.3), 0.3), "shuffled": BASE}
    report, verdict = judged(planted(arms, n_seeds=n_seeds, seed_noise=seed_noise))
    uauc = find(report.deltas, model="learn", baseline="baseline", task="CTR", **ALL)
    assert mark(uauc) == "none"
    assert verdict.answer == "worse"
    assert verdict.headline.startswith(
        "No: it made clicks (CTR) and conversions per impression (CTCVR) worse: most CTR AUC, −26."
    )
    assert verdict.shipping.line == "Ship nothing: LEARN makes clicks worse."
    assert "Worse in CTR, after correction: AUC −26." in " ".join(verdict.sentences)


def test_a_gain_within_users_beside_a_loss_between_them_is_mixed():
    arms = {"baseline": BASE, "learn": ((-0.2, 1.0), 0.3), "shuffled": BASE}
    _, verdict = judged(planted(arms))
    assert verdict.answer == "mixed"
    assert "better for clicks (CTR)" in verdict.headline and "CTR AUC, −1" in verdict.headline
    assert verdict.shipping.line == "Ship nothing: LEARN makes clicks worse."


@pytest.fixture(scope="module")
def two_heads():
    tables = planted({"baseline": BASE, "learn": ((1, 1.0), 0.0), "shuffled": BASE})
    return {**tables, "auto": mixed_heads(tables["learn"], tables["baseline"])}


def test_a_gain_of_clicks_and_harm_of_conversions_ships_auto_where_auto_serves_that(two_heads):
    report, verdict = judged(two_heads)
    assert verdict.answer == "mixed"
    assert verdict.shipping.line == "Ship auto: LEARN for clicks, your ranker for conversions."
    assert [head.action for head in verdict.shipping.heads] == ["ship LEARN", "ship nothing"]
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    print_report(report, console)
    console.file.close()
    for text in (console.export_text(), report_html(report), report_markdown(report)):
        assert verdict.shipping.line in text
        assert "Conversions: ship nothing." in text


def test_report_json_says_what_to_ship(two_heads, tmp_path):
    report, verdict = judged(two_heads)
    told = json.loads(write_report(report, tmp_path)[0].read_text())["verdict"]
    assert told["answer"] == "mixed" and told["ship"]["line"] == verdict.shipping.line
    assert [head["action"] for head in told["ship"]["heads"]] == ["ship LEARN", "ship nothing"]


def test_auto_that_serves_something_else_is_not_shipped(two_heads):
    _, verdict = judged({**two_heads, "auto": copied(two_heads, "baseline")})
    assert verdict.shipping.line == (
        "Ship nothing: LEARN makes conversions worse; LEARN is for clicks alone, and `auto` does not "
        "serve that."
    )


@pytest.mark.parametrize("arm", ["learn", "baseline"])
def test_auto_equal_to_an_arm_has_its_marks_and_makes_no_family_larger(two_heads, arm):
    without = report_of({name: own for name, own in two_heads.items() if name != "auto"})
    report = report_of({**two_heads, "auto": copied(two_heads, arm)})
    others = [row for row in report.deltas if row["model"] != "auto"]
    assert others == without.deltas
    for row in report.deltas:
        if row["model"] == "auto":
            place = {key: row[key] for key in ("task", "metric", "bucket_kind", "bucket")}
            if arm == "learn":
                like = find(others, model="learn", baseline="baseline", **place)
                assert {**row, "model": "learn"} == like
            else:
                assert (row["delta"], row["p_adjusted"]) == (0, 1)


def test_a_gain_in_both_heads_is_shipped_and_a_gain_of_one_seed_is_not():
    arms = {"baseline": BASE, "learn": ((1, 1.0), 0.9), "shuffled": BASE}
    _, verdict = judged(planted(arms))
    assert (verdict.answer, verdict.shipping.line) == ("yes", "Ship LEARN.")
    assert any(line.startswith("LEARN minus shuffled: +") for line in verdict.checks)
    _, verdict = judged(planted(arms, n_seeds=1))
    assert verdict.shipping.line == "Get more data for clicks and conversions: 3 seeds (now 1)."


def test_without_the_control_nobody_knows_whether_the_content_gains():
    _, verdict = judged(planted({"baseline": BASE, "learn": ((1, 1.0), 0.9)}))
    assert verdict.answer == "yes"
    assert verdict.shipping.line.startswith("Get more data for clicks and conversions: train the arm")


def test_a_control_that_gains_is_told_with_its_interval_and_with_what_to_look_at():
    report, verdict = judged(
        planted({"baseline": BASE, "learn": ((1, 1.0), 0.3), "shuffled": ((1, 0.6), 0.3)})
    )
    assert (verdict.answer, verdict.control) == ("untrusted", "lift")
    assert verdict.shipping.line == (
        'Ship nothing: shuffled vectors gained as well; see "When a result cannot be trusted".'
    )
    page = report_html(report)
    assert 'href="#looks"' in page and 'id="looks"' in page
    places = [page.index(f"<strong>{name}.</strong>") for name, _ in LOOKS]
    assert places == sorted(places)
    assert "LEARN minus shuffled" in page.split('id="compared"')[1]


def test_an_interval_that_could_hide_five_points_asks_for_seeds_or_users():
    seeds = planted({"baseline": BASE, "learn": BASE, "shuffled": BASE}, n_users=150, seed_noise=0.12)
    report, verdict = judged(seeds)
    assert verdict.answer == "unclear"
    assert verdict.headline.startswith("Too few seeds or users to say for clicks (CTR)")
    assert verdict.shipping.action == "get more data"
    assert " seeds (now 3)" in verdict.shipping.line
    arms = {"baseline": BASE, "learn": ((0.6, 0.4), 0.3)}
    users, verdict = judged(planted(arms, n_users=12, n_seeds=1, seed=3, seed_noise=0))
    assert verdict.answer == "unclear"
    assert "users (now " in verdict.shipping.line and verdict.shipping.line.endswith(" and 3 seeds.")
    assert report.about["precision"] and users.about["precision"][0]["enough_seeds"] is None


def test_no_difference_is_no_reason_to_ship():
    _, verdict = judged(
        planted({"baseline": BASE, "learn": BASE, "shuffled": BASE}, seed_noise=0.004, seed=3)
    )
    assert verdict.answer == "none"
    assert verdict.shipping.line == "Ship nothing: no gain over all rows could be shown."
