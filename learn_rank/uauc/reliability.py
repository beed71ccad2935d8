"""Predicted against observed, by bins of equal mass: what ECE adds up, bin by bin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from learn_rank.metrics.calibration import ECE, mass_edges
from learn_rank.uncertainty.scored_rows import Scored


def reliability(scored: Scored, bins: int = ECE().bins) -> list[dict[str, Any]]:
    """Mean probability and observed rate of each bin of `ECE` that has weight.

    Args:
        scored: rows whose scores are probabilities.
        bins: as in `ECE`.

    Returns:
        {"predicted", "observed", "n_rows", "share"}, from small to large probabilities; the shares of the
        weight add up to 1.
    """
    total = sum(float(weight.sum()) for _, weight, _ in _runs(scored))
    edges = mass_edges(bins, ((prob, weight) for prob, weight, _ in _runs(scored)), total)
    sums = np.zeros((4, bins))
    for prob, weight, label in _runs(scored):
        place = np.searchsorted(edges, prob, side="right") - 1
        for at, values in enumerate((weight, weight * prob, weight * label, np.ones(prob.size))):
            sums[at] += np.bincount(place, values, minlength=bins)
    held, predicted, observed, n_rows = sums
    return [
        {
            "predicted": float(predicted[at] / held[at]),
            "observed": float(observed[at] / held[at]),
            "n_rows": int(n_rows[at]),
            "share": float(held[at] / total),
        }
        for at in np.flatnonzero(held > 0)
    ]


def _runs(scored: Scored) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(probabilities, weights, labels) in ascending ranges."""
    for run in scored.in_score_order():
        prob = run.scores.astype(np.float64)
        yield prob, np.ones(prob.size) if run.weights is None else run.weights, run.labels
