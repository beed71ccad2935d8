"""How sure a metric is: intervals and paired differences with users as the unit that varies.

Rows of one user resemble each other, so intervals that treat rows as independent are too narrow. Here users
are what is drawn anew, and seeds of a model's training come on top where there are several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learn_rank.metrics.auc import UAUC, Metric
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.base import Delta, Evidence, Interval, Uncertainty
from learn_rank.uncertainty.bootstrap import Bootstrap, Resamples
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.influence import Influence

__all__ = [
    "Bootstrap",
    "ClosedForm",
    "Delta",
    "Evidence",
    "Influence",
    "Interval",
    "Resamples",
    "Uncertainty",
    "holm",
    "interval",
    "paired_delta",
]


def interval(
    labels: Any,
    users: Any,
    scores: Any,
    *,
    metric: Metric | None = None,
    weights: Any = None,
    columns: Mapping[str, Any] | None = None,
    uncertainty: Uncertainty | None = None,
) -> Interval:
    """The metric's value and its interval over users (and over seeds, where several are given).

    Args:
        labels: (N,) 0/1.
        users: (N,) integer or string ids.
        scores: (N,), or a list of (N,), one per training seed of the same model.
        metric: default `UAUC()`.
        weights: (N,) row weights >= 0.
        columns: columns that the metric's settings name.
        uncertainty: default `ClosedForm(level=.95)`.

    Raises:
        ValueError: bad rows (`learn_rank.metrics.labelled_rows`), or a metric that the chosen way cannot
            handle.

    Example:
        >>> found = interval([1, 0, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3], [.9, .1, .8, .3, .2, .2])
        >>> round(found.value, 4), round(found.std_error, 4)
        (0.8333, 0.1667)
    """
    chosen = UAUC() if metric is None else metric
    method: Uncertainty = ClosedForm() if uncertainty is None else uncertainty
    return method.interval(
        _evidence(method, chosen, LabelledRows.of(labels, users, weights, columns), scores)
    )


def paired_delta(
    labels: Any,
    users: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    metric: Metric | None = None,
    weights: Any = None,
    columns: Mapping[str, Any] | None = None,
    uncertainty: Uncertainty | None = None,
) -> Delta:
    """metric(b) - metric(a) on the same rows: means over seeds, paired by user, with interval and p.

    Args:
        labels: (N,) 0/1.
        users: (N,) integer or string ids.
        scores_a: (N,), or a list of (N,), one per training seed: the baseline.
        scores_b: the same for the candidate. With as many seeds on both sides they are taken pair by pair.
        metric: default `UAUC()`.
        weights: (N,) row weights >= 0.
        columns: columns that the metric's settings name.
        uncertainty: default `ClosedForm(level=.95)`, whose docstring says how users and seeds are combined.

    Raises:
        ValueError: bad rows, or a metric that the chosen way cannot handle.

    Example:
        >>> labels, users = [1, 0, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3]
        >>> found = paired_delta(labels, users, [.1, .9, .8, .3, .2, .2], [.9, .1, .8, .3, .7, .2])
        >>> found.delta, round(found.p, 4)
        (0.5, 0.2254)
    """
    chosen = UAUC() if metric is None else metric
    method: Uncertainty = ClosedForm() if uncertainty is None else uncertainty
    rows = LabelledRows.of(labels, users, weights, columns)
    return method.delta(_evidence(method, chosen, rows, scores_b), _evidence(method, chosen, rows, scores_a))


def holm(p_values: Any) -> np.ndarray:
    """Holm's step-down adjustment: the chance of any false alarm in the family stays below the level.

    Args:
        p_values: (M,) the family; NaN (nothing was tested) stays NaN and does not count.

    Returns:
        (M,) adjusted p values, each at least its p value, at most 1.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _evidence(method: Uncertainty, metric: Metric, rows: LabelledRows, scores: Any) -> Sequence[Any]:
    is_by_seed = isinstance(scores, list | tuple) and len(scores) > 0 and np.ndim(scores[0]) == 1
    by_seed = scores if is_by_seed else [scores]
    return [method.evidence([metric], rows, seed)[0] for seed in by_seed]
