"""Prediction tables -> the rows of the report: CTR, CVR and CTCVR, by metric and bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.evaluation.compare import AUC_METRICS, DeltaRow, Partition, ResultRow, compare_models
from learn_rank.evaluation.equal_scores import Place, adjust_once, first_of_buckets, first_of_equals
from learn_rank.metrics.auc import Metric
from learn_rank.metrics.buckets import BUCKETS
from learn_rank.metrics.input_columns import plain
from learn_rank.metrics.labelled_rows import LabelledRows, as_labels
from learn_rank.metrics.slate_auc import SlateAUC
from learn_rank.metrics.user_codes import as_users
from learn_rank.uncertainty.intervals import Uncertainty
from learn_recall.columns import (
    CLICK,
    CONVERSION,
    ITEM_BUCKET,
    ITEM_ID,
    PCTCVR,
    PCTR,
    PCVR,
    REQUEST_ID,
    USER_BUCKET,
    USER_ID,
)

SLATES_WITH_BOTH = 0.9
BUCKET_COLUMNS = {"user": USER_BUCKET, "item": ITEM_BUCKET}


@dataclass(frozen=True)
class Task:
    """A question put to the rows of a prediction table.

    Attributes:
        name: as in the report.
        score: the column with the predicted probability.
        is_on_clicked: judged on clicked rows only; otherwise on the entire space.
        is_conversion: the label is the conversion (0 where there was no click); otherwise the click.
    """

    name: str
    score: str
    is_on_clicked: bool
    is_conversion: bool


TASKS = {
    task.name: task
    for task in (
        Task("CTR", PCTR, is_on_clicked=False, is_conversion=False),
        Task("CVR", PCVR, is_on_clicked=True, is_conversion=True),
        Task("CTCVR", PCTCVR, is_on_clicked=False, is_conversion=True),
    )
}


def evaluate_predictions(
    predictions: pd.DataFrame,
    model: str,
    tasks: Sequence[str] = tuple(TASKS),
    *,
    metrics: Sequence[Metric] | None = None,
    uncertainty: Uncertainty | None = None,
) -> list[ResultRow]:
    """Result rows of one model from one training seed.

    Args:
        predictions: user_id, item_id, click, user_bucket, item_bucket, the tasks' score columns and, unless
            CTR is the only task, conversion (empty allowed where click is 0).
        model: the name to put in the rows.
        tasks: "CTR" (pctr against click, all rows), "CVR" (pcvr against conversion, clicked rows only),
            "CTCVR" (pctcvr against click and conversion, all rows).
        metrics: what to compute; None = `metrics_of` the rows.
        uncertainty: where the intervals come from; default `ClosedForm()`, users as the unit.

    Returns:
        One row per task, bucket (all, then cold-start, long-tail, other of users and of items) and metric.

    Raises:
        ValueError: a missing column, a conversion without click, a click of unknown outcome, NaN scores, ..
    """
    rows, _ = evaluate_arms({model: [predictions]}, model, tasks, metrics=metrics, uncertainty=uncertainty)
    return rows


def evaluate_arms(
    predictions: Mapping[str, Sequence[pd.DataFrame]],
    baseline: str = "baseline",
    tasks: Sequence[str] = tuple(TASKS),
    *,
    metrics: Sequence[Metric] | None = None,
    uncertainty: Uncertainty | None = None,
    family: Sequence[str] = ("task", "metric"),
) -> tuple[list[ResultRow], list[DeltaRow]]:
    """Result rows of several arms and their paired differences to the baseline.

    Args:
        predictions: arm -> one table per training seed; all with the same rows in the same order.
        baseline: the arm that the others are compared with.
        tasks: as in `evaluate_predictions`.
        metrics: what to compute; None = `metrics_of` the rows of each task.
        uncertainty: default `ClosedForm()`: value = mean over seeds, interval over users and seeds.
        family: what Holm's adjustment holds fixed, see `learn_rank.evaluation.compare.adjust`; arms with
            equal scores and buckets of the same rows count once.

    Returns:
        (result rows, difference rows).

    Raises:
        ValueError: as in `evaluate_predictions`; an arm with other rows than the baseline; no such baseline.
    """
    if baseline not in predictions:
        raise ValueError(f"baseline: expected one of {sorted(predictions)}, got {baseline!r}")
    unknown = sorted(set(tasks) - set(TASKS))
    if unknown:
        raise ValueError(f"tasks: expected some of {list(TASKS)}, got {unknown}")
    wanted = [TASKS[task] for task in tasks]
    for arm, tables in predictions.items():
        if len(tables) == 0:
            raise ValueError(f"predictions: expected a table per seed for {arm!r}, got none")
        for seed, table in enumerate(tables):
            _check_columns(table, wanted, f"{arm!r}, seed {seed}")
    common = predictions[baseline][0]
    for arm, tables in predictions.items():
        for seed, table in enumerate(tables):
            _check_same_rows(table, common, f"{arm!r}, seed {seed}", baseline)
    results: list[ResultRow] = []
    deltas: list[DeltaRow] = []
    first: dict[str, dict[str, str]] = {}
    places: dict[str, dict[Place, Place]] = {}
    for task, rows, chosen in rows_of_tasks(common, wanted):
        partitions, scores = buckets_of(common, chosen), scores_of(predictions, task, chosen)
        first[task.name] = first_of_equals({baseline: scores[baseline], **scores})
        places[task.name] = first_of_buckets(partitions, len(rows))
        found, differences = compare_models(
            rows,
            scores,
            partitions,
            task=task.name,
            metrics=metrics_of(rows) if metrics is None else metrics,
            baseline=baseline,
            uncertainty=uncertainty,
        )
        results += found
        deltas += differences
    return results, adjust_once(deltas, first, places, baseline, family)


def rows_of_tasks(
    table: pd.DataFrame, tasks: Sequence[Task]
) -> Iterator[tuple[Task, LabelledRows, np.ndarray]]:
    """Each task with the rows that it is judged by, and their positions in the prediction table."""
    clicked = as_labels(table[CLICK], CLICK)
    converted = _converted(table, clicked) if CONVERSION in table else clicked  # unused without tasks on it
    users = as_users(table[USER_ID], len(table))
    columns = {CLICK: clicked.astype(np.float64)}
    if REQUEST_ID in table:
        columns[REQUEST_ID] = pd.factorize(table[REQUEST_ID], use_na_sentinel=False)[0].astype(np.float64)
    for task in tasks:
        chosen = np.flatnonzero(clicked) if task.is_on_clicked else np.arange(len(table))
        label = converted if task.is_conversion else clicked
        yield (
            task,
            LabelledRows(label, users, columns=columns).take(chosen),
            chosen,
        )


def metrics_of(rows: LabelledRows) -> tuple[Metric, ...]:
    """AUC, UAUC and WUAUC; SlateAUC too where nearly every slate (`SLATES_WITH_BOTH`) has both classes.

    Where fewer have, the mean over those would be one over the slates that somebody liked, and says less than
    the mean over users.

    Args:
        rows: with the column "request_id" where their slates are known.
    """
    if REQUEST_ID not in rows.columns or len(rows) == 0:
        return AUC_METRICS
    n_rows = np.bincount(rows.columns[REQUEST_ID].astype(np.int64))
    n_positives = np.bincount(rows.columns[REQUEST_ID].astype(np.int64), rows.labels)
    has_both = (n_positives > 0) & (n_positives < n_rows)
    share = float(has_both.sum() / (n_rows > 0).sum())
    return (*AUC_METRICS, SlateAUC()) if share >= SLATES_WITH_BOTH else AUC_METRICS


def buckets_of(table: pd.DataFrame, chosen: np.ndarray) -> list[Partition]:
    """How some rows of a prediction table are divided: by user, by item."""
    return [Partition(kind, table[column].iloc[chosen], BUCKETS) for kind, column in BUCKET_COLUMNS.items()]


def places_of(table: pd.DataFrame, tasks: Sequence[str]) -> dict[str, dict[Place, Place]]:
    """Task -> bucket -> the first bucket with the same rows (`first_of_buckets`)."""
    return {
        task.name: first_of_buckets(buckets_of(table, chosen), len(rows))
        for task, rows, chosen in rows_of_tasks(table, [TASKS[name] for name in tasks])
    }


def scores_of(
    predictions: Mapping[str, Sequence[pd.DataFrame]], task: Task, chosen: np.ndarray
) -> dict[str, list[np.ndarray]]:
    """Arm -> its scores of a task on some rows, one column per training seed."""
    return {
        arm: [table[task.score].to_numpy()[chosen] for table in tables] for arm, tables in predictions.items()
    }


def _converted(table: pd.DataFrame, clicked: np.ndarray) -> np.ndarray:
    """Conversions as 0/1; 0 where there was no click."""
    raw = pd.to_numeric(table[CONVERSION]).to_numpy(np.float64, na_value=np.nan)
    without_click = (clicked == 0) & (raw > 0)
    if without_click.any():
        raise ValueError(
            f"{CONVERSION}: expected none without a click, got {int(without_click.sum())}, first in row "
            f"{int(np.flatnonzero(without_click)[0])}. Remedy: leave it empty where click is 0"
        )
    unknown = (clicked == 1) & np.isnan(raw)
    if unknown.any():
        raise ValueError(
            f"{CONVERSION}: expected 0 or 1 on every clicked row, got {int(unknown.sum())} empty, first in "
            f"row {int(np.flatnonzero(unknown)[0])}. Remedy: drop clicks whose outcome is not known yet"
        )
    return as_labels(np.where(clicked == 1, raw, 0.0), CONVERSION)


def _check_columns(table: pd.DataFrame, tasks: Sequence[Task], where: str) -> None:
    conversion = [CONVERSION] if any(task.is_conversion for task in tasks) else []
    scores = [task.score for task in tasks]
    needed = [USER_ID, ITEM_ID, CLICK, *conversion, *BUCKET_COLUMNS.values(), *scores]
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise ValueError(f"predictions of {where}: expected the columns {needed}, got none named {missing}")


def _check_same_rows(table: pd.DataFrame, common: pd.DataFrame, where: str, baseline: str) -> None:
    remedy = "Remedy: score the same table in the same order in every arm and seed"
    if len(table) != len(common):
        raise ValueError(
            f"predictions of {where}: expected the {len(common)} rows of {baseline!r}, got {len(table)}. "
            + remedy
        )
    for column in (USER_ID, ITEM_ID, CLICK, CONVERSION, *BUCKET_COLUMNS.values()):
        if column not in common or column not in table:  # only CTR alone gets here without conversion
            continue
        here, there = table[column].to_numpy(), common[column].to_numpy()
        is_other = np.asarray((here != there) & ~(pd.isna(here) & pd.isna(there)))
        if is_other.any():
            row = int(np.flatnonzero(is_other)[0])
            raise ValueError(
                f"predictions of {where}: expected {column} as in {baseline!r}, got {plain(here[row])!r} "
                f"instead of {plain(there[row])!r} in row {row} and {int(is_other.sum()) - 1} more. {remedy}"
            )
