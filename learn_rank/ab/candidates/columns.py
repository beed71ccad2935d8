"""The parquet schema of candidates, read one day at a time into numpy columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from learn_rank.ab.candidates.parquet_parts import parquet_dataset
from learn_rank.data.parquet_rows import is_parquet, read_as
from learn_recall.columns import ITEM_BUCKET, ITEM_ID, REQUEST_ID, TIMESTAMP, USER_BUCKET, USER_ID
from learn_recall.errors import said_by
from learn_recall.tables.parquet_files import plain
from learn_recall.tables.read import read_table
from learn_recall.tables.rules import Rules

IDS = (REQUEST_ID, USER_ID, ITEM_ID, "advertiser_id")
SCORES = ("pctr_a", "pcvr_a", "pctr_b", "pcvr_b")
REQUIRED = (*IDS[:2], "day", *IDS[2:], "bid", *SCORES)
BUDGET, ARM = "budget", "arm"
_TEXTS = (USER_BUCKET, ITEM_BUCKET, ARM)
_RULES = Rules(further_ids=("advertiser_id",), further_texts=_TEXTS)
OPTIONAL = (USER_BUCKET, ITEM_BUCKET, TIMESTAMP, BUDGET, ARM)


@dataclass(frozen=True, eq=False)
class Coded:
    """A column as codes into its values. `codes` (N,) int64 in 0 .. V-1; `values` (V,), each used."""

    codes: np.ndarray
    values: np.ndarray

    def keys(self) -> np.ndarray:
        """(V,) uint64, a hash of each value that is the same in every file and on every machine."""
        return stable_keys(self.values)


def stable_keys(values: np.ndarray) -> np.ndarray:
    """uint64 hashes of integer or string ids, by pandas' hash_array, which is documented as deterministic."""
    if values.dtype.kind in "iu":
        return pd.util.hash_array(values.astype(np.int64, copy=False))
    return pd.util.hash_array(values.astype(object), categorize=False)


def open_dataset(source: Any) -> ds.Dataset:
    """A file, a folder of parquet parts, a glob, or a table in memory, as a dataset.

    String ids of parquet files stay dictionaries; csv and jsonl are read whole, as every table is.

    Raises:
        ValueError: a file that cannot be read, or parts that are no one table.
    """
    if isinstance(source, str | os.PathLike):
        if is_parquet(Path(source)):
            return parquet_dataset(Path(source), _RULES, (*IDS, *_TEXTS))
        source = read_table(source, id_columns=_RULES.further_ids, as_text=_TEXTS)
    if isinstance(source, pd.DataFrame):
        source = pa.Table.from_pandas(source, preserve_index=False)
    return ds.dataset(source.cast(_without_views(source.schema)))


def _without_views(schema: pa.Schema) -> pa.Schema:
    """Views of text as text: rows of views cannot be filtered by their day."""
    for place, field in enumerate(schema):
        if pa.types.is_string_view(field.type):
            schema = schema.set(place, field.with_type(pa.string()))
    return schema


def check_schema(schema: pa.Schema) -> None:
    """Refuse missing columns and those of a kind that cannot be read, all in one ValueError."""
    wrong = [f"{name}: expected a column, got none" for name in REQUIRED if name not in schema.names]
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    wrong += [f"{name}: expected one column, got {schema.names.count(name)}" for name in twice]
    for field in schema:
        kind = _read_as(field.type, field.name)
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if field.name in IDS and not (pa.types.is_integer(kind) or _is_text(kind)):
            wrong.append(f"{field.name}: expected integers or strings, got {field.type}")
        elif field.name == "day" and not pa.types.is_integer(kind):
            wrong.append(f"day: expected integers (0, 1, 2 ..), got {field.type}")
        elif field.name == TIMESTAMP and pa.types.is_temporal(kind):
            wrong.append(
                f"{TIMESTAMP}: expected numbers, got {field.type}; seconds = ({TIMESTAMP} - "
                'pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)'
            )
        elif field.name in (*SCORES, "bid", BUDGET, TIMESTAMP) and not is_number:
            wrong.append(f"{field.name}: expected numbers, got {field.type}")
        elif field.name in (USER_BUCKET, ITEM_BUCKET, ARM) and pa.types.is_nested(kind):
            wrong.append(f"{field.name}: expected one name in each row, got {field.type}")
    if wrong:
        listed = "\n".join(f"- {line}" for line in wrong)
        raise ValueError(
            f"candidates: {len(wrong)} problem(s) in the columns\n{listed}\nRemedy: cast what is of another "
            f"type, and write the columns {', '.join(REQUIRED)}; optional are {', '.join(OPTIONAL)} and "
            "what the environment asks for"
        )


def days_of(dataset: ds.Dataset) -> list[int]:
    """The days that occur, ascending."""
    found: set[int] = set()
    for batch in dataset.to_batches(columns=["day"]):
        found.update(pc.unique(batch.column("day")).to_pylist())
    if None in found:
        raise ValueError("day: expected a day in every row, got missing values. Remedy: fill them in")
    return sorted(found)


def read_day(dataset: ds.Dataset, day: int, names: Sequence[str]) -> pa.Table:
    """These columns of the rows of one day; row groups of other days are skipped by their statistics."""
    try:
        table = dataset.to_table(columns=list(names), filter=pc.field("day") == day)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"candidates: expected rows of day {day} that can be read, got {said_by(error)}. "
            "Remedy: copy or write the files again, all with the same types"
        ) from None
    return pa.table({name: _plain(table.column(name), name) for name in table.column_names})


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = _read_as(column.type, name)
    found = column if kind == column.type else plain(column, name, _RULES)
    if found.type != kind:
        raise ValueError(
            f"{name}: expected cells that can be read as {kind}, got others ({column.type}). Remedy: write "
            f"the column as {kind}"
        )
    return found


def _read_as(kind: pa.DataType, name: str) -> pa.DataType:
    """The type in which a column is read; text that is stored as codes stays so."""
    return kind if _is_text(kind) else read_as(kind, name, _RULES)


def coded(column: pa.ChunkedArray) -> Coded:
    """Codes of a column without missing values."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks] or [np.zeros(0, np.int64)])
    values = column.chunk(0).dictionary.to_numpy(zero_copy_only=False) if column.num_chunks else codes
    is_used = np.bincount(codes, minlength=values.size) > 0
    if is_used.all():
        return Coded(codes.astype(np.int64), values)
    return Coded((np.cumsum(is_used) - 1)[codes], values[is_used])


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """(N,) float64; missing becomes NaN."""
    return column.to_numpy().astype(np.float64, copy=False)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


__all__ = [
    "ARM",
    "BUDGET",
    "IDS",
    "OPTIONAL",
    "REQUIRED",
    "SCORES",
    "Coded",
    "check_schema",
    "coded",
    "days_of",
    "numbers",
    "open_dataset",
    "read_day",
    "stable_keys",
]
