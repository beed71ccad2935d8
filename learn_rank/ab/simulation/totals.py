"""What a simulation leaves: sums per user, day and item bucket, enough for every metric and interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

SUMS = (
    "impressions",
    "clicks",
    "conversions",
    "revenue",
    "predicted_clicks",
    "predicted_conversions",
    "target_cost",
    "immature",
)


@dataclass(frozen=True, eq=False)
class UserTotals:
    """Sums of one simulated world; U users, D days, I item buckets. Size: 8 x 8 bytes x U x D x I.

    Attributes:
        user_ids: (U,) ids.
        user_bucket: (U,) int64, position in `user_buckets`.
        user_buckets, item_buckets: names.
        arm: (U,) uint8, the arm that served the user: 0 control, 1 treatment; all alike in a launch world.
        n_requests: (U, D) requests of the day. The trigger: it does not depend on the arm.
        sums: name -> (U, D, I) float64, for the names in `SUMS`:
            impressions, clicks; conversions before the end of the last day; revenue, the bills in currency
            units; predicted_clicks, pCTR x slot effect over impressions; predicted_conversions, pCVR over
            clicks; target_cost, the bids of all conversions; immature, conversions after the last day. The
            click of an immature conversion is billed like any other, so `target_cost` holds its bid too, and
            what pCVR predicts is conversions + immature.
        days: the D days.
        counts: what else happened, and how often (requests without a winner, capped bills ...).

    Example:
        >>> def ones():
        ...     return {name: np.ones((2, 1, 3)) for name in SUMS}
        >>> world = UserTotals(np.array([7, 9]), np.zeros(2, int), ("other",), ("cold-start", "long-tail",
        ...     "other"), np.array([0, 1], np.uint8), np.ones((2, 1)), ones(), (4,))
        >>> world.total("clicks").tolist(), world.total("clicks", item_bucket="other").tolist()
        ([3.0, 3.0], [1.0, 1.0])
    """

    user_ids: np.ndarray
    user_bucket: np.ndarray
    user_buckets: tuple[str, ...]
    item_buckets: tuple[str, ...]
    arm: np.ndarray
    n_requests: np.ndarray
    sums: Mapping[str, np.ndarray]
    days: tuple[int, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    def total(
        self, name: str, *, days: Sequence[int] | None = None, item_bucket: str | None = None
    ) -> np.ndarray:
        """One sum per user.

        Args:
            name: one of `SUMS`.
            days: which of `self.days`; None for all.
            item_bucket: which of `self.item_buckets`; None for all.

        Returns:
            (U,) float64.

        Raises:
            ValueError: a name, day or bucket that the totals do not hold.
        """
        if name not in self.sums:
            raise ValueError(f"name: expected one of {', '.join(self.sums)}, got {name!r}")
        by_day = self.sums[name][:, self._positions(days), :]
        if item_bucket is None:
            return by_day.sum(axis=(1, 2))
        if item_bucket not in self.item_buckets:
            raise ValueError(f"item_bucket: expected one of {self.item_buckets}, got {item_bucket!r}")
        return by_day[:, :, self.item_buckets.index(item_bucket)].sum(axis=1)

    def requests(self, *, days: Sequence[int] | None = None) -> np.ndarray:
        """(U,) requests per user in these days; the population are users with at least one."""
        return self.n_requests[:, self._positions(days)].sum(axis=1)

    def _positions(self, days: Sequence[int] | None) -> list[int]:
        if days is None:
            return list(range(len(self.days)))
        unknown = sorted(set(days) - set(self.days))
        if unknown:
            raise ValueError(f"days: expected some of {self.days}, got {unknown}")
        return [self.days.index(day) for day in days]


__all__ = ["SUMS", "UserTotals"]
