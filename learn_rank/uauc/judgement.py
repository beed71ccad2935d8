"""Judges a prediction file, or two: results, differences, and what the page shows of single users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from learn_rank.data.row_conditions import RowCondition, condition_words
from learn_rank.evaluation.compare import ALL, BucketScores, adjust, bucket_scores, compare_in_buckets
from learn_rank.metrics.auc import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, NormalizedEntropy
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.uauc.count_buckets import MEANINGS, CountBucket, check_attributed, partitions_of
from learn_rank.uauc.prediction_files import FileColumns, Predictions, check_same_rows, read_predictions
from learn_rank.uauc.reliability import reliability
from learn_rank.uauc.users import count_users, user_view
from learn_rank.uncertainty.intervals import Uncertainty
from learn_recall.columns import CLICK, PCTR, USER_ID

CANDIDATE, BASELINE = "candidate", "baseline"
CALIBRATION = (PCOC(), NormalizedEntropy(), LogLoss(), ECE())
FAMILY = "all comparisons of this run, adjusted by Holm"


@dataclass(frozen=True)
class Question:
    """Which columns are judged, and how.

    Attributes:
        user, label, score: columns.
        baseline_score: the baseline's score column, or None where it has the same name.
        weight: column of row weights, or None.
        buckets: columns that name buckets.
        count_buckets: columns of training counts.
        meaning: of buckets, see `learn_rank.metrics.buckets.bucketed`.
        wuauc: a user's weight in WUAUC.
        min_rows: users with fewer rows are skipped.
        conditions: what rows must fulfil to be judged.
        task: what the label is called in the results, or None for the label's own name.
    """

    user: str = USER_ID
    label: str = CLICK
    score: str = PCTR
    baseline_score: str | None = None
    weight: str | None = None
    buckets: tuple[str, ...] = ()
    count_buckets: tuple[CountBucket, ...] = ()
    meaning: str = "within"
    wuauc: str = "impressions"
    min_rows: int = 2
    conditions: tuple[RowCondition, ...] = ()
    task: str | None = None

    def __post_init__(self) -> None:
        if self.meaning not in MEANINGS:
            raise ValueError(
                f"--bucket-meaning: expected one of {list(MEANINGS)}, got {self.meaning!r}. "
                "Remedy: choose one"
            )

    @property
    def shared(self) -> list[str]:
        """The columns that must agree between two files."""
        column = [] if self.wuauc in ("impressions", "positives") else [self.wuauc]
        weight = [] if self.weight is None else [self.weight]
        counts = [bucket.column for bucket in self.count_buckets]
        return [self.user, self.label, *self.buckets, *counts, *weight, *column]

    def columns_of(self, role: str) -> FileColumns:
        """The columns of the candidate's or the baseline's file."""
        further = () if self.wuauc in ("impressions", "positives") else (self.wuauc,)
        weight = () if self.weight is None else (self.weight,)
        counts = tuple(bucket.column for bucket in self.count_buckets)
        return FileColumns(
            self.user,
            self.label,
            self.scores[role],
            self.buckets,
            (*further, *weight),
            counts,
            self.conditions,
        )

    @property
    def ranking(self) -> tuple[AUC, UAUC, WUAUC]:
        """The metrics that are compared."""
        return AUC(), UAUC(self.min_rows), WUAUC(self.wuauc, self.min_rows)

    @property
    def scores(self) -> dict[str, str]:
        """The score column of either file."""
        return {
            CANDIDATE: self.score,
            BASELINE: self.score if self.baseline_score is None else self.baseline_score,
        }


def compare(
    predictions: Path,
    baseline: Path | None,
    question: Question,
    uncertainty: Uncertainty,
    *,
    has_details: bool = False,
) -> dict[str, Any]:
    """Judge one file, or two on the same rows.

    Args:
        predictions: the candidate's file.
        baseline: the other file, or None.
        question: the columns and settings.
        uncertainty: where intervals come from.
        has_details: whether counts, users and reliability are asked for, which costs another pass.

    Returns:
        As `judgement`, with the files' names as models.

    Raises:
        ValueError: files or columns that cannot be judged.
    """
    q = question
    read = read_predictions(predictions, q.columns_of(CANDIDATE))
    table = read.rows
    scores = {CANDIDATE: table[q.score].to_numpy()}
    if baseline is not None:
        other = read_predictions(baseline, q.columns_of(BASELINE)).rows
        check_same_rows(table, other, q.shared)
        scores[BASELINE] = other[q.scores[BASELINE]].to_numpy()
    columns = {q.wuauc: table[q.wuauc]} if q.wuauc in table else {}
    rows = LabelledRows.of(
        table[q.label], table[q.user], None if q.weight is None else table[q.weight], columns
    )
    partitions, bucket_words = partitions_of(table, q.buckets, q.count_buckets)
    if q.meaning == "attributed":
        check_attributed(rows, partitions)
    checked = {model: [as_scores(column, len(rows), model)] for model, column in scores.items()}
    has_probabilities = all(_are_probabilities(column) for column in scores.values())
    found = judgement(
        bucket_scores(rows, checked, partitions), q, uncertainty, has_probabilities, has_details
    )
    found["about"] |= {"buckets": bucket_words, **_rows_read(read, q)}
    return named(found, file_names(predictions, baseline, q))


def rows_judged(n_judged: int, n_rows: int, question: Question) -> dict[str, Any]:
    """What `about` says of the rows that --where left."""
    return {"where": condition_words(question.conditions), "n_judged": n_judged, "n_rows": n_rows}


def _rows_read(read: Predictions, question: Question) -> dict[str, Any]:
    found = rows_judged(len(read.rows), read.n_rows, question)
    return {**found, "n_repeated": read.n_repeated, "repeated_in": list(read.repeated_in)}


def judgement(
    buckets: Iterable[BucketScores],
    question: Question,
    uncertainty: Uncertainty,
    has_probabilities: bool,
    has_details: bool,
) -> dict[str, Any]:
    """Judge the models `CANDIDATE` and, where there is one, `BASELINE` in every bucket.

    Args:
        buckets: all rows first, then every bucket.
        question: the settings.
        uncertainty: where intervals come from.
        has_probabilities: whether the calibration metrics make sense.
        has_details: whether to add the last three of what is returned.

    Returns:
        rows, deltas, about; counts (a row per bucket), users (of `user_view`), reliability (of
        `reliability_view`, empty without probabilities).
    """
    q = question
    details: dict[str, Any] = {"counts": [], "users": {}, "reliability": {}}
    watched = _watched(buckets, q, has_probabilities, details) if has_details else buckets
    first, rest = _peek(watched)
    results, deltas = compare_in_buckets(
        rest,
        task=q.label if q.task is None else q.task,
        metrics=(*q.ranking, *(CALIBRATION if has_probabilities else ())),
        baseline=BASELINE if BASELINE in first.scored else None,
        uncertainty=uncertainty,
    )
    compared = [str(metric) for metric in q.ranking]
    about = {
        "task": q.label if q.task is None else q.task,
        "level": uncertainty.level,
        "uncertainty": repr(uncertainty),
        "family": FAMILY,
        "metrics": compared,
        "bucket_meaning": q.meaning,
    }
    deltas = adjust([row for row in deltas if row["metric"] in compared], family=())
    return {"rows": results, "deltas": deltas, "about": about, **(details if has_details else {})}


def named(found: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The judgement with `CANDIDATE` and `BASELINE` under their own names in rows and differences."""
    return {
        **found,
        "rows": [{**row, "model": names[row["model"]]} for row in found["rows"]],
        "deltas": [_named(row, names) for row in found["deltas"]],
        "about": {**names, **found["about"]},
    }


def file_names(predictions: Path, baseline: Path | None, question: Question) -> dict[str, str]:
    """What either model is called in the results: its file, and where both lie in one file its column."""
    if baseline is None:
        return {CANDIDATE: str(predictions)}
    if str(predictions) != str(baseline):
        return {CANDIDATE: str(predictions), BASELINE: str(baseline)}
    columns = question.scores
    is_same = columns[CANDIDATE] == columns[BASELINE]
    return {role: f"{predictions} ({role if is_same else columns[role]})" for role in columns}


def _watched(
    buckets: Iterable[BucketScores], question: Question, has_probabilities: bool, details: dict[str, Any]
) -> Iterator[BucketScores]:
    """Hand the buckets on, and write down what the page shows of each."""
    for scores in buckets:
        scored = {model: seeds[0] for model, seeds in scores.scored.items()}
        chosen = scored if scores.kind == ALL else {CANDIDATE: scored[CANDIDATE]}
        per_user = {model: rows.per_user(question.ranking) for model, rows in chosen.items()}
        counts = count_users(per_user[CANDIDATE], question.ranking[1])
        details["counts"].append({"bucket_kind": scores.kind, "bucket": scores.bucket, **counts})
        if scores.kind == ALL:
            details["users"] = user_view(per_user, *question.ranking[1:])
            if has_probabilities:
                details["reliability"] = {model: reliability(rows) for model, rows in scored.items()}
        yield scores


def _peek(buckets: Iterable[BucketScores]) -> tuple[BucketScores, Iterable[BucketScores]]:
    rest = iter(buckets)
    first = next(rest)
    return first, chain([first], rest)


def _named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("model", "baseline")}
    return {"baseline": names[BASELINE], "candidate": names[CANDIDATE], **rest}


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.dtype.kind in "fiub" and ((scores >= 0) & (scores <= 1)).all())
