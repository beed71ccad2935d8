"""Columns of a batch's rows as arrays, after the checks that a table read as a whole goes through."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from learn_recall.columns import ITEM_ID
from learn_recall.errors import StoreError
from learn_recall.store import id_keys
from learn_recall.tables.parquet_files import plain
from learn_recall.tables.rules import Rules

Jagged = tuple[np.ndarray, np.ndarray]
_RULES = Rules()
_WIDEST = float(np.finfo(np.float32).max)


def codes_of(column: pa.ChunkedArray, name: str) -> Jagged:
    """Values and lengths of a column of integer codes from 0 on, or of lists of them; a null list is empty.

    Raises:
        ValueError: a null or negative code, or another type.
    """
    flat, lengths = _jagged(column, name, "code")
    if not (pa.types.is_integer(flat.type) or pa.types.is_boolean(flat.type) or pa.types.is_null(flat.type)):
        raise ValueError(
            f"{name}: expected integer codes, got {flat.type}. Remedy: encode the values, 0 for unknown ones"
        )
    values = flat.cast(pa.int64()).to_numpy()
    _refuse(values, values < 0, name, "codes from 0 on", "encode the values, 0 for an unknown one")
    return values, lengths


def ids_of(column: pa.ChunkedArray, name: str) -> Jagged:
    """Keys and lengths of a column of ids, integers or strings, or of lists of them; a null list is empty.

    They are taken as those of tables are: whole decimals are integers, bytes of UTF-8 text.

    Raises:
        ValueError: a null or empty id, or a type that ids do not have.
    """
    flat, lengths = _jagged(column, name, "id")
    if pa.types.is_null(flat.type):
        return np.empty(0, np.int64), lengths
    flat = plain(flat, ITEM_ID, _RULES)
    n_blank = pc.sum(pc.equal(flat, "")).as_py() if pa.types.is_large_string(flat.type) else 0
    if n_blank:
        raise ValueError(
            f"{name}: expected an id in each row, got {n_blank} empty ones of {len(flat)}. Remedy: drop the "
            "rows, or give what is unknown an id of its own"
        )
    try:
        return id_keys(flat.to_numpy()), lengths
    except StoreError as error:
        raise StoreError(f"{name}: {error}") from error


def flags_of(column: pa.ChunkedArray, name: str, beside: np.ndarray, history: str | None) -> Jagged:
    """Values and lengths of a column of lists of 0 and 1, one for each item of the history.

    Raises:
        ValueError: lengths other than those of ``beside``, or another value.
    """
    values, lengths = codes_of(column, name)
    _refuse(
        values, values > 1, name, "0 or 1 for each history item", "write whether the user converted on it"
    )
    other = np.flatnonzero(lengths != beside)
    if len(other):
        raise ValueError(
            f"{name}: expected as many values as {history} has items, got {lengths[other[0]]} beside "
            f"{beside[other[0]]}, {len(other)} such rows. Remedy: filter and cut both lists alike"
        )
    return values, lengths


def numbers_of(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """(n,) float32 of a column of numbers.

    Raises:
        ValueError: a null, NaN or infinite cell, one that float32 cannot hold, or another type.
    """
    values = _float64(column, name)
    is_wrong = ~(np.abs(values) <= _WIDEST)
    remedy = "fill, clip or standardise the column before it is written"
    _refuse(values, is_wrong, name, "a finite number in each row, within float32", remedy)
    return values.astype(np.float32)


def clicks_of(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """(n,) float32, 0 or 1.

    Raises:
        ValueError: another value, or a null.
    """
    values = _float64(column, name)
    is_wrong = ~np.isin(values, (0, 1))
    _refuse(values, is_wrong, name, "0 or 1 in each row", "drop the rows whose click is not known")
    return values.astype(np.float32)


def conversions_of(column: pa.ChunkedArray, name: str, click: np.ndarray) -> np.ndarray:
    """(n,) float32, 0 or 1, NaN where null.

    Raises:
        ValueError: another value, a conversion without a click, or none where there is a click.
    """
    values = _float64(column, name)
    _refuse(values, ~(np.isnan(values) | np.isin(values, (0, 1))), name, "0, 1 or null", "write one of them")
    is_wrong = (values == 1) & (click == 0)
    _refuse(
        values, is_wrong, name, "a conversion only where clicked", "set the click, or null the conversion"
    )
    is_wrong = np.isnan(values) & (click == 1)
    remedy = "write 0 if it did not convert; BatchColumns(conversion=None) learns clicks alone"
    _refuse(values, is_wrong, name, "0 or 1 where clicked", remedy)
    return values.astype(np.float32)


def _jagged(column: pa.ChunkedArray, name: str, what: str) -> tuple[pa.ChunkedArray, np.ndarray]:
    """The entries of a column of scalars or lists, without nulls, and how many each row has."""
    kind = column.type
    if pa.types.is_fixed_size_list(kind):  # its null rows hold values all the same
        column = column.cast(pa.list_(kind.value_type))
        kind = column.type
    lengths = np.ones(len(column), np.int64)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
        column = pc.list_flatten(column)
    elif pa.types.is_nested(kind):
        raise ValueError(f"{name}: expected scalars or lists, got {kind}. Remedy: write lists of one level")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise ValueError(
            f"{name}: expected no null {what}, got {column.null_count} in {len(lengths)} rows. Remedy: drop "
            f"the rows, or give what is unknown {'the code 0' if what == 'code' else 'an id of its own'}"
        )
    return column, lengths


def _float64(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """(n,) float64, NaN where null."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (is_number or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise ValueError(f"{name}: expected numbers, got {kind}. Remedy: cast the column")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return np.array(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _refuse(values: np.ndarray, is_wrong: np.ndarray, name: str, expected: str, remedy: str) -> None:
    if is_wrong.any():
        first = ", ".join(f"{value:g}" for value in values[is_wrong][:3])
        raise ValueError(
            f"{name}: expected {expected}, got {first} among {int(is_wrong.sum())} such of {len(values)}. "
            f"Remedy: {remedy}"
        )
