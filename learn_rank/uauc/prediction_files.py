"""Reading prediction files: the columns asked for, read by the rules of `learn_recall.tables`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from learn_rank.data.row_conditions import RowCondition, condition_words, rows_where
from learn_rank.evaluation.beyond_memory import ParquetRows, check_present, is_parquet, label_values
from learn_rank.metrics.input_columns import check_same_column, check_same_length
from learn_recall.columns import CONTEXT_ID, ITEM_ID, REQUEST_ID, TIMESTAMP
from learn_recall.tables.parquet_files import as_column
from learn_recall.tables.read import read_table
from learn_recall.tables.rules import Rules

IDENTITY = (ITEM_ID, CONTEXT_ID, REQUEST_ID, TIMESTAMP)  # besides the user, what tells rows apart
MOST_ROWS_COMPARED = 20_000_000


@dataclass(frozen=True)
class FileColumns:
    """Which columns of a prediction file are read, and as what.

    Attributes:
        user, label, score: columns.
        buckets: columns of names; a csv's cells stay the text that they are, so that 01 and 1 are two.
        numbers: further columns of numbers.
        counts: columns of counts.
        conditions: what rows must fulfil to be judged.
    """

    user: str
    label: str
    score: str
    buckets: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    conditions: tuple[RowCondition, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """Every column to be judged, once."""
        further = (*self.buckets, *self.numbers, *self.counts)
        return list(dict.fromkeys([self.user, self.label, self.score, *further]))

    @property
    def rules(self) -> Rules:
        """How they are taken."""
        typed = {self.user, self.label, self.score, *self.numbers, *self.counts}
        texts = tuple(name for name in self.buckets if name not in typed)
        return Rules(further_ids=(self.user,), further_texts=texts)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a file holds.

    Attributes:
        rows: the wanted columns of the rows that are judged.
        n_rows: of the whole file.
        n_repeated: judged rows that repeat an earlier one; None where that was not looked for, for want of a
            column that tells rows apart or in a file of very many rows.
        repeated_in: the columns that were compared.
    """

    rows: pd.DataFrame
    n_rows: int
    n_repeated: int | None = None
    repeated_in: tuple[str, ...] = ()


def parquet_rows(path: Path, columns: FileColumns) -> ParquetRows:
    """Parquet files of predictions; the kinds of their columns are checked.

    Raises:
        ValueError: nothing there, missing columns, or a kind of column that cannot be what it was named for.
    """
    files = ParquetRows.at(path, columns.rules)
    check_kinds(files.schema(columns.wanted), columns, str(path))
    return files.where(columns.conditions)


def read_predictions(path: Path, columns: FileColumns) -> Predictions:
    """Read a parquet, csv(.gz) or jsonl(.gz) file, or several parquet files.

    Args:
        path: the file; or a folder or a glob of parquet files, in order of names.
        columns: what is read.

    Raises:
        ValueError: no such file, an unknown ending, missing columns, or no rows.
    """
    if is_parquet(path):
        files = parquet_rows(path, columns)
        n_rows = ParquetRows.at(path).n_rows
        identity = _identity(files)
        table = files.read(list(dict.fromkeys([*columns.wanted, *identity])))
    else:
        table, n_rows = _read_text(path, columns)
        identity = [name for name in IDENTITY if name in table.column_names]
        identity = [name for name in identity if not pa.types.is_nested(table.schema.field(name).type)]
    check_present(table[columns.user], "users", "an id")
    frame = pd.DataFrame(
        {
            name: label_values(table[name])
            if name == columns.label
            else as_column(table[name], name, columns.rules)
            for name in columns.wanted
        }
    )
    if ITEM_ID not in identity or len(frame) > MOST_ROWS_COMPARED:
        return Predictions(frame, n_rows)
    compared = _compared(identity, columns)
    n_distinct = table.select(list(compared)).group_by(list(compared)).aggregate([]).num_rows
    return Predictions(frame, n_rows, table.num_rows - n_distinct, compared)


def columns_compared(files: ParquetRows, columns: FileColumns) -> tuple[str, ...]:
    """The columns by which repeated rows are found; none without one that tells items apart."""
    identity = _identity(files)
    return _compared(identity, columns) if ITEM_ID in identity else ()


def _identity(files: ParquetRows) -> list[str]:
    found = [name for name in IDENTITY if files.names.count(name) == 1]
    schema = files.schema(found)
    return [name for name in found if not pa.types.is_nested(schema.field(name).type)]


def _compared(identity: Sequence[str], columns: FileColumns) -> tuple[str, ...]:
    return tuple(dict.fromkeys([columns.user, *identity, columns.label, columns.score]))


def check_kinds(schema: pa.Schema, columns: FileColumns, path: str) -> None:
    """Refuse users that are no ids, and buckets that are no names, by the types of their columns."""
    kind = schema.field(columns.user).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_text(kind)):
        raise _kind_error(path, "--user", columns.user, "integer or string ids", kind)
    for name in columns.buckets:
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise _kind_error(path, "--bucket", name, "one name in each row, integer or text", kind)
    for name in (columns.label, columns.score, *columns.numbers):
        kind = schema.field(name).type
        if not (_is_number(kind) or pa.types.is_boolean(kind)):
            raise _kind_error(path, "column", name, "numbers", kind)


def check_same_rows(table: pd.DataFrame, baseline: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse two files that do not hold the same rows in the same order.

    Ids are compared as text where one file holds integers and the other strings.
    """
    check_same_length(len(table), len(baseline), "baseline")
    for column in columns:
        check_same_column(table[column], baseline[column], column, "baseline")


def _read_text(path: Path, columns: FileColumns) -> tuple[pa.Table, int]:
    """A csv or jsonl file: whole, since its types hang on whole columns."""
    frame = read_table(path, id_columns=[columns.user], as_text=columns.rules.further_texts)
    wanted = [*columns.wanted, *(condition.column for condition in columns.conditions)]
    missing = [name for name in dict.fromkeys(wanted) if name not in frame]
    if missing:
        raise ValueError(
            f"{path}: expected the columns {columns.wanted}, got no {missing}. It holds "
            f"{list(frame.columns)}. Remedy: name the column of yours, or add it"
        )
    if len(frame) == 0:
        raise ValueError(f"{path}: expected rows, got none. Remedy: check the job that wrote the file")
    kept = dict.fromkeys([*wanted, *(name for name in IDENTITY if name in frame)])
    numbers = dict.fromkeys([columns.label, columns.score, *columns.numbers, *columns.counts])
    arrays = {name: _as_arrow(frame[name], path, name in numbers) for name in kept}
    for name in numbers:
        arrays[name] = _as_numbers(arrays[name], name, path)
    table = pa.table(arrays)
    check_kinds(table.schema, columns, str(path))
    judged = rows_where(table, columns.conditions)
    if judged.num_rows == 0:
        raise ValueError(
            f"{path}: expected rows where {condition_words(columns.conditions)}, got none of {len(frame):,}. "
            "Remedy: look at the values of the column, or leave out --where"
        )
    return judged, len(frame)


def _as_arrow(column: pd.Series, path: Path, is_number: bool) -> pa.ChunkedArray:
    try:
        found = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        is_text = column.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
        if is_number and is_text.any():
            raise _text_error(path, column, np.flatnonzero(is_text)) from error
        kinds = ", ".join(sorted({type(value).__name__ for value in column.dropna()}))
        raise ValueError(
            f"{path}, column {column.name}: expected values of one kind, got {kinds}. Remedy: write them all "
            f"as numbers{', such as 0.25' if is_number else ' or all as text'}"
        ) from error
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _as_numbers(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """A column that should be numbers, also where no cell says so; the first cells of text are named."""
    if pa.types.is_null(column.type):
        return column.cast(pa.float64())
    if not _is_text(column.type):
        return column
    cells = column.to_pandas()
    is_other = (pd.to_numeric(cells, errors="coerce").isna() & cells.notna()).to_numpy()
    rows = np.flatnonzero(is_other if is_other.any() else cells.notna().to_numpy())
    raise _text_error(path, cells.rename(name), rows)


def _text_error(path: Path, cells: pd.Series, rows: np.ndarray) -> ValueError:
    first = ", ".join(f"{cells.iloc[row]!r} in row {row}" for row in rows[:3])
    return ValueError(
        f"{path}, column {cells.name}: expected numbers, got {len(rows):,} cell(s) of text, first {first}. "
        "Remedy: write numbers as 1, 0.25 or 1e-3, and nothing where there is none"
    )


def _kind_error(path: str, option: str, column: str, expected: str, kind: pa.DataType) -> ValueError:
    return ValueError(
        f"{path}: {option} {column}: expected {expected}, got {kind}. Remedy: cast it, or name another"
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


__all__ = [
    "FileColumns",
    "Predictions",
    "check_kinds",
    "check_same_rows",
    "columns_compared",
    "parquet_rows",
    "read_predictions",
]
