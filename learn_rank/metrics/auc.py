"""The metrics of the judgement: AUC, UAUC, WUAUC, and calibration beside them. numpy and pandas only.


    >>> result = UAUC()([1, 0, 1, 0, 1], [0.9, 0.1, 0.3, 0.4, 0.7], users=["a", "a", "b", "b", "c"])
    >>> result.value, result.n_users, result.n_skipped_users
    (0.5, 3, 1)

docs/metrics.md holds the definitions, what happens to ties and one-class users, and what buckets mean.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from learn_rank.metrics.base import AdditiveMetric, Metric, MetricResult, UserSums, ratio
from learn_rank.metrics.calibration import ECE, PCOC, LogLoss, NormalizedEntropy
from learn_rank.metrics.grouped_auc import PerUserAUC, fold_users, merge, per_user_auc
from learn_rank.metrics.labelled_rows import LabelledRows

__all__ = [
    "AUC",
    "ECE",
    "PCOC",
    "UAUC",
    "WUAUC",
    "GroupedMetric",
    "LogLoss",
    "Metric",
    "MetricResult",
    "NormalizedEntropy",
    "PerUserAUC",
    "merge",
    "per_user_auc",
]


@dataclass(frozen=True)
class AUC(Metric):
    """Probability that a positive row scores above a negative one, ties half, over all rows pooled.

    Source: Mann and Whitney (1947); Hanley and McNeil (1982). Undefined (NaN) without rows of both classes.

    Example:
        >>> AUC()([1, 0, 0], [0.4, 0.4, 0.1]).value
        0.75
    """

    @property
    def bounds(self) -> tuple[float, float]:
        """An AUC lies in 0..1."""
        return 0.0, 1.0

    def compute(self, rows: LabelledRows, scores: Any) -> MetricResult:
        """All rows as if they were one user's."""
        pooled = fold_users(replace(rows, users=None, columns={}), scores)
        n_rows = int(pooled.n_rows.sum())
        return MetricResult(
            metric=str(self),
            value=float(pooled.auc[0]) if n_rows else math.nan,
            n_rows=n_rows,
            n_positives=int(pooled.n_positives.sum()),
            n_users=None if rows.users is None else rows.users.compact()[1],
            n_skipped_users=None if rows.users is None else 0,
            covered_rows=1.0 if n_rows else math.nan,
        )


class GroupedMetric(AdditiveMetric):
    """A weighted mean of per-user AUC. Several of them over the same rows share one `per_user_auc`."""

    @property
    def bounds(self) -> tuple[float, float]:
        """A mean of AUCs lies in 0..1."""
        return 0.0, 1.0

    @abstractmethod
    def fold(self, per_user: PerUserAUC) -> UserSums:
        """Per-user AUC -> what each scored user adds to the mean."""

    @abstractmethod
    def columns_used(self, columns: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """The part of `columns` that the metric needs."""

    def user_sums(self, rows: LabelledRows, scores: Any) -> UserSums:
        """See `AdditiveMetric.user_sums`."""
        rows.known_users(str(self))
        return self.fold(fold_users(replace(rows, columns=self.columns_used(rows.columns)), scores))

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """Weighted AUC over weight."""
        return ratio(sums[0], sums[1])


@dataclass(frozen=True)
class UAUC(GroupedMetric):
    """Unweighted mean of the AUC of each user that has rows of both classes.

    Args:
        min_rows: users with fewer rows are skipped and counted. The default, 2, skips nobody more than the
            definition does, since both classes need two rows.

    Source: LEARN (arXiv 2405.03988), online metric; also called GAUC (unweighted).

    Example:
        >>> UAUC()([1, 0, 1, 0], [2, 1, 1, 2], users=[7, 7, 8, 8]).value
        0.5
    """

    min_rows: int = 2

    def __post_init__(self) -> None:
        _check_min_rows(self.min_rows)

    def columns_used(self, columns: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """None."""
        return {}

    def fold(self, per_user: PerUserAUC) -> UserSums:
        """Every scored user counts 1."""
        return _fold(per_user, np.ones(len(per_user)), self.min_rows)


@dataclass(frozen=True)
class WUAUC(GroupedMetric):
    """Mean of the AUC of each user that has rows of both classes, weighted by a declared quantity.

    Args:
        weight: "impressions" (the user's rows; the paper's weighting), "positives" (those with label 1),
            "clicks", or any other name: then the user's sum of the column of that name in `columns`.
            "clicks" is read from a column "clicks" or "click". Row weights multiply all of them.
        min_rows: as in `UAUC`.

    Source: LEARN (arXiv 2405.03988), online metric; GAUC of Zhu et al., "Optimized Cost per Click" (2017).

    Example:
        >>> WUAUC()([1, 0, 1, 0, 0], [2, 1, 1, 2, 3], users=[7, 7, 8, 8, 8]).value
        0.4
    """

    weight: str = "impressions"
    min_rows: int = 2

    def __post_init__(self) -> None:
        _check_min_rows(self.min_rows)
        if not isinstance(self.weight, str) or not self.weight:
            raise ValueError(
                f"weight: expected 'impressions', 'positives', or a column's name, got {self.weight!r}"
            )

    def columns_used(self, columns: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """The column that `weight` names, under that name."""
        if self.weight in ("impressions", "positives"):
            return {}
        for name in (self.weight, "click") if self.weight == "clicks" else (self.weight,):
            if name in columns:
                return {self.weight: columns[name]}
        raise ValueError(
            f"columns: {self} needs the column {self.weight!r}, got {sorted(columns) or 'none'}. "
            f"Remedy: pass columns={{{self.weight!r}: ..}}, or weight='impressions' or 'positives'"
        )

    def fold(self, per_user: PerUserAUC) -> UserSums:
        """A scored user counts as much as the quantity says."""
        if self.weight == "impressions":
            weight = per_user.weight
        elif self.weight == "positives":
            weight = per_user.positive_weight
        else:
            weight = per_user.columns[self.weight]
        return _fold(per_user, weight, self.min_rows)


def _fold(per_user: PerUserAUC, weight: np.ndarray, min_rows: int) -> UserSums:
    is_scored = ~np.isnan(per_user.auc) & (per_user.n_rows >= min_rows) & (weight > 0)
    weight = np.where(is_scored, weight, 0.0)
    sums = np.stack([weight * np.where(is_scored, per_user.auc, 0.0), weight])
    return UserSums(sums, weight, is_scored, per_user.n_rows, per_user.n_positives)


def _check_min_rows(min_rows: int) -> None:
    if not isinstance(min_rows, int) or min_rows < 1:
        raise ValueError(f"min_rows: expected an integer of at least 1, got {min_rows!r}")
