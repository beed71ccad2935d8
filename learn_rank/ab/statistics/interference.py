"""What the user split gets wrong: the A/B estimate beside the launch effect, and their gap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy.stats import norm

from learn_rank.ab.statistics.guards import Guard
from learn_rank.report_kit.words import percent_words

N_ERRORS = 3.29  # two-sided 99.9 %: a guard that trips by chance once in a thousand runs


def gap_in_errors(row: Mapping[str, Any], level: float = 0.95) -> float | None:
    """How many standard errors of the A/B estimate lie between it and the launch effect.

    Definition: ``(log(1 + relative) - log(1 + launch)) / standard error``, the error from the width of the
    interval, which is symmetric in the logarithm.

    Args:
        row: a row of ``ABResult`` with relative, relative_low, relative_high and launch.
        level: of its interval.

    Returns:
        The signed gap, None where one of the four is undefined or the interval has no width.

    Example:
        >>> row = {"relative": 0.22, "relative_low": 0.20, "relative_high": 0.24, "launch": 0.0}
        >>> round(gap_in_errors(row), 1)
        23.8
    """
    needed = [row[name] for name in ("relative", "relative_low", "relative_high", "launch")]
    if any(value is None or value <= -1 for value in needed):
        return None
    relative, low, high, launch = (math.log1p(value) for value in needed)
    error = (high - low) / (2 * float(norm.ppf((1 + level) / 2)))
    return None if error <= 0 else (relative - launch) / error


def interference_guard(row: Mapping[str, Any] | None, level: float = 0.95) -> Guard:
    """The guard over the gap: an A/B estimate that the launch contradicts must not be decided on.

    Definition: passes while the launch effect lies within 3.29 standard errors of the A/B estimate. Both
    come from the same environment and the same random numbers, so what lies beyond is no chance: the arms
    take something from each other, as budgets that both arms drain.

    Args:
        row: the row that decides, None where there is none.
        level: of its interval.
    """
    limit = f"launch effect within {N_ERRORS} standard errors of the A/B estimate"
    gap = None if row is None else gap_in_errors(row, level)
    if row is None or gap is None:
        return Guard("interference", None, limit, None, "No launch effect to compare with.")
    has_passed = abs(gap) <= N_ERRORS
    text = gap_words(row)
    if not has_passed:
        text += " The arms share something, as a budget; split it between them (--budget split)."
    return Guard("interference", gap, limit, has_passed, text)


def gap_words(row: Mapping[str, Any]) -> str:
    """One sentence: the launch effect beside the A/B estimate."""
    launch, estimate = row["launch"], row["relative"]
    if launch is None or estimate is None:
        return "The launch effect is not known."
    gap = 100 * (estimate - launch)
    return (
        f"Given to everybody, the treatment changes it by {percent_words(launch)} in the same environment; "
        f"the A/B estimate reads {percent_words(estimate)}, {abs(gap):.1f} points "
        f"{'more' if gap > 0 else 'less'}."
    )
