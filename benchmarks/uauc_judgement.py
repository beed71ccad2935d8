"""Judges a prediction file, or two: results, differences, and what the page shows of single users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prediction_files import check_same_rows, read_predictions
from benchmarks.uauc_buckets import MEANINGS, CountBucket, check_attributed, partitions_of
from benchmarks.uauc_counts import count_users, reliability
from benchmarks.uauc_users import differences, distribution
from learn_rank.buckets import bucket_codes
from learn_rank.calibration import as_probabilities, equal_mass_bins
from learn_rank.grouped_auc import fold_users
from learn_rank.judge import ALL, Partition, adjust, judge
from learn_rank.metrics import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, NormalizedEntropy
from learn_rank.rows import Rows
from learn_rank.uncertainty import Uncertainty

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
        meaning: of buckets, see `learn_rank.buckets.bucketed`.
        wuauc: a user's weight in WUAUC.
        min_rows: users with fewer rows are skipped.
        task: what the label is called in the results, or None for the label's own name.
    """

    user: str = "user_id"
    label: str = "click"
    score: str = "pctr"
    baseline_score: str | None = None
    weight: str | None = None
    buckets: tuple[str, ...] = ()
    count_buckets: tuple[CountBucket, ...] = ()
    meaning: str = "within"
    wuauc: str = "impressions"
    min_rows: int = 2
    task: str | None = None

    def __post_init__(self) -> None:
        if self.meaning not in MEANINGS:
            raise ValueError(f"--bucket-meaning: expected one of {list(MEANINGS)}, got {self.meaning!r}")

    @property
    def shared(self) -> list[str]:
        """The columns that must agree between two files."""
        column = [] if self.wuauc in ("impressions", "positives") else [self.wuauc]
        weight = [] if self.weight is None else [self.weight]
        counts = [bucket.column for bucket in self.count_buckets]
        return [self.user, self.label, *self.buckets, *counts, *weight, *column]

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
    how: Uncertainty,
    *,
    has_details: bool = False,
) -> dict[str, Any]:
    """Judges one file, or two on the same rows.

    Args:
        predictions: the candidate's file.
        baseline: the other file, or None.
        question: the columns and settings.
        how: where intervals come from.
        has_details: whether `users`, `counts` and `reliability` are asked for, which costs another pass.

    Returns:
        rows, deltas and about; with details also counts (a row per bucket), users (a distribution per file,
        and of the differences), and reliability (bins per file, where all scores are probabilities).

    Raises:
        ValueError: files or columns that cannot be judged.
    """
    q = question
    table = read_predictions(predictions, q.shared, q.user, q.score)
    scores = {CANDIDATE: table[q.score].to_numpy()}
    if baseline is not None:
        other = read_predictions(baseline, q.shared, q.user, q.scores[BASELINE])
        check_same_rows(table, other, q.shared)
        scores[BASELINE] = other[q.scores[BASELINE]].to_numpy()
    columns = {q.wuauc: table[q.wuauc]} if q.wuauc in table else {}
    rows = Rows.of(table[q.label], table[q.user], None if q.weight is None else table[q.weight], columns)
    partitions, bucket_words = partitions_of(table, q.buckets, q.count_buckets)
    if q.meaning == "attributed":
        check_attributed(rows, partitions)
    task = q.label if q.task is None else q.task
    models = {name: [column] for name, column in scores.items()}
    against = None if baseline is None else BASELINE
    results, deltas = judge(
        rows, models, partitions, task=task, metrics=q.ranking, baseline=against, uncertainty=how
    )
    has_probabilities = all(_are_probabilities(column) for column in scores.values())
    if has_probabilities:
        results += judge(rows, models, partitions, task=task, metrics=CALIBRATION, uncertainty=how)[0]
    names = file_names(predictions, baseline, q)
    found = {
        "rows": [{**row, "model": names[row["model"]]} for row in results],
        "deltas": [_named(row, names) for row in adjust(deltas, family=())],
        "about": {
            **names,
            "task": task,
            "level": how.level,
            "uncertainty": repr(how),
            "family": FAMILY,
            "metrics": [str(metric) for metric in q.ranking],
            "bucket_meaning": q.meaning,
            "buckets": bucket_words,
        },
    }
    if has_details:
        found["counts"] = bucket_counts(rows, partitions, q)
        found["users"] = user_view(rows, scores, q)
        found["reliability"] = reliability_view(rows, scores) if has_probabilities else {}
    return found


def file_names(predictions: Path, baseline: Path | None, question: Question) -> dict[str, str]:
    """What either model is called in the results: its file, and where both lie in one file its column."""
    if baseline is None:
        return {CANDIDATE: str(predictions)}
    if str(predictions) != str(baseline):
        return {CANDIDATE: str(predictions), BASELINE: str(baseline)}
    columns = question.scores
    is_same = columns[CANDIDATE] == columns[BASELINE]
    return {role: f"{predictions} ({role if is_same else columns[role]})" for role in columns}


def bucket_counts(rows: Rows, partitions: Sequence[Partition], question: Question) -> list[dict[str, Any]]:
    """A row per bucket: rows, users, and why users are skipped."""
    uauc = question.ranking[1]
    found: list[dict[str, Any]] = [{"bucket_kind": ALL, "bucket": ALL, **count_users(rows, uauc)}]
    for partition in partitions:
        code, names = bucket_codes(partition.buckets, len(rows), partition.names)
        for at, name in enumerate(names):
            inside = rows.take(np.flatnonzero(code == at))
            found.append({"bucket_kind": partition.kind, "bucket": name, **count_users(inside, uauc)})
    return found


def user_view(rows: Rows, scores: Mapping[str, np.ndarray], question: Question) -> dict[str, Any]:
    """The distribution of per-user AUC of each model, and of the users' differences."""
    _, uauc, wuauc = question.ranking
    needed = replace(rows, columns=dict(wuauc.columns_used(rows.columns)))
    per_user = {model: fold_users(needed, column) for model, column in scores.items()}
    found: dict[str, Any] = {model: distribution(users, uauc, wuauc) for model, users in per_user.items()}
    if BASELINE in per_user:
        found["difference"] = differences(per_user[CANDIDATE], per_user[BASELINE], uauc, wuauc)
    return found


def reliability_view(rows: Rows, scores: Mapping[str, np.ndarray]) -> dict[str, list[dict[str, Any]]]:
    """Mean probability and observed rate in ECE's bins, for each model."""
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    found = {}
    for model, column in scores.items():
        prob = as_probabilities(column, len(rows))
        found[model] = reliability(equal_mass_bins(prob, weight, ECE().bins), rows, prob)
    return found


def _named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("model", "baseline")}
    return {"baseline": names[BASELINE], "candidate": names[CANDIDATE], **rest}


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.dtype.kind in "fiub" and ((scores >= 0) & (scores <= 1)).all())
