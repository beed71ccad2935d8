"""Prediction tables of a run -> the rows and differences of its report: every arm in one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from learn_rank.evaluation.compare import DeltaRow, ResultRow, adjust
from learn_rank.evaluation.precision import PrecisionRow, precision_of
from learn_rank.evaluation.tasks import TASKS, evaluate_arms
from learn_rank.report_kit.rules import DECIDING_WIDTH
from learn_rank.report_kit.words import BASELINE, LEARN, RAW_TEXT, SHUFFLED
from learn_recall.columns import CONVERSION

FAMILY = ("task", "metric")


def judge_arms(
    predictions: Mapping[str, Sequence[pd.DataFrame]],
) -> tuple[list[ResultRow], list[DeltaRow], list[PrecisionRow]]:
    """Judge all arms of a run by every task that their tables allow.

    Definition: Holm's correction is taken over two families per task and metric: every arm against the
    baseline in every bucket, arms with equal scores counted once (`learn_rank.evaluation.equal_scores`); and
    LEARN against raw text and against shuffled vectors, which asks what a gain is made of.

    Args:
        predictions: arm -> one table per training seed; "baseline" among them.

    Returns:
        The rows, the differences, and how sure those of LEARN are (none where it was not trained as often
        as the baseline).
    """
    tasks = tasks_of([table for tables in predictions.values() for table in tables])
    rows, deltas = evaluate_arms(predictions, BASELINE, tasks, family=FAMILY)
    contrasts: list[DeltaRow] = []
    for other in (RAW_TEXT, SHUFFLED):
        if {LEARN, other} <= set(predictions):
            pair = {arm: predictions[arm] for arm in (other, LEARN)}
            contrasts += evaluate_arms(pair, other, tasks)[1]
    deltas += adjust(contrasts, FAMILY)
    learn, base = predictions.get(LEARN, ()), predictions[BASELINE]
    can_pair = len(learn) == len(base)
    precision = precision_of(learn, base, tasks, width=DECIDING_WIDTH) if can_pair else []
    return rows, deltas, precision


def tasks_of(predictions: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """The tasks that all of the tables can be judged by: CTR alone without conversions or their scores."""
    needed = {
        task.name: {task.score, *((CONVERSION,) if task.is_conversion else ())} for task in TASKS.values()
    }
    return tuple(name for name, columns in needed.items() if all(columns <= set(t) for t in predictions))


__all__ = ["judge_arms", "tasks_of"]
