"""What a csv says: nothing of types; the rules at the head of `learn_recall.tables.files` give them."""

import csv
import gzip
import json
from collections.abc import Callable, Collection, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from learn_recall import columns as c
from learn_recall.tables.problems import SHOWN_ROWS, Problem, counted

ID_COLUMNS = (c.USER_ID, c.ITEM_ID, c.CONTEXT_ID, c.REQUEST_ID)
TEXT_COLUMNS = (c.TITLE, c.CATEGORY, c.BRAND, c.KEYWORDS, c.ATTRIBUTES)
LIST_COLUMNS = (c.KEYWORDS, c.ATTRIBUTES, c.HISTORY, c.HISTORY_CONVERTED)
_FLAGS = {"0": False, "1": True, "false": False, "true": True}
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(inf|Inf|Infinity)$"
_EMPTY_WORDS = pa.array(["NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"])


def read_csv(path: Path, table: str, as_text: Collection[str]) -> tuple[pd.DataFrame, list[Problem]]:
    """Read a csv; the lines with another number of cells are left out and come back as a problem."""
    header, problems = csv_header(path, table)
    if problems:
        return pd.DataFrame(), problems
    bad: list[Any] = []
    arrow = pa_csv.read_csv(path, **csv_options(header, bad))
    frame = pd.DataFrame({name: _from_text(arrow[name], name, as_text) for name in arrow.column_names})
    return frame, malformed_lines(bad, header, table)


def csv_header(path: Path, table: str) -> tuple[list[str], list[Problem]]:
    """The names in the first line of a csv, and what is wrong with them."""
    with open_text(path) as file:
        header = next(csv.reader(file), [])
    repeated = sorted({name for name in header if header.count(name) > 1})
    if header and not repeated:
        return header, []
    got = f"{', '.join(repeated)} more than once" if repeated else "an empty file"
    remedy = "write one header line with distinct names"
    return header, [Problem(table, "", "a header with distinct names", got, (), remedy)]


def csv_options(header: list[str], bad: list[Any]) -> dict[str, Any]:
    """How a csv is read: every column as text; lines of another length are noted in `bad`."""

    def note(row: Any) -> str:
        bad.append(row)
        return "skip"

    return {
        "read_options": pa_csv.ReadOptions(use_threads=False),  # so that bad rows have their line number
        "parse_options": pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        "convert_options": pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in header}, strings_can_be_null=False
        ),
    }


def malformed_lines(bad: list[Any], header: list[str], table: str) -> list[Problem]:
    """The problem of lines with another number of cells; none where there are none."""
    if not bad:
        return []
    example = f"{bad[0].actual_columns} in {str(bad[0].text)[:60]!r}"
    got = f"{counted(len(bad), 'line')} with another number, e.g. {example}"
    return [
        Problem(
            table,
            "",
            f"{len(header)} cells in each line",
            got,
            tuple(row.number - 2 for row in bad[:SHOWN_ROWS] if row.number is not None),
            'put text with commas or line ends in "quotes" (rows named below do not count these lines)',
        )
    ]


def _from_text(column: pa.ChunkedArray, name: str, as_text: Collection[str]) -> pd.Series:
    """Type a csv column, by the rules at the top of this file."""
    column = without_empty_cells(column)
    if name in LIST_COLUMNS:
        cells = [as_list(cell, name) for cell in column.to_pylist()]
        return pd.Series(_as_integers(cells) if name == c.HISTORY else cells, dtype=object)
    if name in TEXT_COLUMNS or name in as_text:
        return column.to_pandas()
    for kind in number_kinds(column, name):
        return as_numbers(column, name, kind)
    return column.to_pandas()


def number_kinds(column: pa.ChunkedArray, name: str) -> list[pa.DataType]:
    """The types that every cell of a text column, or of a part of one, can be read as; best first."""
    kinds = []
    cleaned = _without_empty_words(column, name)
    for pattern, kind in ((_INTEGER, pa.int64()), (_NUMBER, pa.float64()))[: 1 if name in ID_COLUMNS else 2]:
        if pc.all(pc.match_substring_regex(cleaned, pattern), min_count=0).as_py():
            try:
                cleaned.cast(kind)
            except pa.ArrowInvalid:
                continue  # an integer beyond 64 bits
            kinds.append(kind)
    return kinds


def as_numbers(column: pa.ChunkedArray, name: str, kind: pa.DataType) -> pd.Series:
    """A text column as one of the types that `number_kinds` found."""
    cleaned = _without_empty_words(column, name)
    return cleaned.cast(kind).to_pandas(integer_object_nulls=name in ID_COLUMNS)


def without_empty_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A csv column with missing values where its cells are empty."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _without_empty_words(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if name in ID_COLUMNS:
        return column
    return pc.if_else(pc.is_in(column, value_set=_EMPTY_WORDS), pa.scalar(None, pa.string()), column)


def as_list(cell: str | None, name: str) -> Any:
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
    if not pc.all(pc.match_substring_regex(pa.array(words), _INTEGER)).as_py():
        return cells
    return [map_list(cell, int) for cell in cells]


def integers_if_all_are(texts: Sequence[str]) -> np.ndarray:
    """Ids as int64 if every one is an integer in its canonical spelling, else as the text they are."""
    if texts and number_kinds(pa.chunked_array([texts]), c.ITEM_ID):
        return np.array(texts, dtype=np.int64)
    return np.array(texts, dtype=object)


def map_list(cell: Any, to: Callable[[Any], Any]) -> Any:
    """A list cell with something done to each of its members; other cells as they are."""
    return [to(word) for word in cell] if isinstance(cell, list) else cell


def open_text(path: Path) -> TextIOWrapper:
    """Open a text file, packed or not."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")


__all__ = [
    "ID_COLUMNS",
    "LIST_COLUMNS",
    "TEXT_COLUMNS",
    "as_list",
    "as_numbers",
    "csv_header",
    "csv_options",
    "integers_if_all_are",
    "malformed_lines",
    "map_list",
    "number_kinds",
    "open_text",
    "read_csv",
    "without_empty_cells",
]
