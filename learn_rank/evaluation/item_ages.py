"""Models on items of different age: what a ranker does in an item's first hours, and later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from learn_rank.evaluation.compare import ALL, DeltaRow, Partition, ResultRow, adjust, compare_models
from learn_rank.evaluation.tasks import TASKS, metrics_of, rows_of_tasks
from learn_rank.metrics.item_age import AGES
from learn_recall.columns import ITEM_AGE

KIND = "item age"
MOSTLY = 0.9  # of the rows in one bucket: then the others hold too little to be told apart


def has_ages(predictions: pd.DataFrame) -> bool:
    """Whether a table says how old its items were, and they were not nearly all of one age."""
    return (
        ITEM_AGE in predictions
        and len(predictions) > 0
        and bool(predictions[ITEM_AGE].value_counts(normalize=True).max() < MOSTLY)
    )


def judge_by_age(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> tuple[list[ResultRow], list[DeltaRow]]:
    """Result rows of several arms in every bucket of item age, and their differences to the baseline.

    Definition: as `learn_rank.evaluation.tasks.evaluate_arms`, which also checks the tables, for buckets of
    `learn_rank.metrics.item_age.AGES`. They are families of their own in Holm's adjustment, one per task and
    metric, so that no other number of a report depends on them.

    Args:
        predictions: arm -> one table per training seed, for which `has_ages`.
        baseline: the arm that the others are compared with.
        tasks: as in `evaluate_arms`.

    Returns:
        (result rows, difference rows), none over all rows.
    """
    common = predictions[baseline][0]
    results: list[ResultRow] = []
    deltas: list[DeltaRow] = []
    for task, rows, chosen in rows_of_tasks(common, [TASKS[name] for name in tasks]):
        scores = {
            arm: [table[task.score].to_numpy()[chosen] for table in tables]
            for arm, tables in predictions.items()
        }
        ages = Partition(KIND, common[ITEM_AGE].iloc[chosen], tuple(AGES))
        found, differences = compare_models(
            rows, scores, [ages], task=task.name, metrics=metrics_of(rows), baseline=baseline
        )
        results += [row for row in found if row["bucket_kind"] != ALL]
        deltas += [row for row in differences if row["bucket_kind"] != ALL]
    return results, adjust(deltas)


__all__ = ["KIND", "has_ages", "judge_by_age"]
