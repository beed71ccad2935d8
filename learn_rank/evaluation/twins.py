"""What a report need not show twice: arms with the same scores, buckets with the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from learn_rank.evaluation.equal_scores import first_of_equals
from learn_rank.evaluation.tasks import TASKS, places_of, rows_of_tasks, scores_of


def twins(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Arms that score every row, in every seed, as an earlier one does, and buckets of an earlier one's rows.

    Args:
        predictions, baseline, tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`, which also checks
            the tables. The baseline comes first.

    Returns:
        (task, model, same_as) of every such arm; (task, bucket_kind, bucket, same_kind, same_bucket) of every
        such bucket, where all rows are ("all", "all").
    """
    common = predictions[baseline][0]
    arms, buckets = [], []
    for task, _, chosen in rows_of_tasks(common, [TASKS[name] for name in tasks]):
        scores = scores_of(predictions, task, chosen)
        for model, other in first_of_equals({baseline: scores[baseline], **scores}).items():
            if model != other:
                arms.append({"task": task.name, "model": model, "same_as": other})
    for name, places in places_of(common, tasks).items():
        for place, first in places.items():
            if place != first:
                names = dict(
                    zip(("bucket_kind", "bucket", "same_kind", "same_bucket"), (*place, *first), strict=True)
                )
                buckets.append({"task": name, **names})
    return arms, buckets


__all__ = ["twins"]
