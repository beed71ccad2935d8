"""An interval, a difference, and what a way of finding them must offer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from learn_rank.metrics.base import Metric, MetricResult
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.scored_rows import Scored, ScoredRows
from learn_rank.uncertainty.student_t import t_quantile, t_upper_tail

_ZERO = 1e-13  # a standard error below this is rounding


@dataclass(frozen=True)
class Interval:
    """A value and the range that holds the truth with probability `level` over new users (and new seeds).

    Attributes:
        value: mean over the seeds.
        low, high: NaN where no interval can be had: fewer than two users to vary, or no variation at all.
        std_error: of the value.
        level: .95 and the like.
        n_seeds: how many seeds the value is a mean of; with 1 the interval knows nothing of seed noise.
    """

    value: float
    low: float
    high: float
    std_error: float
    level: float
    n_seeds: int


@dataclass(frozen=True)
class Delta:
    """A paired difference b - a on the same rows, with interval and two-sided p value against 0.

    Attributes:
        delta, low, high, std_error, level, n_seeds: as in `Interval`.
        p: NaN where there is no interval. Two identical score columns have delta 0, low 0, high 0, p 1.
    """

    delta: float
    low: float
    high: float
    std_error: float
    level: float
    n_seeds: int
    p: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one score column says about one metric."""

    metric: Metric
    counts: MetricResult

    @property
    def value(self) -> float:
        """The metric's value on the rows as they are."""
        return self.counts.value


E = TypeVar("E", bound=Evidence)


@dataclass(frozen=True)
class Uncertainty(ABC, Generic[E]):
    """A way of saying how sure a number is, with users as the unit that varies."""

    level: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {self.level!r}. Remedy: use .95")

    def evidence(self, metrics: Sequence[Metric], rows: LabelledRows, scores: Any) -> list[E]:
        """Evidence for each metric from one score column; rows with users, scores (N,)."""
        return self.evidence_of(metrics, ScoredRows(rows, scores))

    @abstractmethod
    def evidence_of(self, metrics: Sequence[Metric], scored: Scored) -> list[E]:
        """`evidence` for rows wherever they lie."""

    @abstractmethod
    def interval(self, seeds: Sequence[E]) -> Interval:
        """Interval of the mean over seeds, all on the same rows."""

    @abstractmethod
    def delta(self, candidate: Sequence[E], baseline: Sequence[E]) -> Delta:
        """Interval and p of mean(candidate) - mean(baseline), all on the same rows."""


def t_range(value: float, variance: float, df: float, level: float) -> tuple[float, float, float, float]:
    """(low, high, std_error, p) of a value by Student's t; low, high and p are NaN where nothing varies."""
    std_error = math.sqrt(variance) if variance >= 0 else math.nan
    if not (std_error > _ZERO and df > 0):  # also refuses NaN
        return math.nan, math.nan, std_error, math.nan
    reach = t_quantile(level, df) * std_error
    return value - reach, value + reach, std_error, 2 * t_upper_tail(abs(value) / std_error, df)


def add_seed_noise(variance: float, df: float, values: Sequence[float]) -> tuple[float, float]:
    """Add the variance of a mean over seeds; degrees of freedom by Welch and Satterthwaite.

    Args:
        variance: of the mean over seeds, from the users alone.
        df: its degrees of freedom.
        values: the metric (or the difference) of each seed; with one seed nothing is added.
    """
    if len(values) < 2:
        return variance, df
    seed_variance = float(np.var(values, ddof=1)) / len(values)
    total = variance + seed_variance
    if not total > 0:
        return total, df
    return total, total**2 / (variance**2 / df + seed_variance**2 / (len(values) - 1))
