"""Does the lift wear off: by days since each user's first exposure, and the second half against the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.table import compared
from learn_rank.ab.statistics.delta_method import PerUser, compare
from learn_rank.ab.statistics.per_user import or_none
from learn_rank.ab.statistics.skewness import MIN_USERS

__all__ = ["novelty_rows", "wear_rows"]

LEAST_DAYS = 4


def novelty_rows(outcomes: Outcomes, metrics: Sequence[Metric], level: float = 0.95) -> list[dict[str, Any]]:
    """One row per treatment, metric and day since the first exposure.

    Definition: day 0 is a user's first day with a row. A later day counts the users for whom it lies in the
    test, whether they came or not. Days on which an arm has fewer than 50 such users are left out. Later
    days rest on users who came early; `wear_rows` compares the same users.

    Args:
        outcomes: of the test.
        metrics: of the test.
        level: of the intervals.
    """
    since, left = _since(outcomes)
    rows = []
    for arm, name in enumerate(outcomes.arms[1:], start=1):
        for metric in metrics:
            for day in range(int(left.max()) + 1):
                users = left >= day
                if _n_least(outcomes, users, arm) < MIN_USERS:
                    break
                found = compared(
                    outcomes, outcomes.per_user(metric, since == day), arm, users=users, level=level
                ).contrast
                row: dict[str, Any] = {"arm": name, "metric": metric.name, "days_since": day}
                row |= {
                    each: or_none(getattr(found, each))
                    for each in ("delta", "low", "high", "relative", "relative_low", "relative_high")
                }
                rows.append(row | {"n_users": int((users & np.isin(outcomes.arm, (0, arm))).sum())})
    return rows


def wear_rows(outcomes: Outcomes, metrics: Sequence[Metric], level: float = 0.95) -> list[dict[str, Any]]:
    """One row per treatment and metric: the difference of late days minus that of early days, same users.

    Definition: with H days since exposure that at least half of the users can have, the users who can have
    all of them; early are the first H // 2 of their days, late the rest. A user's score is late minus early
    (a mean per day, or the linearised ratio), so what a user brings to both halves is told once.

    Args:
        outcomes: of the test.
        metrics: of the test.
        level: of the intervals.

    Returns:
        Nothing where H is below 4.
    """
    since, left = _since(outcomes)
    n_days = int(np.quantile(left, 0.5, method="lower")) + 1
    if n_days < LEAST_DAYS:
        return []
    half, users = n_days // 2, left >= n_days - 1
    parts = {"early": since < half, "late": (since >= half) & (since < n_days)}
    lengths = {"early": half, "late": n_days - half}
    rows = []
    for arm, name in enumerate(outcomes.arms[1:], start=1):
        sides = [users & (outcomes.arm == side) for side in (0, arm)]
        for metric in metrics:
            row: dict[str, Any] = {"arm": name, "metric": metric.name, "n_days": n_days, "n_early": half}
            scores = {}
            for part, chosen in parts.items():
                sums = outcomes.per_user(metric, chosen)
                row[part] = or_none(compared(outcomes, sums, arm, users=users, level=level).contrast.relative)
                scores[part] = [_per_day(sums.of(side), lengths[part]) for side in sides]
            control, treatment = (
                late - early for late, early in zip(scores["late"], scores["early"], strict=True)
            )
            found = compare(control, treatment, level)
            row |= {"change": or_none(found.delta), "low": or_none(found.low), "high": or_none(found.high)}
            rows.append(row | {"p": or_none(found.p), "n_users": int(sum(side.sum() for side in sides))})
    return rows


def _since(outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """(N,) days since the user's first, and (U,) how many days after it the test went on."""
    first = outcomes.days[outcomes.first_day()]
    return outcomes.days[outcomes.row_day] - first[outcomes.row_user], outcomes.days[-1] - first


def _n_least(outcomes: Outcomes, users: np.ndarray, arm: int) -> int:
    return min(int((users & (outcomes.arm == side)).sum()) for side in (0, arm))


def _per_day(sums: PerUser, n_days: int) -> np.ndarray:
    return sums.scores() / n_days if sums.denominator is None else sums.scores()
