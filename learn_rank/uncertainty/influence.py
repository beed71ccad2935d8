"""How far each user moves a metric: its value with everybody minus its value without the user, closed form.

For a metric that is a function of totals over users, f(sum_u s_u), leaving user u out gives f(sum - s_u).
The pooled AUC compares rows across users, so what leaves with user u is every pair that u takes part in::

    AUC = W / (P N),     AUC without u = (W - T_u + W_uu) / ((P - p_u) (N - n_u))

W: won pairs (ties half); T_u: won pairs with a row of u on either side, which are rank sums of the user's
rows; W_uu: those with both sides u's; p_u and n_u: the user's positives and negatives. To first order the
difference d_u is the user's influence / U. The variance of the value, users drawn afresh, is
(U - 1)/U sum_u d_u^2: the delete-one-cluster jackknife; with one row per user it is DeLong's variance up to a
factor 1 + O(1/U).

Source: Efron and Stein (1981); DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997) for clustered AUC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from learn_rank.metrics.base import AdditiveMetric, Metric, MetricResult, UserSums, ratio
from learn_rank.metrics.grouped_auc import PerUserAUC
from learn_rank.uncertainty.base import Evidence

_BLOCK = 1 << 16  # users handled at a time: statistics of K numbers are not copied for all users at once


@dataclass(frozen=True, eq=False)
class Influence(Evidence):
    """The closed-form evidence for one metric and one score column.

    Attributes:
        metric, counts: the metric and its result.
        change: (U,) value - value without the user, users in id order; 0 for users that are not scored, NaN
            where the metric is undefined without that user.
        n_varying: users that bear on the value.
        n_effective: users of equal weight that would vary as much (Kish), for the degrees of freedom.
    """

    change: np.ndarray
    n_varying: int
    n_effective: float

    @property
    def variance(self) -> float:
        """Variance of the value over new draws of the users."""
        return variance_of(self.change, self.n_varying)


def variance_of(change: np.ndarray, n_varying: int) -> float:
    """(U - 1)/U sum d_u^2; NaN with fewer than two varying users."""
    return (n_varying - 1) / n_varying * float(change @ change) if n_varying > 1 else math.nan


def additive_influence(metric: AdditiveMetric, per_user: UserSums) -> Influence:
    """Influence of each user on a function of totals."""
    result = metric.result(per_user)
    total = per_user.sums.sum(axis=1, keepdims=True)
    change = np.zeros(per_user.is_scored.size)
    for start in range(0, change.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        is_scored, sums = per_user.is_scored[block], per_user.sums[:, block]
        scored = sums if is_scored.all() else sums[:, is_scored]
        change[block][is_scored] = result.value - metric.from_sums(total - scored)
    n_scored = int(per_user.is_scored.sum())
    return Influence(metric, result, change, n_scored, effective_number(per_user.weight))


def pooled_auc_influence(metric: Metric, per_user: PerUserAUC, won: np.ndarray) -> Influence:
    """Influence of each user on the AUC over all rows.

    Args:
        metric: `AUC()`.
        per_user: `fold_users` of the rows.
        won: (U,) `won_by_user` of the same rows.
    """
    counts = pooled_auc_result(metric, per_user, won)
    p_u, n_u = per_user.positive_weight, per_user.weight - per_user.positive_weight
    both = np.where(np.isnan(per_user.auc), 0.0, per_user.auc) * p_u * n_u
    without = ratio(won.sum() / 2 - won + both, (p_u.sum() - p_u) * (n_u.sum() - n_u))
    effective = min(effective_number(p_u), effective_number(n_u))
    return Influence(metric, counts, counts.value - without, len(per_user), effective)


def pooled_auc_result(metric: Metric, per_user: PerUserAUC, won: np.ndarray) -> MetricResult:
    """The AUC over all rows with its counts; arguments as in `pooled_auc_influence`."""
    positive = per_user.positive_weight
    n_rows = int(per_user.n_rows.sum())
    return MetricResult(
        metric=str(metric),
        value=float(ratio(won.sum() / 2, positive.sum() * (per_user.weight - positive).sum())),
        n_rows=n_rows,
        n_positives=int(per_user.n_positives.sum()),
        n_users=len(per_user),
        n_skipped_users=0,
        covered_rows=1.0 if n_rows else math.nan,
    )


def effective_number(weight: np.ndarray) -> float:
    """(sum w)^2 / sum w^2; 0 without weight. Source: Kish, Survey Sampling (1965)."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
