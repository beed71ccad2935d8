"""The verdict says what the differences say, and nothing when they say nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import delta_row, example_report

from learn_rank.report.verdict import verdict_of
from learn_rank.report_kit.rules import mark
from learn_rank.report_kit.words import joined

QUIET = delta_row(-0.002, -0.006, 0.002, model="shuffled")


def text(verdict):
    return " ".join((verdict.headline, *verdict.sentences, *verdict.checks))


def test_better_with_a_quiet_control_is_a_yes_with_its_numbers():
    verdict = verdict_of([delta_row(0.0283, 0.0241, 0.0325), QUIET])
    assert (verdict.answer, verdict.control) == ("yes", "quiet")
    assert verdict.headline == "Yes, for clicks (CTR)."
    assert verdict.sentences[0] == (
        "LEARN ranks clicks (CTR) better than the same ranker without it: "
        "+2.83 [+2.41, +3.25] points of UAUC."
    )
    assert verdict.checks[-1].startswith(
        "The control with shuffled vectors shows no lift (−0.20 [−0.60, +0.20] in CTR)"
    )


def test_an_interval_around_zero_is_no_detectable_difference_and_not_a_no():
    verdict = verdict_of([delta_row(0.0021, -0.0033, 0.0075), QUIET])
    assert verdict.answer == "none"
    assert verdict.headline == "No detectable difference."
    assert "no difference could be detected: +0.21 [−0.33, +0.75] points of UAUC" in text(verdict)
    assert "No single bucket of users or items moves clearly." in verdict.sentences


def test_worse_is_said_plainly():
    verdict = verdict_of([delta_row(-0.02, -0.03, -0.01), QUIET])
    assert verdict.answer == "worse"
    assert verdict.headline == "No: it made clicks (CTR) worse: CTR UAUC, −2.00 [−3.00, −1.00] points."
    assert "worse than the same ranker without it: −2.00 [−3.00, −1.00]" in text(verdict)


def test_better_here_and_worse_there_is_mixed():
    deltas = [delta_row(0.02, 0.01, 0.03), delta_row(-0.02, -0.03, -0.01, task="CVR")]
    controls = [QUIET, {**QUIET, "task": "CVR"}]
    verdict = verdict_of(deltas + controls)
    assert verdict.answer == "mixed"
    assert verdict.headline == (
        "Mixed: better for clicks (CTR), worse for conversions after a click (CVR): "
        "CVR UAUC, −2.00 [−3.00, −1.00] points."
    )


@pytest.mark.parametrize("learn", [(0.03, 0.02, 0.04), (0.001, -0.01, 0.012), (0.1, -0.2, 0.4)])
def test_a_lift_of_shuffled_vectors_makes_any_result_but_harm_untrusted(learn):
    lift = delta_row(0.011, 0.004, 0.018, model="shuffled")
    verdict = verdict_of([delta_row(*learn), lift])
    assert (verdict.answer, verdict.control) == ("untrusted", "lift")
    assert "cannot be trusted" in verdict.headline
    assert "shows a lift: +1.10 [+0.40, +1.80] in CTR" in text(verdict)


def test_harm_is_harm_whatever_shuffled_vectors_do():
    lift = delta_row(0.011, 0.004, 0.018, model="shuffled")
    verdict = verdict_of([delta_row(-0.02, -0.03, -0.01), lift])
    assert (verdict.answer, verdict.control) == ("worse", "lift")
    assert verdict.headline.endswith("points. Vectors without knowledge gained, so no gain counts.")
    assert "shows a lift: +1.10 [+0.40, +1.80] in CTR UAUC" in text(verdict)


def test_a_lift_of_shuffled_vectors_counts_only_after_correction_as_a_gain_does():
    hint = delta_row(0.011, 0.004, 0.018, model="shuffled", p_adjusted=0.2)
    assert verdict_of([delta_row(0.03, 0.02, 0.04, p_adjusted=0.001), hint]).answer == "yes"
    assert verdict_of([delta_row(0.03, 0.02, 0.04, p_adjusted=0.2), hint]).answer == "none"


def test_a_lift_of_shuffled_vectors_in_one_task_makes_the_whole_run_untrusted():
    deltas = [delta_row(0.03, 0.02, 0.04), QUIET, delta_row(0.03, 0.02, 0.04, task="CVR")]
    lift = delta_row(0.011, 0.004, 0.018, model="shuffled", task="CVR")
    assert verdict_of([*deltas, lift]).answer == "untrusted"


def test_a_loss_of_shuffled_vectors_is_quiet():
    assert (
        verdict_of([delta_row(0.03, 0.02, 0.04), delta_row(-0.01, -0.02, -0.005, model="shuffled")]).control
        == "quiet"
    )


def test_a_missing_control_is_a_reservation_in_the_headline():
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04)])
    assert (verdict.answer, verdict.control) == ("yes", "missing")
    assert "But the control with shuffled vectors is missing." in verdict.headline
    assert "was not run for CTR, so added capacity" in text(verdict)


def test_an_interval_over_half_of_what_is_possible_is_marked_as_saying_nothing():
    wide = delta_row(0.11, -0.5, 0.5)
    assert verdict_of([wide, QUIET]).answer == "unclear"
    assert mark(wide) == "vague" and mark(delta_row(0.11, -0.2, 0.299)) == "none"
    assert mark(delta_row(0.4, 0.1, 0.7)) != "vague"  # what is above 0 says that


def test_a_lift_from_minus_50_to_plus_50_percent_says_nothing():
    row = {"metric": "revenue", "delta": 0.1, "low": -9.0, "high": 9.0, "p_adjusted": 0.9, "flag": None}
    assert mark(row | {"relative_low": -0.5, "relative_high": 0.5}) == "vague"
    assert mark(row | {"relative_low": -0.4, "relative_high": 0.5}) == "none"


def test_a_control_that_ran_and_has_no_value_is_not_called_missing():
    control = delta_row(None, None, None, model="shuffled")
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04), control])
    assert "But the control with shuffled vectors says nothing." in verdict.headline
    assert "has no value with an interval for CTR (" in text(verdict)
    assert "not run" not in text(verdict)


def test_a_quiet_control_proves_only_what_its_interval_can_tell():
    gain = delta_row(0.03, 0.02, 0.04)
    precise, vague = ({**QUIET, "high": high} for high in (0.0299, 0.03))
    assert "so it is the content of the vectors that counts" in verdict_of([gain, precise]).checks[-1]
    assert "but its interval reaches the gain of LEARN in CTR" in verdict_of([gain, vague]).checks[-1]
    assert verdict_of([delta_row(0.001, -0.01, 0.012), QUIET]).checks[-1].endswith("in CTR), as it should.")


@pytest.mark.parametrize(
    ("against", "line", "doubt"),
    [
        (delta_row(0.02, 0.01, 0.03, baseline="shuffled", p_adjusted=0.001), "Ship LEARN.", ""),
        (delta_row(0.02, 0.01, 0.03, baseline="shuffled", p_adjusted=0.2), "Get more data", "not clear."),
        (delta_row(0.02, -0.01, 0.05, baseline="shuffled"), "Get more data", "not clear."),
    ],
)
def test_learn_minus_shuffled_decides_whether_the_content_gains(against, line, doubt):
    gain = delta_row(0.03, 0.02, 0.04)  # above what the control's interval reaches
    verdict = verdict_of([gain, QUIET, against])
    assert verdict.answer == "yes" and verdict.headline.endswith(doubt)
    assert verdict.shipping.line.startswith(line)
    assert any(said.startswith("LEARN minus shuffled: +2.00 [") for said in verdict.checks)


def test_harm_ships_nothing_and_names_every_metric_that_is_worse():
    uauc, auc = delta_row(0.03, 0.02, 0.04), delta_row(-0.02, -0.03, -0.01, metric="AUC", p_adjusted=0.001)
    verdict = verdict_of([uauc, auc, QUIET])
    assert verdict.answer == "mixed"
    assert verdict.shipping.line == "Ship nothing: LEARN makes clicks worse."
    assert "LEARN is worse: CTR AUC −2.00 [−3.00, −1.00] points." in verdict.shipping.heads[0].words
    assert "Worse in CTR, after correction: AUC −2.00 [−3.00, −1.00] points." in verdict.sentences


def test_a_loss_of_another_metric_that_does_not_survive_the_correction_is_no_harm():
    hint = delta_row(-0.02, -0.03, -0.01, metric="AUC", p_adjusted=0.2)
    assert verdict_of([delta_row(0.03, 0.02, 0.04), hint, QUIET]).answer == "yes"


def test_a_control_without_a_value_counts_as_missing():
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04), delta_row(None, None, None, model="shuffled")])
    assert verdict.control == "missing"


def test_a_control_for_one_task_of_two_is_not_enough():
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04), QUIET, delta_row(0.03, 0.02, 0.04, task="CVR")])
    assert verdict.control == "missing"


def test_a_difference_without_an_interval_is_not_judged():
    verdict = verdict_of([delta_row(0.03, None, None, n_rows=5), QUIET])
    assert verdict.answer == "unknown"
    assert "no difference could be judged (+3.00 without an interval, 5 rows)" in text(verdict)


def test_no_difference_at_all_is_not_known():
    assert verdict_of([]).answer == "unknown"
    undefined = verdict_of([delta_row(None, None, None, n_rows=37)])
    assert undefined.answer == "unknown"
    assert "no difference could be judged (no user with both classes in 37 rows)" in text(undefined)
    only_others = verdict_of([delta_row(0.03, 0.02, 0.04, model="raw_text")])
    assert only_others.answer == "unknown"


def test_a_gain_in_some_buckets_only_is_partly():
    bucket = delta_row(0.04, 0.02, 0.06, kind="item", bucket="cold-start", p_adjusted=0.001)
    verdict = verdict_of([delta_row(0.001, -0.002, 0.004), bucket, QUIET])
    assert verdict.answer == "partly"
    assert verdict.headline == "Only in parts: not overall, but for cold-start items."
    assert "Who gains: in CTR cold-start items (+4.00)." in verdict.sentences


def test_a_bucket_that_does_not_survive_the_correction_is_not_claimed():
    bucket = delta_row(0.04, 0.001, 0.079, kind="item", bucket="cold-start", p_adjusted=0.2)
    verdict = verdict_of([delta_row(0.001, -0.002, 0.004), bucket, QUIET])
    assert verdict.answer == "none"
    assert "cold-start items" not in text(verdict)


def test_an_overall_gain_that_does_not_survive_the_correction_is_said_and_is_no_yes():
    verdict = verdict_of([delta_row(0.01, 0.001, 0.019, p_adjusted=0.09), QUIET])
    assert verdict.answer == "none"
    assert verdict.headline == "No clear difference: better for clicks (CTR), but not after correction."
    assert "though not after correction for the number of comparisons" in verdict.sentences[0]


def test_a_bucket_where_shuffled_vectors_gain_too_is_not_claimed():
    place = {"kind": "user", "bucket": "cold-start", "p_adjusted": 0.001}
    learn, shuffled = (
        delta_row(0.04, 0.02, 0.06, **place),
        delta_row(0.03, 0.01, 0.05, model="shuffled", **place),
    )
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04), learn, QUIET, shuffled])
    assert verdict.tasks[0].gains == ()
    assert "so no gain is claimed: in CTR cold-start users." in text(verdict)


def test_losing_buckets_are_named_although_the_whole_gains():
    loser = delta_row(-0.02, -0.03, -0.01, kind="user", bucket="other", p_adjusted=0.001)
    winner = delta_row(0.05, 0.03, 0.07, kind="user", bucket="cold-start", p_adjusted=0.001)
    verdict = verdict_of([delta_row(0.01, 0.005, 0.015), loser, winner, QUIET])
    assert "Who loses: in CTR other users (−2.00)." in verdict.sentences
    assert "Who gains: in CTR cold-start users (+5.00)." in verdict.sentences


def test_where_every_bucket_gains_only_the_two_ends_are_named():
    buckets = [
        delta_row(size, size - 0.01, size + 0.01, kind=kind, bucket=bucket)
        for kind, bucket, size in (
            ("user", "cold-start", 0.05),
            ("user", "other", 0.02),
            ("item", "other", 0.03),
        )
    ]
    verdict = verdict_of([delta_row(0.03, 0.02, 0.04), *buckets, QUIET])
    assert verdict.sentences[1] == (
        "Who gains: in CTR every bucket of users and of items, most cold-start users (+5.00), "
        "least other users (+2.00)."
    )


def test_raw_text_is_compared_in_pairs_where_the_pair_is_given():
    raw = delta_row(0.02, 0.01, 0.03, model="raw_text")
    pair = delta_row(0.008, 0.002, 0.014, baseline="raw_text")
    verdict = verdict_of([delta_row(0.028, 0.02, 0.036), raw, pair, QUIET])
    assert "without the towers, gives +2.00 [+1.00, +3.00] in CTR." in verdict.checks[0]
    assert verdict.checks[1] == "LEARN is ahead of raw text in CTR (+0.80 [+0.20, +1.40])."


def test_where_uauc_is_undefined_the_verdict_goes_by_auc_and_says_so():
    verdict = verdict_of([delta_row(None, None, None), delta_row(0.02, 0.01, 0.03, metric="AUC")])
    assert verdict.tasks[0].metric == "AUC"
    assert "points of AUC" in text(verdict)


numbers = st.floats(-0.2, 0.2).map(lambda value: round(value, 4))


@given(st.tuples(numbers, numbers, numbers, numbers), st.floats(0, 0.1), st.floats(0, 0.1))
def test_every_number_of_the_verdict_is_one_of_the_given_differences(sizes, wide, narrow):
    a, b, c, d = sizes
    deltas = [
        delta_row(a, a - wide, a + wide),
        delta_row(b, b - narrow, b + wide, task="CVR"),
        delta_row(c, c - wide, c + narrow, model="shuffled"),
        delta_row(d, d - narrow, d + narrow, kind="user", bucket="cold-start"),
        delta_row(d, d - narrow, d + wide, baseline="raw_text"),
    ]
    allowed = {abs(round(100 * row[key], 2)) for row in deltas for key in ("delta", "low", "high")}
    said = re.findall(r"\d+\.\d+", text(verdict_of(deltas)))
    assert said
    assert all(any(abs(float(number) - value) < 0.011 for value in allowed) for number in said)


@given(st.permutations(range(12)))
def test_the_verdict_does_not_depend_on_the_order_of_the_rows(order):
    deltas = [row for row in example_report_deltas() if row["metric"] == "UAUC" and row["bucket"] == "all"]
    assert verdict_of([deltas[position] for position in order]) == verdict_of(deltas)


def example_report_deltas(cache=[]):  # noqa: B006 - made once
    if not cache:
        cache.extend(example_report().deltas)
    return cache


def test_words_are_joined_as_in_a_sentence():
    assert [joined(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
