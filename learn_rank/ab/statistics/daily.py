"""The lift day by day and of all days so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.analysis import AnalysisConfig
from learn_rank.ab.statistics.delta_method import Contrast, contrast
from learn_rank.ab.statistics.per_user import arms_of, or_none
from learn_rank.ab.statistics.retraining import over_trainings

__all__ = ["daily_rows"]


def daily_rows(
    ab: UserTotals, config: AnalysisConfig | None = None, *, trainings: Sequence[UserTotals] = ()
) -> list[dict[str, Any]]:
    """One row per metric and day, to look at and not to stop at.

    Definition: ``delta``, ``low``, ``high`` and ``relative*`` compare the users with a request on the day;
    ``cumulative*`` is the relative lift over the users and events of all days up to it. Days share users, so
    they are no independent repetitions: there is no test over days and no p here, and stopping at the first
    good day is not covered by the intervals.

    Args:
        ab: the world in which users are split.
        config: default ``AnalysisConfig()``.
        trainings: the same of each training, where ``ab`` is their mean; two or more put the training into
            the intervals.
    """
    chosen = AnalysisConfig() if config is None else config
    rows = []
    for metric in chosen.metrics:
        for at, day in enumerate(ab.days):
            today, so_far = (
                over_trainings(
                    _contrast(ab, metric, days, chosen.level),
                    [_contrast(each, metric, days, chosen.level) for each in trainings],
                )
                for days in ([day], ab.days[: at + 1])
            )
            row: dict[str, Any] = {"day": day, "metric": metric}
            for name in ("delta", "low", "high", "relative", "relative_low", "relative_high"):
                row[name] = or_none(getattr(today, name))
            for ending in ("", "_low", "_high"):
                row[f"cumulative{ending}"] = or_none(getattr(so_far, f"relative{ending}"))
            rows.append(row)
    return rows


def _contrast(ab: UserTotals, metric: str, days: Sequence[int], level: float) -> Contrast:
    control, treatment = arms_of(ab, metric, ab.requests(days=days) > 0, days=days)
    return contrast(control, treatment, level)
