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
from typing import Any

import numpy as np

from learn_rank.grouped_auc import PerUserAUC
from learn_rank.metric_base import AdditiveMetric, Metric, MetricResult, UserSums, ratio
from learn_rank.rows import Rows, as_scores
from learn_rank.score_order import score_ordinals
from learn_rank.spread import Evidence


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
    change = np.zeros(per_user.is_scored.size)
    total = per_user.sums.sum(axis=1, keepdims=True)
    scored = per_user.sums if per_user.is_scored.all() else per_user.sums[:, per_user.is_scored]
    change[per_user.is_scored] = result.value - metric.from_sums(total - scored)
    n_scored = int(per_user.is_scored.sum())
    return Influence(metric, result, change, n_scored, effective_number(per_user.weight))


def pooled_auc_influence(metric: Metric, rows: Rows, scores: Any, per_user: PerUserAUC) -> Influence:
    """Influence of each user on the AUC over all rows.

    Args:
        metric: `AUC()`.
        rows: with users.
        scores: (N,).
        per_user: `fold_users` of the same rows and scores.
    """
    codes, n_users = rows.known_users("an interval over users").compact()
    keys = score_ordinals(as_scores(scores, len(rows))).astype(np.uint64) << np.uint64(32)
    keys |= codes.astype(np.uint64) << np.uint64(1)
    keys |= rows.labels
    if rows.weights is None:
        keys.sort()
        weight = np.ones(len(rows))
    else:
        order = np.argsort(keys)
        keys, weight = keys[order], rows.weights[order]
    code = ((keys >> np.uint64(1)) & np.uint64(0x7FFFFFFF)).astype(np.int64)
    positive = weight * (keys & np.uint64(1))
    won = _won_pairs(keys >> np.uint64(32), positive, weight - positive)
    by_user = np.bincount(code, won, minlength=n_users)
    p_u, n_u = per_user.positive_weight, per_user.weight - per_user.positive_weight
    both = np.where(np.isnan(per_user.auc), 0.0, per_user.auc) * p_u * n_u
    n_positive, n_negative = p_u.sum(), n_u.sum()
    all_won = won.sum() / 2  # each pair stands in the row of either side
    value = float(ratio(all_won, n_positive * n_negative))
    without = ratio(all_won - by_user + both, (n_positive - p_u) * (n_negative - n_u))
    effective = min(effective_number(p_u), effective_number(n_u))
    share = 1.0 if len(rows) else math.nan
    counts = MetricResult(str(metric), value, len(rows), int(rows.labels.sum()), n_users, 0, share)
    return Influence(metric, counts, value - without, n_users, effective)


def effective_number(weight: np.ndarray) -> float:
    """(sum w)^2 / sum w^2; 0 without weight. Source: Kish, Survey Sampling (1965)."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def _won_pairs(ties: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """(N,) weighted pairs won that each row takes part in, rows in score order, ties half.

    A positive row wins against the negatives below it; a negative row is beaten by the positives above it.
    """
    if ties.size == 0:
        return np.empty(0)
    start = np.flatnonzero(np.concatenate([[True], ties[1:] != ties[:-1]]))
    end = np.append(start[1:], ties.size)
    length = end - start
    below = np.concatenate([[0.0], np.cumsum(negative)])
    above = np.concatenate([[0.0], np.cumsum(positive)])
    beaten = np.repeat((below[start] + below[end]) / 2, length)
    beating = np.repeat(above[-1] - (above[start] + above[end]) / 2, length)
    return positive * beaten + negative * beating
