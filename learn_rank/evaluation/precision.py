"""How sure the differences of one arm are, and what would make them surer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import pandas as pd

from learn_rank.evaluation.compare import AUC_METRICS, defined
from learn_rank.evaluation.tasks import TASKS, rows_of_tasks
from learn_rank.metrics.auc import Metric
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.enough import spread_of


class PrecisionRow(TypedDict):
    """Of what the interval of a difference over all rows is made; None where it has none.

    `width` and `user_width` are fractions, as the differences are: the interval as it is, and what the users
    alone make of it, which no number of seeds can narrow. `enough_seeds` and `enough_users` would make it no
    wider than was asked for, each alone.
    """

    task: str
    metric: str
    width: float | None
    user_width: float | None
    enough_seeds: int | None
    enough_users: int | None
    seed_deltas: list[float | None]


def precision_of(
    candidate: Sequence[pd.DataFrame],
    baseline: Sequence[pd.DataFrame],
    tasks: Sequence[str],
    *,
    width: float,
    metrics: Sequence[Metric] = AUC_METRICS,
) -> list[PrecisionRow]:
    """Take the intervals of candidate - baseline over all rows apart into users and seeds.

    Args:
        candidate: a prediction table per training seed; baseline: as many, with the same rows.
        tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`, which also checks the tables.
        width: of an interval that would do.
        metrics: what to compute.

    Returns:
        One row per task and metric.
    """
    how, found = ClosedForm(), []
    for task, rows, chosen in rows_of_tasks(baseline[0], [TASKS[name] for name in tasks]):
        new, old = (
            [how.evidence(metrics, rows, table[task.score].to_numpy()[chosen]) for table in tables]
            for tables in (candidate, baseline)
        )
        for at, metric in enumerate(metrics):
            spread = spread_of([seed[at] for seed in new], [seed[at] for seed in old], how.level)
            n_users = new[0][at].counts.n_users or 0
            found.append(
                PrecisionRow(
                    task=task.name,
                    metric=str(metric),
                    width=defined(spread.width),
                    user_width=defined(spread.user_width),
                    enough_seeds=spread.enough_seeds(width),
                    enough_users=spread.enough_users(width, n_users),
                    seed_deltas=[defined(delta) if math.isfinite(delta) else None for delta in spread.seeds],
                )
            )
    return found
