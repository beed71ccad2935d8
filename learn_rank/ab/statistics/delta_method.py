"""Differences between two arms with the user as the unit: means by Welch, ratios by the delta method.

A ratio of sums is, to first order, the mean over users of a score (the ratio linearised at its own value), so
both kinds of metric share one path: Welch's comparison of the arms' scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

__all__ = ["Contrast", "PerUser", "compare", "contrast"]


@dataclass(frozen=True, eq=False)
class PerUser:
    """What the users of one arm add to a metric.

    Args:
        numerator: (U,) sums per user.
        denominator: (U,) sums per user, >= 0; None for a plain mean over users.

    Raises:
        ValueError: shapes differ, or a number is not finite.
    """

    numerator: np.ndarray
    denominator: np.ndarray | None = None

    def __post_init__(self) -> None:
        below = self.denominator
        if below is not None and below.shape != self.numerator.shape:
            raise ValueError(
                f"denominator: expected shape {self.numerator.shape} as the numerator, got {below.shape}. "
                "Remedy: give one sum per user in both."
            )
        for name, values in (("numerator", self.numerator), ("denominator", below)):
            if values is not None and not np.isfinite(values).all():
                n_bad = int((~np.isfinite(values)).sum())
                raise ValueError(
                    f"{name}: expected finite sums, got {n_bad} that are not. Remedy: drop them."
                )

    @property
    def n_users(self) -> int:
        """Users of the arm, those with a denominator of 0 included."""
        return int(self.numerator.size)

    @property
    def value(self) -> float:
        """Sum of the numerator over sum of the denominator (or over users); NaN where that is 0."""
        below = self.n_users if self.denominator is None else float(self.denominator.sum())
        return float(self.numerator.sum()) / below if below > 0 else math.nan

    def scores(self) -> np.ndarray:
        """(U,) numbers with mean R, the value, and the delta method's variance: R + (y - R n) / mean(n)."""
        if self.denominator is None:
            return self.numerator.astype(np.float64)
        value = self.value
        if math.isnan(value):
            return np.full(self.n_users, math.nan)
        return value + (self.numerator - value * self.denominator) / self.denominator.mean()

    def of(self, users: np.ndarray) -> PerUser:
        """Some of the users, by (U,) bool or positions."""
        return PerUser(self.numerator[users], None if self.denominator is None else self.denominator[users])

    def with_users_of(self, other: PerUser) -> PerUser:
        """Both arms as one."""
        if self.denominator is None or other.denominator is None:
            return PerUser(np.concatenate([self.numerator, other.numerator]))
        return PerUser(
            np.concatenate([self.numerator, other.numerator]),
            np.concatenate([self.denominator, other.denominator]),
        )


@dataclass(frozen=True)
class Contrast:
    """Treatment against control: difference, relative lift, intervals and p; undefined numbers are NaN.

    Attributes:
        control: value of the control arm.
        treatment: value of the treatment arm.
        std_error: of the difference; NaN where no user varies or an arm has fewer than two users.
        df: degrees of freedom of Student's t (Welch and Satterthwaite).
        log_std_error: of ln(treatment / control); NaN where a value is not above 0.
        log_df: its degrees of freedom.
        level: of the intervals.
    """

    control: float
    treatment: float
    std_error: float
    df: float
    log_std_error: float
    log_df: float
    level: float = 0.95

    @property
    def delta(self) -> float:
        """Treatment - control."""
        return self.treatment - self.control

    @property
    def low(self) -> float:
        """Lower end of the interval of the difference."""
        return self.delta - self._reach(self.std_error, self.df)

    @property
    def high(self) -> float:
        """Upper end of the interval of the difference."""
        return self.delta + self._reach(self.std_error, self.df)

    @property
    def relative(self) -> float:
        """Treatment / control - 1; NaN where the control is not above 0."""
        return self.treatment / self.control - 1 if self.control > 0 else math.nan

    @property
    def relative_low(self) -> float:
        """Lower end of the relative lift, never below -1: the interval is symmetric for the logarithm."""
        return (1 + self.relative) * math.exp(-self._reach(self.log_std_error, self.log_df)) - 1

    @property
    def relative_high(self) -> float:
        """Upper end of the relative lift."""
        return (1 + self.relative) * math.exp(self._reach(self.log_std_error, self.log_df)) - 1

    @property
    def p(self) -> float:
        """Two-sided p of no difference."""
        if math.isnan(self.std_error):
            return math.nan
        return float(2 * special.stdtr(self.df, -abs(self.delta) / self.std_error))

    def _reach(self, std_error: float, df: float) -> float:
        return std_error * float(special.stdtrit(df, (1 + self.level) / 2)) if std_error > 0 else math.nan


def contrast(control: PerUser, treatment: PerUser, level: float = 0.95) -> Contrast:
    """Difference of a metric between two arms of independent users.

    Definition: Welch's comparison of the scores of ``PerUser.scores``, variances with ddof 1. For a ratio
    this is the delta method clustered by user: the HC0 standard error (ddof 0) of weighted least squares of
    y / n on the arm with weights n, times sqrt(U / (U - 1)) within each arm. The relative interval is the
    delta method's for ln(treatment / control).

    Args:
        control: users of the control arm.
        treatment: users of the treatment arm.
        level: of the intervals.

    Returns:
        The contrast; NaN where an arm has fewer than two users, no denominator, or nothing varies.

    Example:
        >>> found = contrast(PerUser(np.array([1.0, 2, 3, 4])), PerUser(np.array([3.0, 4, 5, 6])))
        >>> found.delta, round(found.low, 3), round(found.high, 3), round(found.p, 4)
        (2.0, -0.234, 4.234, 0.071)

    Source: Welch (1947); Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics" (KDD 2018).
    """
    return compare(control.scores(), treatment.scores(), level)


def compare(control_scores: np.ndarray, treatment_scores: np.ndarray, level: float = 0.95) -> Contrast:
    """Welch's comparison of two arms' scores; `contrast` says what they are.

    Args:
        control_scores: (U,) one score per user, NaN throughout where the metric is undefined.
        treatment_scores: (V,).
        level: of the intervals.
    """
    control, treatment = (
        float(scores.mean()) if scores.size else math.nan for scores in (control_scores, treatment_scores)
    )
    if min(control_scores.size, treatment_scores.size) < 2 or math.isnan(control + treatment):
        return Contrast(control, treatment, math.nan, math.nan, math.nan, math.nan, level)
    std_error, df = _welch(control_scores, treatment_scores)
    log_std_error = log_df = math.nan
    if min(control, treatment) > 0:
        log_std_error, log_df = _welch(control_scores / control, treatment_scores / treatment)
    return Contrast(control, treatment, std_error, df, log_std_error, log_df, level)


def _welch(control: np.ndarray, treatment: np.ndarray) -> tuple[float, float]:
    if np.ptp(control) == 0 and np.ptp(treatment) == 0:
        return math.nan, math.nan
    both = CompareMeans(DescrStatsW(treatment), DescrStatsW(control))
    return float(both.std_meandiff_separatevar), float(both.dof_satt())
