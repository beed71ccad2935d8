"""Models x tasks x metrics x buckets -> rows of results and of differences."""

from learn_rank.evaluation.compare import (
    ALL,
    AUC_METRICS,
    DeltaRow,
    Partition,
    ResultRow,
    adjust,
)
from learn_rank.evaluation.tasks import (
    BUCKET_COLUMNS,
    TASKS,
    Task,
    evaluate_arms,
    evaluate_predictions,
)

__all__ = [
    "ALL",
    "AUC_METRICS",
    "BUCKET_COLUMNS",
    "TASKS",
    "DeltaRow",
    "Partition",
    "ResultRow",
    "Task",
    "adjust",
    "evaluate_arms",
    "evaluate_predictions",
]
