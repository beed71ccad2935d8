"""Predicted against observed, from the smallest predictions of an arm to its largest, over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from learn_rank.evaluation.compare import defined
from learn_rank.evaluation.tasks import TASKS, rows_of_tasks, scores_of
from learn_rank.metrics.base import AdditiveMetric, UserSums, ratio
from learn_rank.metrics.calibration import as_probabilities, mass_edges
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.influence import Influence, additive_influence

MOST_BINS = 10
LEAST_ROWS = 50
"""Rows that a bin should hold: of fewer rows there are fewer bins."""


class BinRow(TypedDict):
    """One bin of the predictions of an arm and task, a mean over its seeds; an interval of what was observed.

    `low` and `high` are None where nothing varies: one user, or one class alone in the bin.
    """

    model: str
    task: str
    bin: int
    predicted: float
    observed: float
    low: float | None
    high: float | None
    n_rows: int


@dataclass(frozen=True)
class Bin:
    """A share of one seed's rows: number, mean prediction, and each user's part in the observed share."""

    number: int
    predicted: float
    observed: Influence


def reliability_rows(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> list[BinRow]:
    """Mean prediction and observed share in bins of the prediction, of each arm and task.

    Definition: each seed's rows are put into bins of equal mass of its own predictions, as in
    `learn_rank.metrics.calibration.ECE` (equal predictions share a bin, so some may stay empty); what is told
    of a bin is the mean over the seeds that have rows in it. Intervals: `ClosedForm()`, users as the unit.

    Args:
        predictions, baseline, tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`.

    Returns:
        Rows from the smallest predictions to the largest; none of a task without rows.

    Raises:
        ValueError: a prediction below 0 or above 1, or none, where a row is judged.
    """
    found: list[BinRow] = []
    common = predictions[baseline][0]
    for task, rows, chosen in rows_of_tasks(common, [TASKS[name] for name in tasks]):
        n_bins = max(1, min(MOST_BINS, len(rows) // LEAST_ROWS))
        for arm, columns in scores_of(predictions, task, chosen).items():
            found += _rows_of(arm, task.name, [bins_of(rows, column, n_bins) for column in columns])
    return found


def bins_of(rows: LabelledRows, scores: Any, n_bins: int) -> list[Bin]:
    """The bins of one seed that hold rows, from small predictions to large.

    Args:
        rows: with users.
        scores: (N,) probabilities.
        n_bins: as many as the rows are cut into, where no predictions are equal.
    """
    prob = as_probabilities(scores, len(rows))
    users, n_users = rows.known_users("an interval over users").compact()
    edges = mass_edges(n_bins, [(prob, np.ones(prob.size))], float(prob.size))
    bin_of_row = np.searchsorted(edges, prob, side="right") - 1
    cell = bin_of_row * n_users + users
    shape = n_bins, n_users
    held, positive, predicted = (
        np.bincount(cell, values, minlength=n_bins * n_users).reshape(shape)
        for values in (None, rows.labels, prob)
    )
    return [
        Bin(
            int(at),
            float(predicted[at].sum() / held[at].sum()),
            additive_influence(_OBSERVED, _sums_of(held[at], positive[at])),
        )
        for at in np.flatnonzero(held.sum(axis=1))
    ]


@dataclass(frozen=True)
class _ObservedShare(AdditiveMetric):
    """Positive rows / rows."""

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, 1.0

    def user_sums(self, rows: LabelledRows, scores: Any) -> UserSums:
        users, n_users = rows.known_users("an interval over users").compact()
        return _sums_of(
            np.bincount(users, minlength=n_users), np.bincount(users, rows.labels, minlength=n_users)
        )

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[0], sums[1])


_OBSERVED = _ObservedShare()


def _sums_of(n_rows: np.ndarray, n_positives: np.ndarray) -> UserSums:
    """(U,) counts -> the statistics of each user; one without rows bears on nothing."""
    return UserSums(
        np.stack([n_positives, n_rows]).astype(np.float64),
        n_rows.astype(np.float64),
        n_rows > 0,
        n_rows.astype(np.int64),
        n_positives.astype(np.int64),
    )


def _rows_of(arm: str, task: str, seeds: Sequence[Sequence[Bin]]) -> list[BinRow]:
    by_number: dict[int, list[Bin]] = {}
    for bins in seeds:
        for one in bins:
            by_number.setdefault(one.number, []).append(one)
    found: list[BinRow] = []
    for number, bins in sorted(by_number.items()):
        interval = ClosedForm().interval([one.observed for one in bins])
        found.append(
            {
                "model": arm,
                "task": task,
                "bin": number,
                "predicted": float(np.mean([one.predicted for one in bins])),
                "observed": interval.value,
                "low": defined(interval.low),
                "high": defined(interval.high),
                "n_rows": round(float(np.mean([one.observed.counts.n_rows for one in bins]))),
            }
        )
    return found


__all__ = ["LEAST_ROWS", "MOST_BINS", "Bin", "BinRow", "bins_of", "reliability_rows"]
