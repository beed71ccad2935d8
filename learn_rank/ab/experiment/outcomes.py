"""What the users of an experiment did: one row a user and day, and what was known of them before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.statistics.delta_method import PerUser

__all__ = ["Bucket", "Outcomes", "sums_by_user_and_day"]


@dataclass(frozen=True, eq=False)
class Bucket:
    """A column that was frozen before the first exposure.

    Attributes:
        names: (K,) the values.
        codes: (U,) which of them each user has.
    """

    names: tuple[str, ...]
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcomes:
    """An experiment. U users, N rows, D days.

    Attributes:
        user_ids: (U,).
        arm: (U,) place in ``arms``.
        arms: names, the control first.
        days: (D,) numbers of the days, ascending.
        day_names: (D,) as the file writes them.
        row_user: (N,) place of the user, N pairs of user and day at most once.
        row_day: (N,) place of the day, ascending.
        sums: column -> (N,) its sum.
        buckets: column -> its values.
        covariates: column -> (U,) numbers, or text as object.
        counts: what was counted while reading.
    """

    user_ids: np.ndarray
    arm: np.ndarray
    arms: tuple[str, ...]
    days: np.ndarray
    day_names: tuple[str, ...]
    row_user: np.ndarray
    row_day: np.ndarray
    sums: Mapping[str, np.ndarray]
    buckets: Mapping[str, Bucket]
    covariates: Mapping[str, pd.Series]
    counts: dict[str, int]

    @property
    def n_users(self) -> int:
        """U."""
        return int(self.user_ids.size)

    def totals(self, column: str, rows: np.ndarray | slice | None = None) -> np.ndarray:
        """(U,) the sum of a column over some rows; None for all."""
        chosen: np.ndarray | slice = slice(None) if rows is None else rows
        return np.bincount(self.row_user[chosen], self.sums[column][chosen], self.n_users)

    def per_user(self, metric: Metric, rows: np.ndarray | slice | None = None) -> PerUser:
        """What each user adds to a metric over some rows."""
        below = None if metric.below is None else self.totals(metric.below, rows)
        return PerUser(self.totals(metric.above, rows), below)

    def first_day(self) -> np.ndarray:
        """(U,) place of the day on which each user has a first row."""
        first = np.full(self.n_users, self.days.size, np.int64)
        np.minimum.at(first, self.row_user, self.row_day)
        return first


def sums_by_user_and_day(
    user: np.ndarray, day: np.ndarray, values: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Finer rows summed: (user, day, sums) with each pair once, in the order of days.

    Args:
        user: (N,) places from 0.
        day: (N,) places from 0.
        values: column -> (N,).

    Example:
        >>> clicks = {"clicks": np.array([1.0, 2.0, 3.0])}
        >>> found = sums_by_user_and_day(np.array([1, 0, 1]), np.array([0, 1, 0]), clicks)
        >>> [part.tolist() for part in found[:2]], found[2]["clicks"].tolist()
        ([[1, 0], [0, 1]], [4.0, 2.0])
    """
    n_users = int(user.max()) + 1 if user.size else 0
    pairs, places = np.unique(day.astype(np.int64) * n_users + user, return_inverse=True)
    sums = {name: np.bincount(places, column, pairs.size) for name, column in values.items()}
    return pairs % max(n_users, 1), pairs // max(n_users, 1), sums
