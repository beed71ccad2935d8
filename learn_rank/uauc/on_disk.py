"""Prediction files with more rows than are read into memory: the same judgement, from partitions on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.evaluation.beyond_memory import (
    Bucketing,
    Layout,
    MemoryLimits,
    ParquetRows,
    Partitions,
    ScoreColumn,
    is_parquet,
    partitioned,
)
from learn_rank.metrics.buckets import BUCKETS, bucket_codes
from learn_rank.uauc.count_buckets import CountBucket, check_few, check_kinds, counts_of, rule_words
from learn_rank.uauc.judgement import (
    BASELINE,
    CANDIDATE,
    Question,
    file_names,
    judgement,
    named,
    rows_judged,
)
from learn_rank.uauc.prediction_files import columns_compared, parquet_rows
from learn_rank.uncertainty.intervals import Uncertainty
from learn_recall.terminal.progress import track_steps


def is_beyond_memory(paths: Sequence[Path], memory_rows: int) -> bool:
    """Whether the files are parquet and together hold more than `memory_rows` rows."""
    if not all(is_parquet(path) for path in paths):
        return False
    return sum(ParquetRows.at(path).n_rows for path in paths) > memory_rows


def compare_on_disk(
    predictions: Path,
    baseline: Path | None,
    question: Question,
    uncertainty: Uncertainty,
    *,
    has_details: bool = False,
    limits: MemoryLimits | None = None,
) -> dict[str, Any]:
    """`judgement.compare` for files that are larger than memory; arguments and result as there.

    Args:
        limits: how much is held at a time, and where rows are spilled to.
    """
    q = question
    check_kinds(q.buckets, q.count_buckets)
    named_buckets = [Bucketing(column, column, _by_name(column)) for column in q.buckets]
    counted = [Bucketing(bucket.column, bucket.column, _by_count(bucket)) for bucket in q.count_buckets]
    further = () if q.wuauc in ("impressions", "positives") else (q.wuauc,)
    files = parquet_rows(predictions, q.columns_of(CANDIDATE))
    compared = columns_compared(files, q.columns_of(CANDIDATE))
    layout = Layout(q.user, q.label, q.weight, further, (*named_buckets, *counted), compared)
    models = {CANDIDATE: ScoreColumn(files, q.scores[CANDIDATE])}
    if baseline is not None:
        models[BASELINE] = ScoreColumn(parquet_rows(baseline, q.columns_of(BASELINE)), q.scores[BASELINE])
    with partitioned(layout, models, limits=limits, track=track_steps) as parts:
        if q.meaning == "attributed":
            parts.check_attributed()
        has_probabilities = all(parts.found.is_probability.values())
        found = judgement(parts.bucket_scores(), q, uncertainty, has_probabilities, has_details)
        found["about"] |= {
            "buckets": _bucket_words(q, parts),
            **rows_judged(files.n_rows, ParquetRows.at(predictions).n_rows, q),
            "n_repeated": parts.n_repeated(),
            "repeated_in": list(compared),
        }
    return named(found, file_names(predictions, baseline, q))


def _by_name(column: str) -> Any:
    def split(values: pd.Series, n_rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        check_few(len(values), column)
        return bucket_codes(values, len(n_rows))

    return split


def _by_count(bucket: CountBucket) -> Any:
    def split(values: pd.Series, n_rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        size = counts_of(values, bucket.column, has_rows=False)
        return bucket_codes(bucket.rule_of(size, n_rows).bucket_of(size), len(n_rows), BUCKETS)

    return split


def _bucket_words(question: Question, parts: Partitions) -> dict[str, str]:
    words = {column: f"the values of the column {column}" for column in question.buckets}
    for bucket in question.count_buckets:
        values, n_rows = parts.found.values[bucket.column], parts.found.rows_of_value[bucket.column]
        words[bucket.column] = rule_words(bucket.rule_of(values.to_numpy(np.int64), n_rows), bucket)
    return words
