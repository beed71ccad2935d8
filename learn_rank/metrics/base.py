"""What a metric is: a printable, hashable value that turns rows into a result with its counts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from learn_rank.metrics.labelled_rows import LabelledRows


@dataclass(frozen=True)
class MetricResult:
    """One number and what stands behind it.

    Attributes:
        metric: the metric, printed.
        value: NaN where the metric is undefined (no rows, no user with both classes, ..); never a silent 0.
        n_rows: rows judged.
        n_positives: rows with label 1.
        n_users: users in the rows, the skipped ones included; None where no users were passed.
        n_skipped_users: users that the metric cannot score (one class only, or fewer than `min_rows` rows).
        covered_rows: share of the rows that belong to scored users, 0..1; NaN without rows.
    """

    metric: str
    value: float
    n_rows: int
    n_positives: int
    n_users: int | None
    n_skipped_users: int | None
    covered_rows: float

    @property
    def is_defined(self) -> bool:
        """Whether there is a value at all."""
        return not math.isnan(self.value)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN becomes None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class UserSums:
    """Statistics of each user whose totals give a metric. Users are in id order.

    Attributes:
        sums: (K, U) float64; 0 for users that are not scored.
        weight: (U,) float64, how much a user counts in the metric; 0 where not scored.
        is_scored: (U,) bool.
        n_rows: (U,) int64.
        n_positives: (U,) int64.
    """

    sums: np.ndarray
    weight: np.ndarray
    is_scored: np.ndarray
    n_rows: np.ndarray
    n_positives: np.ndarray


@dataclass(frozen=True)
class Metric(ABC):
    """A metric with its settings. Two metrics with equal settings are equal and hash alike."""

    def __call__(
        self,
        labels: Any,
        scores: Any,
        users: Any = None,
        weights: Any = None,
        columns: Mapping[str, Any] | None = None,
    ) -> MetricResult:
        """Compute the metric.

        Args:
            labels: (N,) 0/1.
            scores: (N,) finite, any real dtype.
            users: (N,) integer or string ids; required by the metrics that are means over users.
            weights: (N,) row weights >= 0; a row of weight 2 counts like the same row twice.
            columns: further (N,) columns that a setting of the metric may name.

        Raises:
            ValueError: naming the argument, what was expected, what came, and the remedy.
        """
        return self.compute(LabelledRows.of(labels, users, weights, columns), scores)

    @abstractmethod
    def compute(self, rows: LabelledRows, scores: Any) -> MetricResult:
        """The metric on rows that were checked before; scores (N,)."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The range that values cannot leave; intervals are cut there."""
        return 0.0, math.inf

    def __str__(self) -> str:
        changed = [
            f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default
        ]
        return type(self).__name__ + (f"({', '.join(changed)})" if changed else "")


class AdditiveMetric(Metric):
    """A metric that is a function of totals over users, which makes intervals and resampling cheap."""

    @abstractmethod
    def user_sums(self, rows: LabelledRows, scores: Any) -> UserSums:
        """The statistics per user; scores (N,)."""

    @abstractmethod
    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """(K, ..) totals -> (..) values, NaN where undefined."""

    def result(self, per_user: UserSums, has_users: bool = True) -> MetricResult:
        """Add the users up."""
        n_rows = int(per_user.n_rows.sum())
        n_covered = int(per_user.n_rows[per_user.is_scored].sum())
        return MetricResult(
            metric=str(self),
            value=float(self.from_sums(per_user.sums.sum(axis=1))),
            n_rows=n_rows,
            n_positives=int(per_user.n_positives.sum()),
            n_users=per_user.is_scored.size if has_users else None,
            n_skipped_users=int((~per_user.is_scored).sum()) if has_users else None,
            covered_rows=n_covered / n_rows if n_rows else math.nan,
        )

    def compute(self, rows: LabelledRows, scores: Any) -> MetricResult:
        """Totals over users, then the function of them."""
        return self.result(self.user_sums(rows, scores), rows.users is not None)


def ratio(numerator: Any, denominator: Any) -> np.ndarray:
    """numerator / denominator, NaN where the denominator is not above 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
