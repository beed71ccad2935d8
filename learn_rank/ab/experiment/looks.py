"""The lift day by day, and of all days so far with the interval that may be looked at every day."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from learn_rank.ab.experiment.always_valid import evidence_of, multipliers
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.past import Past
from learn_rank.ab.experiment.table import compared
from learn_rank.ab.statistics.delta_method import Contrast, PerUser
from learn_rank.ab.statistics.per_user import or_none
from learn_rank.ab.statistics.skewness import MIN_USERS

__all__ = ["look_rows"]


def look_rows(
    outcomes: Outcomes,
    past: Past,
    metrics: Sequence[Metric],
    declared: Declaration,
    tell: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One row per treatment, metric and day.

    Definition: ``relative*`` compare the users who were there on the day; ``cumulative*`` all users who came
    until then, with all that they did. ``always_low`` and ``always_high`` are the ends of the relative lift,
    ``always_delta_*`` those of the difference, that hold at all looks together (`always_valid`); looks begin
    when both arms have 50 users. All days so far are adjusted by CUPED, also where CUPAC is judged: its model
    would have seen later days.

    Args:
        outcomes: of the test.
        past: what was known before.
        metrics: of the test.
        declared: the design.
        tell: called after each day of each metric.
    """
    starts = np.searchsorted(outcomes.row_day, np.arange(outcomes.days.size + 1))
    first = outcomes.first_day()
    rows = []
    for metric in metrics:
        before = None if declared.adjust == "none" else past.of_metric(metric)
        above, below = np.zeros(outcomes.n_users), np.zeros(outcomes.n_users)
        by_arm: list[list[dict[str, Any]]] = [[] for _ in outcomes.arms[1:]]
        looks: list[list[tuple[Contrast, float]]] = [[] for _ in outcomes.arms[1:]]
        for at, day in enumerate(outcomes.days):
            part = slice(starts[at], starts[at + 1])
            today = outcomes.per_user(metric, part)
            above = above + today.numerator
            below = below if today.denominator is None else below + today.denominator
            so_far = PerUser(above, None if metric.below is None else below)
            is_there = np.bincount(outcomes.row_user[part], minlength=outcomes.n_users) > 0
            has_come = first <= at
            for arm, name in enumerate(outcomes.arms[1:], start=1):
                own = compared(outcomes, today, arm, users=is_there, level=declared.level).contrast
                all_days = compared(
                    outcomes, so_far, arm, before=before, users=has_come, level=declared.level
                ).contrast
                row = {
                    "arm": name,
                    "metric": metric.name,
                    "day": int(day),
                    "day_name": outcomes.day_names[at],
                }
                for each in ("relative", "relative_low", "relative_high"):
                    row[each] = or_none(getattr(own, each))
                for each in ("delta", "low", "high"):
                    row[f"cumulative_{each}" if each == "delta" else f"cumulative_delta_{each}"] = or_none(
                        getattr(all_days, each)
                    )
                for ending in ("", "_low", "_high"):
                    row[f"cumulative{ending}"] = or_none(getattr(all_days, f"relative{ending}"))
                by_arm[arm - 1].append(row)
                looks[arm - 1].append((all_days, _size(outcomes, so_far, has_come, arm)))
            tell()
        for own_rows, own_looks in zip(by_arm, looks, strict=True):
            reaches = multipliers([evidence_of(found, size) for found, size in own_looks], declared.level)
            for row, (found, _), reach in zip(own_rows, own_looks, reaches, strict=True):
                row.update(_always(found, reach))
            rows.extend(own_rows)
    return rows


def _size(outcomes: Outcomes, sums: PerUser, users: np.ndarray, arm: int) -> float:
    """Users of both arms so far, or the total that divides; NaN before both arms have 50 users."""
    sides = [users & (outcomes.arm == side) for side in (0, arm)]
    if min(int(side.sum()) for side in sides) < MIN_USERS:
        return math.nan
    chosen = sides[0] | sides[1]
    return float(chosen.sum() if sums.denominator is None else sums.denominator[chosen].sum())


def _always(found: Contrast, reach: float) -> dict[str, Any]:
    half = reach * found.std_error
    factor = math.exp(reach * found.log_std_error) if not math.isnan(found.log_std_error) else math.nan
    return {
        "always_delta_low": or_none(found.delta - half),
        "always_delta_high": or_none(found.delta + half),
        "always_low": or_none((1 + found.relative) / factor - 1),
        "always_high": or_none((1 + found.relative) * factor - 1),
    }
