"""Bootstrap with users as the unit: what a metric would have been with other users of the same kind.

Per-user statistics are computed once; a resample only counts how often each user was drawn, so resamples of a
metric that is a function of totals over users are one matrix product.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learn_rank.metrics.auc import AUC, GroupedMetric
from learn_rank.metrics.base import AdditiveMetric, Metric, UserSums, ratio
from learn_rank.metrics.grouped_auc import PerUserAUC
from learn_rank.metrics.pooled_auc import won_by_user
from learn_rank.metrics.score_ordinals import score_ordinals
from learn_rank.uncertainty.base import Delta, Evidence, Interval, Uncertainty
from learn_rank.uncertainty.influence import pooled_auc_result
from learn_rank.uncertainty.scored_rows import Scored

_CELLS = 4_000_000  # numbers held at a time


@dataclass(frozen=True, eq=False)
class Resamples(Evidence):
    """Values of a metric over resamples of the users, (n_resamples,); NaN where a resample is undefined."""

    values: np.ndarray


def _untracked(steps: Iterable[Any], what: str, n_steps: int) -> Iterable[Any]:
    return steps


@dataclass(frozen=True)
class Bootstrap(Uncertainty[Resamples]):
    """Percentile interval over resamples of the users: as many draws as users, with replacement.

    Two score columns with the same `seed` see the same draws, so differences are paired. With few users
    (below about 50) percentile intervals are too narrow; `ClosedForm` is better there. It answers for one
    training seed; for several use `ClosedForm`. A resample of the pooled AUC costs a pass over all rows.

    Args:
        level: of the intervals.
        n_resamples: how many.
        seed: of the draws.
        max_groups: above this many users, users are shuffled into this many groups of equal size, and
            groups are drawn. The variance stays right (users are independent, so sums over random groups vary
            as their users do) and is known to sqrt(2 / max_groups), 1 % at the default, which is less than
            the noise of 1,000 resamples.
        track: (steps, what is done, number of steps) -> the steps, for a progress bar.
    """

    n_resamples: int = 1000
    seed: int = 0
    max_groups: int = 20_000
    track: Callable[[Iterable[Any], str, int], Iterable[Any]] = field(
        default=_untracked, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_resamples", "max_groups"):
            if getattr(self, name) < 2:
                raise ValueError(
                    f"{name}: expected at least 2, got {getattr(self, name)!r}. Remedy: take a few hundred"
                )

    def evidence_of(self, metrics: Sequence[Metric], scored: Scored) -> list[Resamples]:
        """See `Uncertainty.evidence_of`; the AUC metrics share one pass over the rows."""
        has_auc = any(isinstance(metric, AUC | GroupedMetric) for metric in metrics)
        per_user = scored.per_user(metrics) if has_auc else None
        found = []
        for metric in metrics:
            if isinstance(metric, AUC) and per_user is not None:
                found.append(self._pooled(metric, scored, per_user))
            elif isinstance(metric, GroupedMetric) and per_user is not None:
                found.append(self._additive(metric, metric.fold(per_user)))
            elif isinstance(metric, AdditiveMetric):
                found.append(self._additive(metric, scored.user_sums(metric)))
            else:
                raise ValueError(f"metrics: {metric} cannot be resampled by user")
        return found

    def interval(self, seeds: Sequence[Resamples]) -> Interval:
        """See `Uncertainty.interval`."""
        only = _only(seeds)
        low, high, error = self._percentiles(only.values)
        return Interval(only.value, low, high, error, self.level, 1)

    def delta(self, candidate: Sequence[Resamples], baseline: Sequence[Resamples]) -> Delta:
        """See `Uncertainty.delta`; p is twice the smaller share of resamples on either side of 0."""
        new, old = _only(candidate), _only(baseline)
        delta, values = new.value - old.value, new.values - old.values
        low, high, error = self._percentiles(values)
        if delta == 0 and not values.any():
            return Delta(0.0, 0.0, 0.0, 0.0, self.level, 1, 1.0)
        side = min((values <= 0).sum(), (values >= 0).sum())
        p = min(2 * (side + 1) / (self.n_resamples + 1), 1.0) if math.isfinite(low) else math.nan
        return Delta(delta, low, high, error, self.level, 1, float(p))

    def _percentiles(self, values: np.ndarray) -> tuple[float, float, float]:
        """(low, high, std_error); NaN where nothing varies or more than 1 resample in 20 is undefined."""
        defined = values[~np.isnan(values)]
        if defined.size < 0.95 * values.size or np.ptp(defined) < 1e-13:
            return math.nan, math.nan, math.nan
        low, high = np.quantile(defined, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high), float(defined.std(ddof=1))

    def _additive(self, metric: AdditiveMetric, per_user: UserSums) -> Resamples:
        sums = per_user.sums[:, per_user.is_scored]
        rng = np.random.default_rng(self.seed)
        if sums.shape[1] > self.max_groups:
            shuffled = sums[:, rng.permutation(sums.shape[1])]
            first = np.linspace(0, sums.shape[1], self.max_groups, endpoint=False).astype(np.int64)
            sums = np.add.reduceat(shuffled, first, axis=1)
        drawn = [metric.from_sums(sums @ counts.T) for counts in self._draws(rng, sums.shape[1])]
        values = np.concatenate(drawn) if drawn else np.full(self.n_resamples, np.nan)
        return Resamples(metric, metric.result(per_user), values)

    def _pooled(self, metric: AUC, scored: Scored, per_user: PerUserAUC) -> Resamples:
        """AUC by counting, for each positive row, the drawn weight of the negatives below it."""
        n_groups = len(per_user)
        rng = np.random.default_rng(self.seed)
        group_of_user = np.arange(n_groups)
        if n_groups > self.max_groups:
            group_of_user, n_groups = rng.permutation(n_groups) % self.max_groups, self.max_groups
        positive, negative, won = np.zeros((3, self.n_resamples))
        for run in scored.in_score_order():
            ordinals = score_ordinals(run.scores)
            order = np.argsort(ordinals)
            negatives, positives = order[run.labels[order] == 0], order[run.labels[order] == 1]
            low = np.searchsorted(ordinals[negatives], ordinals[positives], side="left")
            high = np.searchsorted(ordinals[negatives], ordinals[positives], side="right")
            group = group_of_user[run.codes]
            weight = np.ones(group.size) if run.weights is None else run.weights
            start = 0
            for counts in self._draws(copy.deepcopy(rng), n_groups, n_cells=group.size):
                drawn = slice(start, start + len(counts))
                start = drawn.stop
                above = counts[:, group[positives]] * weight[positives]
                below = np.zeros((len(counts), negatives.size + 1))
                np.cumsum(counts[:, group[negatives]] * weight[negatives], axis=1, out=below[:, 1:])
                below += negative[drawn, None]
                won[drawn] += (above * (below[:, low] + below[:, high])).sum(axis=1) / 2
                positive[drawn] += above.sum(axis=1)
                negative[drawn] = below[:, -1]
        all_won = won_by_user(scored.in_score_order(), len(per_user), float(per_user.positive_weight.sum()))
        counts_of = pooled_auc_result(metric, per_user, all_won)
        return Resamples(metric, counts_of, ratio(won, positive * negative))

    def _draws(self, rng: np.random.Generator, n_units: int, n_cells: int = 0) -> Iterator[np.ndarray]:
        """(chunk, n_units) float64: how often each unit was drawn, `n_resamples` rows in all."""
        if n_units == 0:
            return
        chunk = max(1, _CELLS // max(n_units, n_cells))
        starts = range(0, self.n_resamples, chunk)
        for start in self.track(starts, "resampling users", len(starts)):
            size = min(chunk, self.n_resamples - start)
            drawn = rng.integers(0, n_units, size=(size, n_units), dtype=np.int64)
            drawn += n_units * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * n_units)
            yield counts.reshape(size, n_units).astype(np.float64)


def _only(seeds: Sequence[Resamples]) -> Resamples:
    if len(seeds) != 1:
        raise ValueError(
            f"seeds: the bootstrap answers for one seed of a model, got {len(seeds)}. "
            "Remedy: use ClosedForm, which adds the noise of seeds to that of users"
        )
    return seeds[0]
