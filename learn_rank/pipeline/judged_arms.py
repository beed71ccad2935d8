"""Prediction tables of a run -> the rows and differences of its report: every arm in one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from learn_rank.evaluation.compare import DeltaRow, ResultRow
from learn_rank.evaluation.equal_scores import adjust_once
from learn_rank.evaluation.precision import PrecisionRow, precision_of
from learn_rank.evaluation.tasks import TASKS, evaluate_arms, places_of
from learn_rank.report_kit.rules import DECIDING_WIDTH
from learn_rank.report_kit.words import (
    BASELINE,
    HEADLINE_METRICS,
    LEARN,
    NO_HISTORY,
    RAW_TEXT,
    SHUFFLED,
    width_words,
)
from learn_recall.columns import CONVERSION

FAMILY = ("task", "metric")


def judge_arms(
    predictions: Mapping[str, Sequence[pd.DataFrame]],
) -> tuple[list[ResultRow], list[DeltaRow], list[PrecisionRow]]:
    """Judge all arms of a run by every task that their tables allow.

    Definition: Holm's correction is taken over two families per task and metric: every arm against the
    baseline in every bucket, and LEARN against raw text and against shuffled vectors, which asks what a gain
    is made of. Arms with equal scores and buckets of the same rows are counted once
    (`learn_rank.evaluation.equal_scores`). What the host's own history brings is a question of its own, and
    no chance of a false alarm among these.

    Args:
        predictions: arm -> one table per training seed; "baseline" among them.

    Returns:
        The rows, the differences, and how sure those of LEARN are (none where it was not trained as often
        as the baseline).
    """
    tasks = tasks_of([table for tables in predictions.values() for table in tables])
    fused = {arm: tables for arm, tables in predictions.items() if arm != NO_HISTORY}
    rows, deltas = evaluate_arms(fused, BASELINE, tasks, family=FAMILY)
    contrasts: list[DeltaRow] = []
    for other in (RAW_TEXT, SHUFFLED):
        if {LEARN, other} <= set(predictions):
            pair = {arm: predictions[arm] for arm in (other, LEARN)}
            contrasts += evaluate_arms(pair, other, tasks)[1]
    places = places_of(predictions[BASELINE][0], tasks)
    deltas += adjust_once(contrasts, {task: {LEARN: LEARN} for task in tasks}, places, BASELINE, FAMILY)
    if NO_HISTORY in predictions:
        pair = {arm: predictions[arm] for arm in (NO_HISTORY, BASELINE)}
        of_pair, of_history = evaluate_arms(pair, NO_HISTORY, tasks, family=FAMILY)
        rows += [row for row in of_pair if row["model"] == NO_HISTORY]
        deltas += of_history
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


def deciding(rows: Sequence[PrecisionRow]) -> list[PrecisionRow]:
    """Of each task the row of the metric that decides it, where one has an interval."""
    chosen: dict[str, PrecisionRow] = {}
    for metric in HEADLINE_METRICS:
        for row in rows:
            if row["metric"] == metric and row["width"] is not None:
                chosen.setdefault(row["task"], row)
    return [chosen[task] for task in dict.fromkeys(row["task"] for row in rows) if task in chosen]


def widths_words(rows: Sequence[PrecisionRow]) -> str:
    """How wide what decides is, for the report: `CTR UAUC 3.1 points (of users alone 2.2 points)`."""
    listed = [
        f"{row['task']} {row['metric']} {width_words(row['width'])} (of users alone "
        f"{width_words(row['user_width'])})"
        for row in deciding(rows)
    ]
    return (
        f"{', '.join(listed) or 'none has one'}; {width_words(DECIDING_WIDTH)} are narrow enough, and up to "
        "--max-seeds a run adds seeds where they would narrow it to that"
    )


__all__ = ["deciding", "judge_arms", "tasks_of", "widths_words"]
