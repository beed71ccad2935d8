"""Bootstrap with users as the unit: what a metric would have been with other users of the same kind.

Per-user statistics are computed once; a resample only counts how often each user was drawn, so resamples of a
metric that is a function of totals over users are one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learn_rank.metric_base import AdditiveMetric, Metric, UserSums, ratio
from learn_rank.metrics import AUC
from learn_rank.rows import Rows, as_scores
from learn_rank.score_order import score_ordinals
from learn_rank.spread import Delta, Evidence, Interval, Uncertainty

_CELLS = 4_000_000  # numbers held at a time


@dataclass(frozen=True, eq=False)
class Resamples(Evidence):
    """Values of a metric over resamples of the users, (n_resamples,); NaN where a resample is undefined."""

    values: np.ndarray


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
        max_groups: above this many users, users are dealt at random into this many groups of equal size, and
            groups are drawn. The variance stays right (users are independent, so sums over random groups vary
            as their users do) and is known to sqrt(2 / max_groups), 1 % at the default, which is less than
            the noise of 1,000 resamples.
    """

    n_resamples: int = 1000
    seed: int = 0
    max_groups: int = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_resamples", "max_groups"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: expected at least 2, got {getattr(self, name)!r}")

    def evidence(self, metrics: Sequence[Metric], rows: Rows, scores: Any) -> list[Resamples]:
        """See `Uncertainty.evidence`."""
        rows.known_users("an interval over users")
        found = []
        for metric in metrics:
            if isinstance(metric, AdditiveMetric):
                sums = metric.user_sums(rows, scores)
                found.append(Resamples(metric, metric.result(sums), self._additive(metric, sums)))
            elif isinstance(metric, AUC):
                found.append(Resamples(metric, metric.compute(rows, scores), self._pooled(rows, scores)))
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

    def _additive(self, metric: AdditiveMetric, per_user: UserSums) -> np.ndarray:
        sums = per_user.sums[:, per_user.is_scored]
        rng = np.random.default_rng(self.seed)
        if sums.shape[1] > self.max_groups:
            shuffled = sums[:, rng.permutation(sums.shape[1])]
            first = np.linspace(0, sums.shape[1], self.max_groups, endpoint=False).astype(np.int64)
            sums = np.add.reduceat(shuffled, first, axis=1)
        values = [metric.from_sums(sums @ counts.T) for counts in self._draws(rng, sums.shape[1])]
        return np.concatenate(values) if values else np.full(self.n_resamples, np.nan)

    def _pooled(self, rows: Rows, scores: Any) -> np.ndarray:
        """AUC by counting, for each positive row, the drawn weight of the negatives below it."""
        label = rows.labels
        code, n_groups = rows.known_users("an interval over users").compact()
        rng = np.random.default_rng(self.seed)
        if n_groups > self.max_groups:
            group_of_user = rng.permutation(n_groups) % self.max_groups
            code, n_groups = group_of_user[code], self.max_groups
        weight = np.ones(label.size) if rows.weights is None else rows.weights
        ordinals = score_ordinals(as_scores(scores, label.size))
        order = np.argsort(ordinals)
        negatives, positives = order[label[order] == 0], order[label[order] == 1]
        low = np.searchsorted(ordinals[negatives], ordinals[positives], side="left")
        high = np.searchsorted(ordinals[negatives], ordinals[positives], side="right")
        values = []
        for counts in self._draws(rng, n_groups, n_cells=label.size):
            negative = counts[:, code[negatives]] * weight[negatives]
            positive = counts[:, code[positives]] * weight[positives]
            below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(negative, axis=1)], axis=1)
            won = (positive * (below[:, low] + below[:, high])).sum(axis=1) / 2
            values.append(ratio(won, positive.sum(axis=1) * below[:, -1]))
        return np.concatenate(values) if values else np.full(self.n_resamples, np.nan)

    def _draws(self, rng: np.random.Generator, n_units: int, n_cells: int = 0) -> Iterator[np.ndarray]:
        """(chunk, n_units) float64: how often each unit was drawn, `n_resamples` rows in all."""
        if n_units == 0:
            return
        chunk = max(1, _CELLS // max(n_units, n_cells))
        for start in range(0, self.n_resamples, chunk):
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
