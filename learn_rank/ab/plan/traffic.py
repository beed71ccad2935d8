"""Traffic without a treatment, as a plan looks at it: what users have done after 1, 2, .. days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.delta_method import PerUser
from learn_rank.ab.statistics.per_user import metric_sums, same_users

__all__ = ["LoggedTraffic", "Place", "SimulatedTraffic", "Traffic", "scores_of"]

Place = tuple[str, str]
ALL: Place = ("all", "all")


class Traffic(Protocol):
    """What users did, none of whom had the treatment."""

    @property
    def n_days(self) -> int:
        """D days, one after another."""

    @property
    def places(self) -> Sequence[Place]:
        """(kind, name) of all users, then of each bucket."""

    def sums(self, metric: str, place: Place, n_days: int) -> tuple[PerUser, PerUser | None]:
        """What the users seen in the first days add to a metric, and the same of a time before, if any."""


@dataclass(frozen=True, eq=False)
class SimulatedTraffic:
    """A world in which everybody has the control.

    Args:
        totals: of the world.
        pre: of the days before it, None without.
    """

    totals: UserTotals
    pre: UserTotals | None = None

    @property
    def n_days(self) -> int:
        """D."""
        return len(self.totals.days)

    @property
    def places(self) -> Sequence[Place]:
        """All users, buckets of users, buckets of items."""
        users = [("user", name) for name in self.totals.user_buckets]
        return [ALL, *users, *(("item", name) for name in self.totals.item_buckets)]

    def sums(self, metric: str, place: Place, n_days: int) -> tuple[PerUser, PerUser | None]:
        """See `Traffic`."""
        days, (kind, name) = self.totals.days[:n_days], place
        users = self.totals.requests(days=days) > 0
        if kind == "user":
            users &= self.totals.user_bucket == self.totals.user_buckets.index(name)
        items = name if kind == "item" else None
        found = metric_sums(self.totals, metric, users, item_bucket=items, days=days)
        if self.pre is None:
            return found, None
        items = items if items in self.pre.item_buckets else None
        past = metric_sums(self.pre, metric, np.ones(self.pre.user_ids.size, bool), item_bucket=items)
        return found, same_users(self.totals, self.pre, past).of(users)


@dataclass(frozen=True, eq=False)
class LoggedTraffic:
    """Outcomes of real users of days before a test.

    Args:
        outcomes: of one arm.
        metrics: by name.
    """

    outcomes: Outcomes
    metrics: Mapping[str, Metric]
    _summed: dict[tuple[str, int], tuple[PerUser, np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def n_days(self) -> int:
        """D, from the first day to the last."""
        return int(self.outcomes.days[-1] - self.outcomes.days[0] + 1)

    @property
    def places(self) -> Sequence[Place]:
        """All users, then the buckets."""
        buckets = self.outcomes.buckets.items()
        return [ALL, *((column, name) for column, bucket in buckets for name in bucket.names)]

    def sums(self, metric: str, place: Place, n_days: int) -> tuple[PerUser, PerUser | None]:
        """See `Traffic`."""
        found, users = self._everyone(metric, n_days)
        if place != ALL:
            bucket = self.outcomes.buckets[place[0]]
            users = users & (bucket.codes == bucket.names.index(place[1]))
        return found.of(users), None

    def _everyone(self, metric: str, n_days: int) -> tuple[PerUser, np.ndarray]:
        """Sums of all users over the first days and who was there; only the last asked for are kept."""
        if (metric, n_days) not in self._summed:
            last = np.searchsorted(self.outcomes.days - self.outcomes.days[0], n_days)
            rows = slice(
                0, int(np.searchsorted(self.outcomes.row_day, last))
            )  # rows are in the order of days
            users = np.bincount(self.outcomes.row_user[rows], minlength=self.outcomes.n_users) > 0
            self._summed.clear()
            self._summed[metric, n_days] = self.outcomes.per_user(self.metrics[metric], rows), users
        return self._summed[metric, n_days]


def scores_of(sums: PerUser, past: PerUser | None) -> tuple[np.ndarray, float]:
    """(U,) scores of the users, with their own past taken out where it is known, and the metric's value.

    Example:
        >>> scores, value = scores_of(PerUser(np.array([1.0, 3.0, 5.0])), PerUser(np.array([0.0, 1.0, 2.0])))
        >>> scores.tolist(), value
        ([3.0, 3.0, 3.0], 3.0)
    """
    scores, value = sums.scores(), sums.value
    if past is None or np.isnan(scores).any() or np.isnan(past.scores()).any():
        return scores, value
    before = past.scores()
    spread = float(np.var(before)) if before.size else 0.0
    if not spread > 0:
        return scores, value
    slope = float(np.mean((scores - scores.mean()) * (before - before.mean()))) / spread
    return scores - slope * (before - before.mean()), value
