"""Intervals and paired differences from influences: no resampling, users as the unit, seeds on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learn_rank.metrics.auc import AUC, GroupedMetric
from learn_rank.metrics.base import AdditiveMetric, Metric
from learn_rank.metrics.grouped_auc import PerUserAUC
from learn_rank.uncertainty.base import Delta, Interval, Uncertainty, add_seed_noise, t_range
from learn_rank.uncertainty.influence import Influence, additive_influence, pooled_auc_influence, variance_of
from learn_rank.uncertainty.scored_rows import Scored


@dataclass(frozen=True)
class ClosedForm(Uncertainty[Influence]):
    """Student's t interval from the delete-one-user variance.

    The variance of a mean over S seeds is that of the users, taken from the influences averaged over seeds,
    plus the variance between seeds / S. The second term also holds the interaction of user and seed, which
    the first has already counted, so the sum errs to the wide side by at most that interaction / S. Degrees
    of freedom: users as Kish's effective number - 1, seeds as S - 1, combined by Welch and Satterthwaite.

    Args:
        level: of the intervals.
    """

    def evidence_of(self, metrics: Sequence[Metric], scored: Scored) -> list[Influence]:
        """See `Uncertainty.evidence_of`; the AUC metrics share one pass over the rows."""
        has_auc = any(isinstance(metric, AUC | GroupedMetric) for metric in metrics)
        per_user = scored.per_user(metrics) if has_auc else None
        return [_influence(metric, scored, per_user) for metric in metrics]

    def interval(self, seeds: Sequence[Influence]) -> Interval:
        """See `Uncertainty.interval`."""
        first, values = seeds[0], [seed.value for seed in seeds]
        value = float(np.mean(values))
        variance, df = add_seed_noise(*_from_users(first, mean_change(seeds)), values)
        low, high, error, _ = t_range(value, variance, df, self.level)
        low, high = np.clip([low, high], *first.metric.bounds).tolist()
        return Interval(value, low, high, error, self.level, len(seeds))

    def delta(self, candidate: Sequence[Influence], baseline: Sequence[Influence]) -> Delta:
        """See `Uncertainty.delta`. With as many seeds on both sides they are taken pair by pair."""
        new, old = [seed.value for seed in candidate], [seed.value for seed in baseline]
        delta = float(np.mean(new) - np.mean(old))
        variance, df = _from_users(candidate[0], mean_change(candidate) - mean_change(baseline))
        if len(new) == len(old):
            variance, df = add_seed_noise(variance, df, np.subtract(new, old).tolist())
        else:
            variance, df = add_seed_noise(*add_seed_noise(variance, df, new), old)
        low, high, error, p = t_range(delta, variance, df, self.level)
        if delta == 0 and error == 0:
            low, high, p = 0.0, 0.0, 1.0
        least, most = candidate[0].metric.bounds
        base = float(np.mean(old))
        low, high = np.clip([low, high], min(least - base, delta), max(most - base, delta)).tolist()
        return Delta(delta, low, high, error, self.level, min(len(new), len(old)), p)


def mean_change(seeds: Sequence[Influence]) -> np.ndarray:
    """(U,) influences averaged over seeds.

    Raises:
        ValueError: the seeds were judged on different users.
    """
    if len({seed.change.size for seed in seeds}) != 1:
        raise ValueError(
            f"seeds: expected the same users in each, got {[seed.change.size for seed in seeds]} users. "
            "Remedy: judge all score columns on the same rows"
        )
    return np.mean([seed.change for seed in seeds], axis=0)


def _from_users(like: Influence, change: np.ndarray) -> tuple[float, float]:
    return variance_of(change, like.n_varying), max(like.n_effective - 1, 1.0)


def _influence(metric: Metric, scored: Scored, per_user: PerUserAUC | None) -> Influence:
    if isinstance(metric, AUC) and per_user is not None:
        positive = float(per_user.positive_weight.sum())
        return pooled_auc_influence(metric, per_user, scored.won_by_user(len(per_user), positive))
    if isinstance(metric, GroupedMetric) and per_user is not None:
        return additive_influence(metric, metric.fold(per_user))
    if isinstance(metric, AdditiveMetric):
        return additive_influence(metric, scored.user_sums(metric))
    raise ValueError(f"metrics: {metric} has no closed-form interval")
