"""The A/B report: what a result refuses, how the verdict falls, what page and terminal say."""

import dataclasses
import json
import math
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from ab_report_fixture import (
    EVIL,
    METRICS,
    PLACES,
    ab_row,
    example_about,
    example_result,
    example_rows,
    guards,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from learn_rank.ab import words
from learn_rank.ab.report.page import ab_html, page_content
from learn_rank.ab.report.plots import _reach, daily_plot, forest_plot
from learn_rank.ab.report.result import ABResult, read_result, write_result
from learn_rank.ab.report.terminal import print_ab
from learn_rank.ab.report.verdict import STATUSES, ABVerdict, significant, verdict_of, verdict_of_log
from learn_rank.ab.statistics.interference import gap_in_errors, interference_guard

PARTS = [field.name for field in dataclasses.fields(ABResult)]
DESCRIPTIVE = ABVerdict("descriptive only", ("This log cannot say which ranker is better.",))


@pytest.fixture(scope="module")
def result():
    return example_result()


@pytest.fixture(scope="module")
def html(result):
    return ab_html(result)


def short_result(**changes):
    """The example with one row and no days: what is said about guards and arms, without the many plots."""
    result = example_result(**{"rows": [ab_row()], **changes})
    return ABResult(**{**{name: getattr(result, name) for name in PARTS}, "daily": []})


def printed(result, width=100):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    print_ab(result, console)
    console.file.close()
    return console.export_text()


def text_of(page):
    """What a reader sees: the text without tags, style and script, spaces folded."""
    page = re.sub(r"<(style|script|svg).*?</\1>", " ", page, flags=re.DOTALL)
    parser, found = HTMLParser(), []
    parser.handle_data = found.append
    parser.feed(page)
    return " ".join("".join(found).replace("\N{NO-BREAK SPACE}", " ").split())


def estimate_row(estimator="SNIPS", policy="treatment - control", value=0.002, error=0.0005, p=0.0001):
    row = {"estimator": estimator, "policy": policy, "value": value, "std_error": error, "p": p}
    row |= {"low": value - 2 * error, "high": value + 2 * error, "ess": 4000.0, "ess_share": 0.4}
    return row | {
        "max_weight": 9.0,
        "mean_weight": 1.0,
        "n_rows": 10000,
        "n_users": 900,
        "n_clipped": 0,
        "supported": True,
    }


# --- what goes in


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "X"}, "mode: expected one of R, E, D, got 'X'"),
        ({"rows": [{"metric": "CTR"}]}, r"rows\[0\]: expected the keys ROW_KEYS, got missing=\['bucket'"),
        ({"rows": [ab_row(), ab_row()]}, r"rows\[1\]: expected one row per metric and bucket"),
        ({"rows": [ab_row(delta=math.inf)]}, r"rows\[0\]\['delta'\]: expected a finite number"),
        (
            {"about": {"when": {1, 2}}},
            r"about\['when'\]: expected strings, numbers, lists and dicts, got set",
        ),
    ],
)
def test_a_result_that_cannot_be_shown_truthfully_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        ABResult(**{"mode": "E", "verdict": DESCRIPTIVE} | changes)


@pytest.mark.parametrize("name", ["p", "p_family", "p_adjusted", "power", "mde"])
def test_a_deterministic_log_has_no_p_anywhere(name):
    empty = ab_row(p=None, p_family=None, p_adjusted=None, power=None, mde=None)
    ABResult("D", DESCRIPTIVE, [empty])
    with pytest.raises(ValueError, match=rf"rows\[0\]: expected no {name} in mode D"):
        ABResult("D", DESCRIPTIVE, [empty | {name: 0.04}])
    with pytest.raises(ValueError, match=r"estimates\[0\]: expected no p in mode D"):
        ABResult("D", DESCRIPTIVE, estimates=[estimate_row()])


def test_nan_and_numpy_numbers_become_none_and_plain_numbers_and_the_callers_row_stays():
    given_row = ab_row(power=np.nan, mde=np.float32(0.5), n_users_control=np.int64(3))
    made = ABResult("E", DESCRIPTIVE, [given_row], about={"list": (1, np.nan)})
    assert (made.rows[0]["power"], made.rows[0]["mde"], made.rows[0]["n_users_control"]) == (None, 0.5, 3)
    assert math.isnan(given_row["power"])
    assert made.about == {"list": [1, None]}


def test_a_result_survives_its_json_and_the_json_is_strict(result, html, tmp_path):
    path = tmp_path / "new" / "ab.json"
    write_result(path, result)
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content == result.as_dict()
    again = read_result(path)
    assert again.as_dict() == result.as_dict()
    assert ab_html(again) == html


def test_a_json_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"rows": []}')
    with pytest.raises(ValueError, match=r"expected the format 'learn_rank\.ab/2', got None"):
        read_result(tmp_path / "x.json")


# --- the verdict


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (ab_row(relative=0.05, error=0.01), "better"),
        (ab_row(relative=-0.05, error=0.01), "worse"),
        (ab_row(relative=0.01, error=0.01), "no detectable difference"),
        (ab_row(relative=0.05, error=0.01, p_adjusted=0.2), "no detectable difference"),
        (ab_row(relative=0.05, error=0.01, p_adjusted=None), "no detectable difference"),
        (ab_row(relative=0.05, error=0.01, flag="skewed: 12 users"), "no detectable difference"),
        (ab_row(low=None, high=None), "no detectable difference"),
    ],
)
def test_revenue_over_all_users_decides(row, status):
    assert verdict_of([row, ab_row("CTR", relative=-0.2, error=0.01)], guards()).status == status
    assert verdict_of([row], guards()).status == status


@settings(deadline=None)
@given(
    p=st.floats(0, 1),
    relative=st.floats(-0.9, 3),
    failed=st.sets(st.sampled_from(["SRM", "A/A"]), min_size=1),
)
def test_a_failed_guard_makes_it_invalid_whatever_the_p(p, relative, failed):
    rows = [ab_row(relative=relative, p=p, p_adjusted=p)]
    verdict = verdict_of(rows, guards(**dict.fromkeys(failed, False)))
    assert verdict.status == "invalid"
    assert all(name in verdict.words[0] for name in failed)
    assert verdict_of(rows, guards()).status != "invalid"


def test_a_guard_that_does_not_apply_does_not_fail():
    assert verdict_of([ab_row()], guards(SRM=None)).status == "better"


def test_swapped_arms_swap_the_verdict():
    row = ab_row(relative=0.05, error=0.01)
    swapped = row | {"delta": -row["delta"], "low": -row["high"], "high": -row["low"]}
    assert (verdict_of([row], []).status, verdict_of([swapped], []).status) == ("better", "worse")


def test_buckets_are_named_and_never_decide():
    cold = ab_row("revenue", "user", "cold-start", relative=0.3, error=0.01)
    verdict = verdict_of([ab_row(relative=0.001, error=0.01), cold], guards())
    assert verdict.status == "no detectable difference"
    assert "Better in single buckets: cold-start users (revenue per user +30.0 %)." in verdict.words
    assert significant([ab_row(relative=0.001), cold], "better") == [cold]


def test_any_metric_may_be_the_one_that_decides():
    rows = [ab_row(role="secondary"), ab_row("CVR", relative=-0.2, error=0.01, role="primary")]
    assert verdict_of(rows, guards()).status == "worse"


def test_the_smallest_lift_that_would_be_found_stands_beside_no_detectable_difference():
    verdict = verdict_of([ab_row(relative=0.001, error=0.01, mde=0.028)], guards())
    assert "a true change of 2.8 % would be found in four of five cases" in " ".join(verdict.words)


def test_what_would_stand_if_the_primary_had_been_found_is_told_apart_from_the_answer():
    quiet = ab_row(relative=0.01, error=0.01, p_adjusted=0.4)
    rows = [quiet, ab_row("CTR", p_family=0.002, p_adjusted=0.4), ab_row("CVR", p_family=0.3, p_adjusted=0.4)]
    rows.append(ab_row("CTR", "user", "cold-start", p_family=0.01, p_adjusted=0.4))
    said = " ".join(verdict_of(rows, guards()).words)
    assert (
        "Not counted, as no difference in revenue per user was found; corrected in their own family" in said
    )
    assert "CTR (+4.20 % [+1.85 %, +6.55 %]) and cold-start users (CTR +4.20 %)" in said
    assert "CVR" not in said and "Also better" not in said
    found = [ab_row(), *(row | {"p_adjusted": row["p_family"]} for row in rows[1:])]
    said = " ".join(verdict_of(found, guards()).words)
    assert "Also better over all users: CTR" in said and "Not counted" not in said


def test_nothing_to_compare_is_said():
    assert verdict_of([], guards()).words == (
        "Nothing could be compared: no metric has an interval over all users.",
    )


def test_a_log_is_decided_by_the_difference_of_snips_alone():
    rows = [estimate_row("IPS", value=-0.01), estimate_row()]
    assert verdict_of_log(rows, []).status == "better"
    assert verdict_of_log([estimate_row(value=-0.002)], []).status == "worse"
    assert verdict_of_log([estimate_row(p=0.051)], []).status == "no detectable difference"
    assert verdict_of_log([estimate_row(policy="control")], []).status == "no detectable difference"
    assert verdict_of_log(rows, guards(ESS=False)).status == "invalid"


def test_a_verdict_needs_a_known_status_and_a_sentence():
    assert len(STATUSES) == 6
    with pytest.raises(ValueError, match="status: expected one of better, better with"):
        ABVerdict("great", ("Yes.",))
    with pytest.raises(ValueError, match="words: expected a tuple of sentences"):
        ABVerdict("better", ())


# --- interference


def test_the_gap_is_counted_in_standard_errors_of_the_log_ratio():
    row = ab_row(relative=0.2, launch=0.0)
    row |= {"relative_low": 1.2 / math.exp(0.0392) - 1, "relative_high": 1.2 * math.exp(0.0392) - 1}
    # the half width .0392 is 1.96 standard errors of .02, and log 1.2 = .1823 is 9.1 of them
    assert gap_in_errors(row) == pytest.approx(math.log(1.2) / 0.02, rel=1e-4)


def test_a_lift_that_the_launch_contradicts_is_invalid_and_names_the_remedy():
    found = interference_guard(ab_row(relative=0.22, error=0.02, launch=0.0))
    assert found.has_passed is False
    assert "--budget split" in found.words
    assert interference_guard(ab_row(relative=0.05, error=0.02, launch=0.0)).has_passed is True


@pytest.mark.parametrize("row", [None, ab_row(launch=None), ab_row(relative_low=None)])
def test_without_a_launch_the_interference_guard_does_not_apply(row):
    assert interference_guard(row).has_passed is None


# --- the page


def test_the_page_starts_with_verdict_and_mode_and_says_that_a_lift_is_simulated(html, result):
    text = text_of(html)
    places = [
        text.index(result.verdict.words[0]),
        text.index("Mode E: calibrated environment."),
        text.index(words.NOT_ONLINE),
        text.index("For whom?"),
        text.index("Can it be believed?"),
        text.index("Would it hold at launch?"),
        text.index("Day by day"),
        text.index("Do the scores keep their promises?"),
        text.index("Spend and price"),
        text.index("Every value"),
        text.index("What was counted"),
        text.index("Where the numbers come from"),
    ]
    assert places == sorted(places)
    assert text.rindex(words.NOT_ONLINE) > places[-1]


@pytest.mark.parametrize("mode", ["R", "E", "D"])
def test_every_page_and_every_terminal_name_their_mode(mode):
    made = ABResult(mode, DESCRIPTIVE)
    for text in (text_of(ab_html(made)), " ".join(printed(made).replace("│", " ").split())):
        assert words.MODE_NAMES[mode] in text
        assert (words.NOT_ONLINE in text) == (mode == "E")


def test_the_page_shows_the_numbers_of_the_json(html, result):
    for row in result.rows:
        name = words.place_words(row["bucket_kind"], row["bucket"])
        start = html.index(f'<tr data-metric="{row["metric"]}" class=')
        lines = re.findall(rf'<tr data-metric="{row["metric"]}".*?</tr>', html[start:], re.DOTALL)
        (line,) = [line for line in lines if f"<span>{name}</span>" in line]
        for key in ("control", "treatment", "relative", "p_adjusted", "power", "mde", "launch"):
            shown = "" if row[key] is None else str(row[key])
            assert f'data-order="{shown}"' in line
        assert words.percent_words(row["relative"]) in line
        assert words.pair_words(row["n_users_control"], row["n_users_treatment"]) in line
    assert len(result.rows) == len(PLACES) * len(METRICS)


def test_guards_show_value_limit_and_outcome(html):
    for guard in guards():
        line = re.search(rf'<th scope="row">{guard.name}</th>.*?</tr>', html, re.DOTALL)[0]
        assert words.GUARD_WORDS[guard.has_passed] in line
        assert words.amount_words(guard.value) in line
    assert html.count('<tr class="passed">') == 4 + 1  # and a guardrail
    assert html.count('<tr class="failed">') == 0
    failed = ab_html(short_result(guards=guards(calibration=False)))
    assert failed.count('<tr class="failed">') == 1
    assert "must not be used for a decision" in failed


def test_how_many_guards_failed_stands_beside_the_status():
    for passed, said in (
        ({"ESS": True}, "all of 5 guards passed"),
        ({"ESS": True, "calibration": False}, "1 of 5 guards failed"),
        ({}, "all of 4 guards passed, 1 not applicable"),
        ({"calibration": None, "SRM": False}, "1 of 3 guards failed, 2 not applicable"),
    ):
        made = short_result(guards=guards(**passed))
        assert f"{made.verdict.status} {said} {made.verdict.words[0]}" in text_of(ab_html(made))
        assert said in printed(made)


def test_an_invalid_page_takes_the_colours_of_its_numbers_away(html):
    invalid = ab_html(short_result(guards=guards(SRM=False)))
    assert '<main class="untrusted">' in invalid
    assert "not to be used: a guard failed" in invalid
    assert "not to be used: a guard failed" not in html
    assert "not to be used: a guard failed" not in ab_html(short_result())


@pytest.mark.parametrize("mode", ["R", "E", "D"])
def test_of_the_three_kinds_of_evidence_the_pages_own_is_marked(mode):
    page = ab_html(ABResult(mode, DESCRIPTIVE))
    assert re.findall(r'<li class="own" aria-current="true"><b>(.)</b>', page) == [mode]
    assert page.count('aria-label="Kinds of evidence') == 1


def test_arms_with_known_answers_stand_on_the_page_and_in_the_terminal():
    row = {"control": "baseline", "name": "itself", "expected": "no detectable difference"}
    row |= {"lift": "0.00 % [0.00 %, 0.00 %]", "words": "No difference."}
    beside = [row | {"status": "no detectable difference", "is_as_expected": True}]
    beside += [row | {"name": EVIL, "expected": "invalid", "status": "better", "is_as_expected": False}]
    made = short_result(about=example_about(beside=beside))
    page = ab_html(made)
    shown = text_of(page)
    assert "Treatment, against baseline" in shown and "✗ better" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "<script>alert" not in page
    assert "✓ no detectable difference" in " ".join(printed(made).split())


def test_a_deterministic_page_has_no_p_column():
    made = ABResult("D", DESCRIPTIVE, about={"counts": {"rows": 12}})
    assert "adj. p" not in ab_html(made)
    assert "adj. p" not in printed(made)
    assert "p-value" in words.MODE_WORDS["D"]


def test_a_log_shows_its_estimators_with_the_headline_first():
    rows = [estimate_row(name, policy) for policy in ("control", "treatment") for name in ("IPS", "SNIPS")]
    made = ABResult("R", verdict_of_log([estimate_row()], []), estimates=rows)
    shown = [row["estimator"] for row in page_content(made)["estimates"]]
    assert shown == ["SNIPS", "SNIPS", "IPS", "IPS"]
    assert "What the log says" in text_of(ab_html(made))


def test_every_given_text_is_escaped():
    rows = [row | {"flag": EVIL} for row in example_rows()]
    rows = [row | {"bucket": f"{row['bucket']} {EVIL}"} for row in rows]
    about = example_about(title=EVIL, command=EVIL, notices=[EVIL], excluded={EVIL: 3}, source={EVIL: EVIL})
    page = ab_html(example_result(rows=rows, about=about))
    assert "<script>alert" not in page
    assert page.count("<script") == 1
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 20


def test_the_page_refers_to_nothing_outside(html):
    assert not re.findall(r'(?:src|href|action|data|poster)="(?!#|data:,)[^"]*"', html)
    assert "://" not in html
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", html)
    assert "default-src 'none'" in html


def test_the_page_is_the_same_for_the_same_result(html):
    assert ab_html(example_result()) == html


def test_a_result_with_nothing_in_it_still_gives_a_page():
    page = ab_html(ABResult("E", verdict_of([], [])))
    assert "For whom?" not in page
    assert "<svg" not in page


def test_ids_on_the_page_are_unique(html):
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 20


# --- the plots


def test_a_lift_that_says_nothing_does_not_stretch_the_axis_of_the_others():
    told = ab_row(relative=0.5, error=0.05)
    wide = {"low": -1.6, "high": 70.0, "relative_low": -0.9, "relative_high": 40.0}
    vague = ab_row(kind="user", bucket="cold-start", **wide)
    assert _reach([told], "relative") == 1.08 * 100
    assert _reach([told, vague], "relative") == 1.08 * 100  # +40 and not +4000 percent
    assert _reach([ab_row(relative=2.0, error=0.1)], "relative") == pytest.approx(1.08 * (200 + 19.6))
    text = printed(short_result(rows=[vague]))
    assert "+4.20 ?" in text and "[−90.0, +4000.0]" in text


def test_a_forest_plot_draws_one_interval_per_bucket_and_the_launch(result):
    drawn = forest_plot(result.rows, "revenue", "x")
    assert drawn.startswith("<svg")
    assert "cold-start users" in drawn
    assert forest_plot(result.rows, "unknown", "x") == ""
    without = [row | {"launch": None} for row in result.rows]
    assert len(forest_plot(without, "revenue", "x")) < len(drawn)


def test_days_without_an_interval_are_left_out_of_the_daily_plot():
    row = {"day": 1, "metric": "CTR", "relative": None, "relative_low": None, "relative_high": None}
    row |= {"cumulative": None, "cumulative_low": None, "cumulative_high": None}
    assert daily_plot([row], "CTR", "x") == ""


# --- the terminal


def test_the_terminal_fits_100_columns_and_cuts_nothing(result):
    text = printed(result)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    for part in ("Revenue per user", "+4.20 ▲", "skewed: 641 users", "Verdict: better", words.NOT_ONLINE):
        assert " ".join(part.split()) in " ".join(text.replace("│", " ").split())


def test_given_text_is_never_read_as_markup_in_the_terminal():
    rows = [row | {"flag": "[bold]not[/bold] markup"} for row in example_rows()[:1]]
    about = example_about(notices=["[red]neither[/red]"])
    text = printed(example_result(rows=rows, about=about))
    assert "[bold]not[/bold] markup" in text
    assert "[red]neither[/red]" in text


# --- the words


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0423, "+4.23 %"), (-0.52, "−52.0 %"), (0.0, "0.00 %"), (-0.00001, "0.00 %"), (None, "–")],
)
def test_a_lift_in_words(value, said):
    assert words.percent_words(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (12345.678, "12,346"),
        (0.0123456, "0.01235"),
        (-2.5, "−2.5"),
        (0, "0"),
        (1.5e-7, "1.50e−07"),
        (None, "–"),
    ],
)
def test_an_amount_in_words(value, said):
    assert words.amount_words(value) == said
