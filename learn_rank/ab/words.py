"""The words that are the A/B report's alone; number formats are those of the kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.report_kit import rules
from learn_rank.report_kit.words import (
    DASH,
    MARK_WORDS,
    amount_words,
    bucket_words,
    interval_words,
    percent_words,
    share_words,
)

NOT_ONLINE = "A simulated lift is not evidence of online lift."
MODE_NAMES = {
    "R": "Mode R: randomised log",
    "E": "Mode E: calibrated environment",
    "D": "Mode D: deterministic log",
    "O": "Mode O: online experiment",
}
MODE_WORDS = {
    "R": "Estimated from logged decisions that were randomised with known propensities. Intervals are over "
    "users. It holds for the logged days, users and actions, and for nothing that the log never tried.",
    "E": "Both rankers served simulated traffic. Clicks and conversions come from an environment, not from "
    "people: the intervals say how far chance can reach inside this simulation, not how far the environment "
    "is from the market.",
    "D": "The log holds no propensities, so its rule may always have shown the same thing. What another "
    "ranker would have earned cannot be identified from such a log, at any size. The counts are descriptive; "
    "there is no test and no p-value.",
    "O": "People were split at random and served; what they did was logged. It holds for these users and "
    "days. What the arms took from each other, as a shared budget, and what comes later is not in it.",
}
METRIC_WORDS = {
    "revenue": "revenue per user",
    "CTR": "CTR (clicks per impression)",
    "CVR": "CVR (conversions per click)",
    "conversions": "conversions per user",
}
METRIC_ORDER = tuple(METRIC_WORDS)
RATES = ("CTR", "CVR")
ARM_WORDS = {"a": "control", "b": "treatment"}
MEANINGS = {  # of the marks, in the order of the legend
    "better": "better, also after correction and in the declared order",
    "hint-better": "better by its own interval alone, not in the declared order",
    "worse": "worse, also after correction and in the declared order",
    "hint-worse": "worse by its own interval alone, not in the declared order",
    "none": MARK_WORDS["none"],
    "vague": "says nothing: the interval is as wide as from −50 % to +50 % (too few users)",
    "flagged": "not judged: its interval cannot be trusted, and the row says why",
    "missing": MARK_WORDS["missing"],
}
GUARD_WORDS = {True: "passed", False: "failed", None: "not applicable"}
GUARD_MARKS = {True: "✓", False: "✗", None: DASH}
STATE_MARKS = {"held": "✓", "open": "?", "harmed": "✗"}  # of a guardrail
STATE_CLASS = {"held": "passed", "open": "skipped", "harmed": "failed"}
GUARD_CLASS = {True: "passed", False: "failed", None: "skipped"}


def guard_summary(guards: Sequence[Any]) -> str:
    """``all of 15 guards passed``, ``2 of 15 guards failed``, with those that do not apply."""
    n_applied = sum(guard.has_passed is not None for guard in guards)
    n_failed = sum(guard.has_passed is False for guard in guards)
    n_idle = len(guards) - n_applied
    text = f"{n_failed} of {n_applied} guards failed" if n_failed else f"all of {n_applied} guards passed"
    return f"{text}, {n_idle} not applicable" if n_idle else text


def mark(row: Mapping[str, Any] | None, level: float = 0.95) -> str:
    """The key of ``MEANINGS`` for one row: a difference that was not adjusted is never more than a hint.

    Example:
        >>> row = {"delta": 2.0, "low": 1.0, "high": 3.0, "p_adjusted": 0.2, "flag": None}
        >>> mark(row), mark(row | {"p_adjusted": 0.01}), mark(row | {"flag": "skewed"})
        ('hint-better', 'better', 'flagged')
    """
    return rules.mark(row, 1 - level, is_correction_needed=True)


def margin_words(row: Mapping[str, Any]) -> str:
    """The margin of a guardrail: ``−5 %`` of CTR, ``+5 %`` of a cost."""
    return f"{'+' if row['is_less_better'] else '−'}{100 * row['margin']:g} %"


def metric_words(metric: str) -> str:
    """``CTR`` -> ``CTR (clicks per impression)``; an unknown metric is shown as it is."""
    return METRIC_WORDS.get(metric, metric)


def short_metric_words(metric: str) -> str:
    """``CTR`` -> ``CTR``, ``revenue`` -> ``revenue per user``: for a sentence or a narrow column."""
    return metric_words(metric).partition(" (")[0]


def place_words(kind: str, bucket: str) -> str:
    """``("user", "cold-start")`` -> ``cold-start users``; ``("all", "all")`` -> ``all users``."""
    return "all users" if kind == "all" else bucket_words(kind, bucket)


def row_words(row: Mapping[str, Any]) -> str:
    """``revenue per user of cold-start users``."""
    return f"{short_metric_words(row['metric'])} of {place_words(row['bucket_kind'], row['bucket'])}"


def metric_value_words(metric: str, value: float | None) -> str:
    """A level: rates in percent, amounts with four significant digits; a dash where undefined."""
    if metric not in RATES:
        return amount_words(value)
    return f"{100 * value:.3g} %" if value is not None and value < 0.01 else share_words(value, 2)


def lift_interval(row: Mapping[str, Any]) -> str:
    """``[+1.10 %, +7.30 %]``; nothing where there is no interval."""
    return interval_words(*lift_ends(row), percent_words)


def lift_ends(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The interval of a relative lift, as far as the metric goes: a rate cannot rise above 1.

    Example:
        >>> lift_ends({"metric": "CVR", "control": 0.4, "relative_low": -0.9, "relative_high": 40.0})
        (-0.9, 1.5)
    """
    low, high, control = row["relative_low"], row["relative_high"], row.get("control")
    if row.get("metric") in RATES and high is not None and control:
        high = max(min(high, 1 / control - 1), row.get("relative") or 0.0)
    return low, high


def lift_words(row: Mapping[str, Any]) -> str:
    """``+4.23 % [+1.10 %, +7.30 %]``."""
    return f"{percent_words(row['relative'])} {lift_interval(row)}".strip()


def ratio_class(ratio: float | None) -> str:
    """``off`` where observed and expected differ by more than a quarter, for the colour of a cell."""
    return "off" if ratio is not None and not 0.8 <= ratio <= 1.25 else ""


def pair_words(control: float, treatment: float) -> str:
    """``8,012 / 1,988``: control / treatment."""
    return f"{amount_words(control)} / {amount_words(treatment)}"


def gap_points(row: Mapping[str, Any]) -> str:
    """A/B estimate minus launch effect in points of relative lift."""
    return (
        DASH if row["relative"] is None else percent_words(row["relative"] - row["launch"]).removesuffix(" %")
    )
