"""Cells of a csv to values: integers, numbers, truth values, lists or text, as the whole column allows."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from learn_recall import columns as c
from learn_recall.tables.rules import LIST_COLUMNS, Rules

_FLAGS = {"0": False, "1": True, "false": False, "true": True}
_SPELT_AS: tuple[tuple[pa.DataType, str], ...] = (
    (pa.int64(), r"^(0|-?[1-9][0-9]{0,18})$"),
    (pa.float64(), r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(inf|Inf|Infinity)$"),
    (pa.bool_(), r"^(true|false|True|False|TRUE|FALSE)$"),
)
_EMPTY_WORDS = pa.array(["NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"])


def from_text(column: pa.ChunkedArray, name: str, rules: Rules) -> pd.Series:
    """Type a column of text, by the rules at the head of `learn_recall.tables.files`."""
    column = without_empty_cells(column)
    if rules.has_lists and name in LIST_COLUMNS:
        return lists(column, name, is_whole=True)
    if not rules.is_text(name):
        for kind in spelt_kinds(column, is_id=rules.is_id(name)):
            return as_kind(column, kind, is_id=rules.is_id(name))
    return column.to_pandas()


def spelt_kinds(column: pa.ChunkedArray, *, is_id: bool) -> list[pa.DataType]:
    """The types that every cell of a text column, or of a part of one, can be read as; best first."""
    kinds = []
    cleaned = column if is_id else _without_empty_words(column)
    for kind, pattern in _SPELT_AS[:1] if is_id else _SPELT_AS:
        if pc.all(pc.match_substring_regex(cleaned, pattern), min_count=0).as_py():
            try:
                cleaned.cast(kind)
            except pa.ArrowInvalid:
                continue  # an integer beyond 64 bits
            kinds.append(kind)
    return kinds


def as_kind(column: pa.ChunkedArray, kind: pa.DataType, *, is_id: bool) -> pd.Series:
    """A text column as one of the types that `spelt_kinds` found."""
    cleaned = column if is_id else _without_empty_words(column)
    return as_series(cleaned.cast(kind), is_id=is_id)


def as_series(column: pa.ChunkedArray, *, is_id: bool) -> pd.Series:
    """An arrow column as pandas: neither ids nor large integers become floats where some are missing."""
    kind = column.type
    if pa.types.is_boolean(kind) and column.null_count:
        return pd.Series(pd.array(column.to_pylist(), dtype="boolean"))
    if pa.types.is_integer(kind) and column.null_count:
        largest = pc.min_max(column.cast(pa.decimal128(38, 0))).as_py()
        is_large = any(value is not None and abs(value) > 2**53 for value in largest.values())
        return column.to_pandas(integer_object_nulls=is_id or is_large)
    return column.to_pandas()


def without_empty_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A csv column with missing values where its cells are empty."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)


def _without_empty_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_empty = pc.is_in(column, value_set=_EMPTY_WORDS.cast(column.type))
    return pc.if_else(is_empty, pa.scalar(None, column.type), column)


def lists(column: pa.ChunkedArray, name: str, *, is_whole: bool) -> pd.Series:
    """A column of list cells; the ids of histories become integers if all of a whole column are."""
    cells = [_as_list(cell, name) for cell in column.to_pylist()]
    return pd.Series(_as_integers(cells) if is_whole and name == c.HISTORY else cells, dtype=object)


def _as_list(cell: str | None, name: str) -> Any:
    """Read a list cell: JSON where it starts with a bracket; else ids or flags between blanks."""
    if cell is not None and cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if name not in (c.HISTORY, c.HISTORY_CONVERTED):
        return cell
    words = cell.split() if cell is not None else []
    if name == c.HISTORY:
        return words
    flags = [_FLAGS.get(word.lower()) for word in words]
    return cell if None in flags else flags


def _as_integers(cells: list[Any]) -> list[Any]:
    words = [word for cell in cells if isinstance(cell, list) for word in cell]
    if not words or not all(isinstance(word, str) for word in words):
        return cells
    if not spelt_kinds(pa.chunked_array([words]), is_id=True):
        return cells
    return [map_list(cell, int) for cell in cells]


def integers_if_all_are(texts: Sequence[str]) -> np.ndarray:
    """Ids as int64 if every one is an integer in its canonical spelling, else as the text they are."""
    if texts and spelt_kinds(pa.chunked_array([texts]), is_id=True):
        return np.array(texts, dtype=np.int64)
    return np.array(texts, dtype=object)


def map_list(cell: Any, to: Callable[[Any], Any]) -> Any:
    """A list cell with something done to each of its members; other cells as they are."""
    return [to(word) for word in cell] if isinstance(cell, list) else cell


__all__ = [
    "as_kind",
    "as_series",
    "from_text",
    "integers_if_all_are",
    "lists",
    "map_list",
    "spelt_kinds",
    "without_empty_cells",
]
