"""First pass over the files: every row is checked; users, buckets and the spread of scores are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from learn_rank.data.parquet_rows import ParquetRows
from learn_rank.evaluation.beyond_memory.layout import Layout, MemoryLimits, Track
from learn_rank.evaluation.beyond_memory.value_counts import ValueCounts
from learn_rank.metrics.input_columns import check_same_column, check_same_length
from learn_rank.metrics.labelled_rows import as_labels, as_scores, as_weights
from learn_rank.metrics.user_codes import as_users

_SAMPLE = 512  # scores per chunk


@dataclass(frozen=True)
class ScoreColumn:
    """One model's scores: a column of some files."""

    files: ParquetRows
    column: str


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first pass has learned.

    Attributes:
        users: (U,) sorted ids.
        rows_of_user: (U,) int64.
        samples: model -> sorted sample of its scores.
        is_probability: model -> whether all its scores lie in 0..1.
        values: column of buckets -> (V,) its distinct values, ascending.
        rows_of_value: column of buckets -> (V,) int64.
        split: column of buckets -> (code of each value, names of the buckets).
    """

    users: pd.Index
    rows_of_user: np.ndarray
    samples: Mapping[str, np.ndarray]
    is_probability: Mapping[str, bool]
    values: Mapping[str, pd.Index]
    rows_of_value: Mapping[str, np.ndarray]
    split: Mapping[str, tuple[np.ndarray, tuple[str, ...]]]


def survey(layout: Layout, models: Mapping[str, ScoreColumn], limits: MemoryLimits, track: Track) -> Survey:
    """Read everything once.

    Args:
        layout: the shared columns, read from the first model's files and compared with those of the others.
        models: at least one.
        limits: how many rows at a time.
        track: told of every chunk.

    Raises:
        ValueError: rows that `learn_rank.metrics.labelled_rows` refuses, or a model whose files hold other
            rows.
    """
    check_lengths(models)
    first, *others = models
    shared = models[first].files.schema(layout.shared)
    as_users(shared.empty_table()[layout.user].to_pandas(), 0)  # refuses floats
    users = ValueCounts()
    buckets = {bucketing.column: ValueCounts() for bucketing in layout.bucketings}
    samples: dict[str, list[np.ndarray]] = {model: [] for model in models}
    is_probability = dict.fromkeys(models, True)
    rng = np.random.default_rng(0)
    streams = {
        model: source.files.chunks(list(dict.fromkeys([*layout.shared, source.column])), limits.chunk_rows)
        for model, source in models.items()
    }
    n_rows = models[first].files.n_rows
    chunks: Any = zip(*streams.values(), strict=True)
    row = 0
    for tables in track(chunks, "checking rows", -(-n_rows // limits.chunk_rows)):
        table = tables[0]
        for model, other in zip(others, tables[1:], strict=True):
            for column in layout.shared:
                if not table[column].equals(other[column]):
                    here, there = table[column].to_pandas(), other[column].to_pandas()
                    check_same_column(here, there, column, model, row)
        check_present(table[layout.user], "users", "an id", row)
        users.add(table[layout.user])
        as_labels(label_values(table[layout.label]), "labels", row)
        if layout.weight is not None:
            as_weights(table[layout.weight].to_pandas(), table.num_rows, "weights", row)
        for column in layout.columns:
            as_weights(table[column].to_pandas(), table.num_rows, column, row)
        for column, counts in buckets.items():
            check_present(table[column], "buckets", f"a bucket ({column})", row)
            counts.add(table[column])
        for (model, source), own in zip(models.items(), tables, strict=True):
            scores = as_scores(own[source.column].to_pandas(), own.num_rows, model, row)
            samples[model].append(scores[rng.integers(0, scores.size, min(_SAMPLE, scores.size))])
            is_probability[model] &= bool(scores.min() >= 0 and scores.max() <= 1)
        row += table.num_rows
    ids, rows_of_user = users.sorted()
    counted = {column: counts.sorted() for column, counts in buckets.items()}
    return Survey(
        ids,
        rows_of_user,
        {model: np.sort(np.concatenate(parts)) for model, parts in samples.items()},
        is_probability,
        {column: values for column, (values, _) in counted.items()},
        {column: n_rows for column, (_, n_rows) in counted.items()},
        {
            b.column: b.split(counted[b.column][0].to_series(), counted[b.column][1])
            for b in layout.bucketings
        },
    )


def check_lengths(models: Mapping[str, ScoreColumn]) -> None:
    """Refuse a model whose files hold another number of rows than the first model's."""
    first, *others = models
    for model in others:
        check_same_length(models[first].files.n_rows, models[model].files.n_rows, model)


def label_values(column: pa.ChunkedArray) -> pd.Series:
    """A column of labels as pandas, NaN where a truth value is missing."""
    if pa.types.is_boolean(column.type) and column.null_count:
        column = column.cast(pa.float32())
    return column.to_pandas()


def check_present(column: pa.ChunkedArray, name: str, what: str, first_row: int = 0) -> None:
    """Refuse missing values and empty text.

    Args:
        column: (N,).
        name: how an error message calls it.
        what: what each row should hold.
        first_row: number of the first row, for rows that come a part at a time.
    """
    is_missing = pc.is_null(column, nan_is_null=True)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        is_missing = pc.or_(is_missing, pc.fill_null(pc.equal(column, ""), False))
    n_missing = pc.sum(is_missing).as_py() or 0
    if n_missing:
        row = first_row + pc.index(is_missing, True).as_py()
        raise ValueError(
            f"{name}: expected {what} in every row, got {n_missing} missing, first at row {row}. "
            "Remedy: drop these rows or give each its own"
        )
