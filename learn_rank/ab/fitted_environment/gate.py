"""The gate of a fitted environment: what it expects has to come true on days that it never saw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from learn_rank.ab.statistics.guards import Guard

__all__ = ["LIMITS", "GateRow", "gate_guard", "gate_rows", "has_passed_gate"]

LIMITS = (0.9, 1.1)
MIN_EXPECTED = 20.0  # events below which a ratio says nothing


@dataclass(frozen=True)
class GateRow:
    """Observed over expected events of one bucket.

    Attributes:
        event: "click" or "conversion".
        bucket_kind: "all", "user", "item" or "position".
        bucket: its name.
        observed, expected: events.
        ratio: observed / expected; None where fewer than 20 events are expected.
        low, high: 95 % interval of the ratio over users, None likewise.
        has_passed: None where too little is expected to say.
    """

    event: str
    bucket_kind: str
    bucket: str
    observed: float
    expected: float
    ratio: float | None
    low: float | None
    high: float | None
    has_passed: bool | None


def gate_rows(
    event: str,
    observed: np.ndarray,
    expected: np.ndarray,
    users: np.ndarray,
    buckets: Mapping[str, np.ndarray],
    *,
    level: float = 0.95,
) -> list[GateRow]:
    """The ratios of one event over all rows and in every bucket.

    Definition: r = sum y / sum p; its variance is that of the linearised ratio, clustered by user:
    sum_u (sum (y - r p))^2 / (sum p)^2. A bucket passes with r inside .9 .. 1.1, or where the interval
    contains 1, so that chance alone closes no gate.

    Args:
        event: "click" or "conversion".
        observed: (N,) 0 or 1.
        expected: (N,) probabilities.
        users: (N,) ids.
        buckets: kind -> (N,) names.
        level: of the intervals.

    Example:
        >>> rows = gate_rows("click", np.tile([1, 0], 50), np.full(100, 0.4), np.arange(100), {})
        >>> round(rows[0].ratio, 6), rows[0].has_passed
        (1.25, False)
    """
    kinds: dict[str, np.ndarray] = {"all": np.full(len(observed), "all"), **buckets}
    codes = pd.factorize(users)[0]
    found = []
    for kind, names in kinds.items():
        for bucket in pd.unique(pd.Series(names).sort_values()):
            at = np.flatnonzero(names == bucket)
            found.append(_row((event, kind, str(bucket)), observed[at], expected[at], codes[at], level))
    return found


def has_passed_gate(rows: Sequence[GateRow]) -> bool:
    """No bucket failed, and clicks over all rows could be judged."""
    is_judged = any(row.bucket_kind == "all" and row.event == "click" and row.has_passed for row in rows)
    return is_judged and all(row.has_passed is not False for row in rows)


def gate_guard(rows: Sequence[GateRow]) -> Guard:
    """One guard line for a report: the worst bucket of the gate."""
    judged = [row for row in rows if row.ratio is not None and row.ratio > 0]
    limit = f"observed over expected within {LIMITS[0]} .. {LIMITS[1]}, or 1 inside its interval"
    if not judged:
        return Guard("environment calibration", None, limit, False, "Too few events to judge any bucket.")
    failed = [row for row in judged if row.has_passed is False]
    worst = max(failed if failed else judged, key=lambda row: abs(math.log(row.ratio)) if row.ratio else 0.0)
    n_open = sum(row.has_passed is None for row in rows)
    words = (
        f"{len(judged) - len(failed)} of {len(judged)} buckets of held-out days hold what the environment "
        f"expects; furthest off: {worst.event}s, {worst.bucket_kind} {worst.bucket}, {worst.ratio:.2f}."
    )
    if n_open:
        words += f" {n_open} have fewer than {MIN_EXPECTED:.0f} expected events and decide nothing."
    return Guard("environment calibration", worst.ratio, limit, has_passed_gate(rows), words)


def _row(
    what: tuple[str, str, str], observed: np.ndarray, expected: np.ndarray, users: np.ndarray, level: float
) -> GateRow:
    seen, total = float(observed.sum()), float(expected.sum())
    if total < MIN_EXPECTED:
        return GateRow(*what, seen, total, None, None, None, None)
    ratio = seen / total
    residual = np.bincount(users, observed - ratio * expected)
    reach = float(norm.ppf((1 + level) / 2)) * math.sqrt(float((residual**2).sum())) / total
    low, high = ratio - reach, ratio + reach
    is_good = LIMITS[0] <= ratio <= LIMITS[1] or low <= 1 <= high
    return GateRow(*what, seen, total, ratio, low, high, is_good)
