"""What an AUC inside each bucket cannot see: buckets against each other, calibration and ties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from learn_rank.evaluation.compare import ResultRow
from learn_rank.evaluation.tasks import BUCKET_COLUMNS, TASKS, evaluate_arms, rows_of_tasks
from learn_rank.metrics.auc import PCOC
from learn_rank.metrics.auc_parts import AUCParts, auc_change, auc_parts
from learn_rank.metrics.buckets import BUCKETS


class PartRow(TypedDict):
    """What pairs of a positive row of one bucket and a negative row of another add to an AUC's change."""

    model: str
    task: str
    bucket_kind: str
    positives: str
    negatives: str
    delta: float
    share_of_pairs: float


class TieRow(TypedDict):
    """Share of a bucket's rows whose score another of its rows has, a mean over seeds."""

    model: str
    task: str
    bucket_kind: str
    bucket: str
    share: float
    n_rows: int


def calibration_rows(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> list[ResultRow]:
    """Predicted over observed (PCOC) of each arm, task and bucket with its interval, mean over seeds.

    Args:
        predictions, baseline, tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`.

    Returns:
        Rows of metric "PCOC"; value None without a positive row.
    """
    return evaluate_arms(predictions, baseline, tasks, metrics=[PCOC()])[0]


def part_rows(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> list[PartRow]:
    """Take each arm's change of the pooled AUC apart by the buckets of a pair's two rows.

    Definition: won pairs are averaged over an arm's seeds; of one arm, task and kind of bucket the `delta` of
    all rows add up to the change of the mean pooled AUC.

    Args:
        predictions, baseline, tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`.

    Returns:
        A row for each pair of buckets that has pairs of rows.
    """
    found: list[PartRow] = []
    for task, kind, buckets, labels, scores in _questions(predictions, baseline, tasks):
        parts = {
            arm: _mean([auc_parts(labels, column, buckets, names=BUCKETS) for column in columns])
            for arm, columns in scores.items()
        }
        n_pairs = parts[baseline].pairs.sum()
        for arm, of_arm in parts.items():
            if arm == baseline or n_pairs == 0:
                continue
            change = auc_change(of_arm, parts[baseline])
            for row, column in np.argwhere(of_arm.pairs > 0):
                found.append(
                    {
                        "model": arm,
                        "task": task,
                        "bucket_kind": kind,
                        "positives": BUCKETS[row],
                        "negatives": BUCKETS[column],
                        "delta": float(change.parts[row, column]),
                        "share_of_pairs": float(of_arm.pairs[row, column] / n_pairs),
                    }
                )
    return found


def tie_rows(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> list[TieRow]:
    """How many of a bucket's rows share their score: ties count half in every AUC, whatever the labels.

    Args:
        predictions, baseline, tasks: as in `learn_rank.evaluation.tasks.evaluate_arms`.

    Returns:
        Rows of all arms; buckets without rows have none.
    """
    found: list[TieRow] = []
    for task, kind, buckets, _, scores in _questions(predictions, baseline, tasks):
        for bucket in BUCKETS:
            inside = buckets == bucket
            if not inside.any():
                continue
            for arm, columns in scores.items():
                share = float(np.mean([share_tied(column[inside]) for column in columns]))
                found.append(
                    {
                        "model": arm,
                        "task": task,
                        "bucket_kind": kind,
                        "bucket": bucket,
                        "share": share,
                        "n_rows": int(inside.sum()),
                    }
                )
    return found


def share_tied(scores: np.ndarray) -> float:
    """Share of the (n,) scores that occur more than once.

    Example:
        >>> share_tied(np.array([0.1, 0.1, 0.3, 0.4]))
        0.5
    """
    _, counts = np.unique(scores, return_counts=True)
    return float(counts[counts > 1].sum() / len(scores))


def _questions(
    predictions: Mapping[str, Sequence[pd.DataFrame]], baseline: str, tasks: Sequence[str]
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray, dict[str, list[np.ndarray]]]]:
    """(task, kind of bucket, bucket of each row, labels, scores of each arm and seed)."""
    common = predictions[baseline][0]
    for task, rows, chosen in rows_of_tasks(common, [TASKS[name] for name in tasks]):
        scores = {
            arm: [table[task.score].to_numpy()[chosen] for table in tables]
            for arm, tables in predictions.items()
        }
        for kind, column in BUCKET_COLUMNS.items():
            yield task.name, kind, common[column].to_numpy()[chosen], rows.labels, scores


def _mean(parts: Sequence[AUCParts]) -> AUCParts:
    return AUCParts(parts[0].names, np.mean([part.won for part in parts], axis=0), parts[0].pairs)


__all__ = ["PartRow", "TieRow", "calibration_rows", "part_rows", "share_tied", "tie_rows"]
