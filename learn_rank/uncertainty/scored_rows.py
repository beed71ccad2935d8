"""What an interval asks of scored rows, wherever they lie: statistics per user, and rows in score order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from learn_rank.metrics.auc import GroupedMetric
from learn_rank.metrics.base import AdditiveMetric, Metric, UserSums
from learn_rank.metrics.grouped_auc import PerUserAUC, fold_users
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.metrics.pooled_auc import ScoreRun, won_by_user


class Scored(ABC):
    """Rows with users and one score column. Users are in id order in everything that it gives."""

    @abstractmethod
    def per_user(self, metrics: Sequence[Metric]) -> PerUserAUC:
        """The per-user AUCs, with the columns that the grouped ones among `metrics` need."""

    @abstractmethod
    def user_sums(self, metric: AdditiveMetric) -> UserSums:
        """The metric's statistics of each user."""

    @abstractmethod
    def in_score_order(self) -> Iterator[ScoreRun]:
        """All rows, in ascending ranges of scores."""

    def won_by_user(self, n_users: int, all_positive: float) -> np.ndarray:
        """(U,) `learn_rank.metrics.pooled_auc.won_by_user` of all rows."""
        return won_by_user(self.in_score_order(), n_users, all_positive)


@dataclass(frozen=True, eq=False)
class ScoredRows(Scored):
    """Rows in memory.

    Attributes:
        rows: with users.
        scores: (N,).
    """

    rows: LabelledRows
    scores: Any

    def __post_init__(self) -> None:
        self.rows.known_users("an interval over users")

    def per_user(self, metrics: Sequence[Metric]) -> PerUserAUC:
        """See `Scored.per_user`."""
        needed = columns_needed(metrics, self.rows.columns)
        return fold_users(replace(self.rows, columns=needed), self.scores)

    def user_sums(self, metric: AdditiveMetric) -> UserSums:
        """See `Scored.user_sums`."""
        return metric.user_sums(self.rows, self.scores)

    def in_score_order(self) -> Iterator[ScoreRun]:
        """All rows in one run."""
        codes = self.rows.known_users("an interval over users").compact()[0]
        scores = as_scores(self.scores, len(self.rows))
        yield ScoreRun(codes, self.rows.labels, self.rows.weights, scores)


def columns_needed(metrics: Sequence[Metric], columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The part of `columns` that the settings of grouped metrics name."""
    needed: dict[str, np.ndarray] = {}
    for metric in metrics:
        if isinstance(metric, GroupedMetric):
            needed |= metric.columns_used(columns)
    return needed
