"""The words and number formats of the A/B report, the same on the page, in the plots and in the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.report_kit.rules import outcome
from learn_rank.report_kit.words import DASH, MINUS, bucket_words

NOT_ONLINE = "A simulated lift is not evidence of online lift."
MODE_NAMES = {
    "R": "Mode R: randomised log",
    "E": "Mode E: calibrated environment",
    "D": "Mode D: deterministic log",
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
}
METRIC_WORDS = {
    "revenue": "revenue per user",
    "CTR": "CTR (clicks per impression)",
    "CVR": "CVR (conversions per click)",
    "conversions": "conversions per user",
}
METRIC_ORDER = tuple(METRIC_WORDS)
ARM_WORDS = {"a": "control", "b": "treatment"}
MARKS = {
    "better": "▲",
    "hint-better": "△",
    "worse": "▼",
    "hint-worse": "▽",
    "none": "○",
    "flagged": "⚑",
    "missing": DASH,
}
MARK_WORDS = {
    "better": "better, also after correction for the number of comparisons",
    "hint-better": "better by its own interval, but not after correction",
    "worse": "worse, also after correction for the number of comparisons",
    "hint-worse": "worse by its own interval, but not after correction",
    "none": "no detectable difference: the interval contains 0",
    "flagged": "not judged: its interval cannot be trusted, and the row says why",
    "missing": "not defined",
}
GUARD_WORDS = {True: "passed", False: "failed", None: "not applicable"}
GUARD_MARKS = {True: "✓", False: "✗", None: DASH}
GUARD_CLASS = {True: "passed", False: "failed", None: "skipped"}


def guard_summary(guards: Sequence[Any]) -> str:
    """``all of 15 guards passed``, ``2 of 15 guards failed``, with those that do not apply."""
    n_applied = sum(guard.has_passed is not None for guard in guards)
    n_failed = sum(guard.has_passed is False for guard in guards)
    n_idle = len(guards) - n_applied
    text = f"{n_failed} of {n_applied} guards failed" if n_failed else f"all of {n_applied} guards passed"
    return f"{text}, {n_idle} not applicable" if n_idle else text


def mark(row: Mapping[str, Any] | None, level: float = 0.95) -> str:
    """The key of ``MARKS`` for one row.

    Definition: missing without an interval; flagged where the row has a flag; none where the interval
    contains 0; else better or worse, prefixed by ``hint-`` where the adjusted p is ``1 - level`` or more.

    Example:
        >>> row = {"delta": 2.0, "low": 1.0, "high": 3.0, "p_adjusted": 0.2, "flag": None}
        >>> mark(row), mark(row | {"p_adjusted": 0.01}), mark(row | {"flag": "skewed"})
        ('hint-better', 'better', 'flagged')
    """
    result = outcome(row)
    if row is None or result == "missing":
        return "missing"
    if row.get("flag") is not None:
        return "flagged"
    if result == "none":
        return "none"
    adjusted = row["p_adjusted"]
    return result if adjusted is not None and adjusted < 1 - level else f"hint-{result}"


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


def value_words(metric: str, value: float | None) -> str:
    """A level: rates in percent, amounts with four significant digits; a dash where undefined."""
    if value is None:
        return DASH
    if metric in ("CTR", "CVR"):
        return f"{100 * value:.2f} %" if value >= 0.01 else f"{100 * value:.3g} %"
    return amount_words(value)


def amount_words(value: float | None) -> str:
    """``12345.678`` -> ``12,346``, ``0.012345`` -> ``0.01234``: four significant digits or whole numbers."""
    if value is None:
        return DASH
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if "e" in text:
        text = f"{value:.2e}"
    return text.replace("-", MINUS)


def percent_words(value: float | None) -> str:
    """A relative change with sign: ``0.0423`` -> ``+4.23 %``, ``-0.52`` -> ``−52.0 %``."""
    if value is None:
        return DASH
    percent = 100 * value
    text = f"{percent:+.1f}" if abs(percent) >= 10 else f"{percent:+.2f}"
    return f"{'0.00' if text in ('+0.00', '-0.00') else text.replace('-', MINUS)} %"


def percent_interval(low: float | None, high: float | None) -> str:
    """``[+1.10 %, +7.30 %]``; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{percent_words(low)}, {percent_words(high)}]"


def lift_words(row: Mapping[str, Any]) -> str:
    """``+4.23 % [+1.10 %, +7.30 %]``."""
    interval = percent_interval(row["relative_low"], row["relative_high"])
    return f"{percent_words(row['relative'])} {interval}".strip()


def unbroken(text: str) -> str:
    """The text with non-breaking spaces before percent signs and inside intervals, for a page."""
    bound = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)
    return re.sub(r"\[[^\[\]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), bound)


def p_words(p: float | None) -> str:
    """``< .001``, ``.023``, a dash where there is none."""
    if p is None:
        return DASH
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def share_words(share: float | None) -> str:
    """``0.8`` -> ``80.0 %``; without sign."""
    return DASH if share is None else f"{100 * share:.1f} %"


def ratio_words(ratio: float | None) -> str:
    """Observed over expected, with two decimals."""
    return DASH if ratio is None else f"{ratio:.2f}"


def ratio_class(ratio: float | None) -> str:
    """``off`` where observed and expected differ by more than a quarter, for the colour of a cell."""
    return "off" if ratio is not None and not 0.8 <= ratio <= 1.25 else ""


def pair_words(control: float, treatment: float) -> str:
    """``8,012 / 1,988``: control / treatment."""
    return f"{amount_words(control)} / {amount_words(treatment)}"


def amount_interval(low: float | None, high: float | None) -> str:
    """``[0.0035, 0.0041]``; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{amount_words(low)}, {amount_words(high)}]"


def gap_points(row: Mapping[str, Any]) -> str:
    """A/B estimate minus launch effect in points of relative lift."""
    return (
        DASH if row["relative"] is None else percent_words(row["relative"] - row["launch"]).removesuffix(" %")
    )
