"""Item files of any size as checked frames of a few thousand rows; types are those of `read_items`.

A csv says nothing of types, and the rule for one looks at the whole column: so it is read twice, once to see
what every column is, once to give it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from learn_recall import columns as c
from learn_recall.tables.csv_cells import as_kind, from_text, lists, spelt_kinds, without_empty_cells
from learn_recall.tables.csv_files import csv_header, csv_options, malformed_lines
from learn_recall.tables.files import format_of, unreadable
from learn_recall.tables.json_lines import from_json, json_rows, other_lines
from learn_recall.tables.packed import DAMAGED, open_bytes
from learn_recall.tables.parquet_files import from_arrow, lacking_columns, repeated_names
from learn_recall.tables.problems import Problem, TableError
from learn_recall.tables.rules import LIST_COLUMNS, Rules
from learn_recall.tables.schemas import inspect_items

Folders: TypeAlias = Mapping[Path, Mapping[str, str | None]]  # file -> column -> value of its folder
ROWS_AT_ONCE = 1 << 13
_READ_BYTES = 1 << 20
_MOST_PROBLEMS = 10
_RULES = Rules()
_LOG = logging.getLogger("learn_recall.tables")


def item_frames(files: Sequence[Path], folders: Folders | None = None) -> Iterator[pd.DataFrame]:
    """Read item files piece by piece, each piece checked as `read_items` checks a whole table.

    That an id stands twice is seen within a piece only; the job looks for it over all of them.

    Args:
        files: parquet, csv and jsonl, packed or not.
        folders: of the parquet files that lie in folders called `name=value`, those values.

    Yields:
        Frames of at most 8,192 rows, price as float64.

    Raises:
        TableError: what is wrong with the files: after the first problem the rest is read for up to ten.
    """
    folders = {} if folders is None else folders
    problems = _unlike(files, folders)
    if problems:
        raise TableError(problems)
    given = _columns_of(folders)
    warned: set[tuple[str, str]] = set()
    for path in files:
        first_row = 0
        for frame, wrong in _raw_frames(path):
            for name, value in folders.get(path, {}).items():
                if name not in frame:
                    cells, place = given[name]
                    frame[name] = cells.take([place[value]] * len(frame)).to_numpy()
            report = inspect_items(frame, table=str(path)) if len(frame) else None
            found = [*wrong, *(() if report is None else report.problems)]
            problems += [_moved(problem, first_row) for problem in found]
            if len(problems) >= _MOST_PROBLEMS:
                raise TableError(problems)
            for warning in () if report is None else report.warnings:
                if (warning.column, warning.expected) not in warned:
                    _LOG.warning("%s", _moved(warning, first_row))
                    warned.add((warning.column, warning.expected))
            first_row += len(frame)
            if not problems and len(frame):
                if c.PRICE in frame:
                    frame[c.PRICE] = pd.to_numeric(frame[c.PRICE]).astype("float64")
                yield frame
        if first_row == 0 and not problems:
            problems.append(
                Problem(str(path), "", "at least one row", "none", (), "check the file or the filter before")
            )
    if problems:
        raise TableError(problems)


def _unlike(files: Sequence[Path], folders: Folders) -> list[Problem]:
    """The columns that some of the parquet files lack."""
    parts = [path for path in files if format_of(path) == "parquet"]
    names = []
    for path in parts:
        try:
            names.append([*pq.read_schema(path).names, *folders.get(path, {})])
        except DAMAGED as error:
            return [unreadable(path, str(path), error)]
    return lacking_columns(parts, names, "items")


def _columns_of(folders: Folders) -> dict[str, tuple[pd.Series, dict[str | None, int]]]:
    """Column -> its cells, typed by all values as in a whole table, and each value's place in them."""
    places: dict[str, dict[str | None, int]] = {}
    for pairs in folders.values():
        for name, value in pairs.items():
            places.setdefault(name, {}).setdefault(value, len(places[name]))
    return {
        name: (from_text(pa.chunked_array([pa.array(list(found), pa.large_string())]), name, _RULES), found)
        for name, found in places.items()
    }


def _raw_frames(path: Path) -> Iterator[tuple[pd.DataFrame, list[Problem]]]:
    read = {"parquet": _parquet_frames, "csv": _csv_frames, "jsonl": _jsonl_frames}[format_of(path)]
    try:
        yield from read(path)
    except DAMAGED as error:
        yield pd.DataFrame(), [unreadable(path, str(path), error)]


def _parquet_frames(path: Path) -> Iterator[tuple[pd.DataFrame, list[Problem]]]:
    if repeated := repeated_names(path, str(path)):
        yield pd.DataFrame(), repeated
        return
    # without pre-buffering a row group of any size is read page by page
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES)
    for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
        table = pa.Table.from_batches([batch])
        yield pd.DataFrame({name: from_arrow(table[name], name, _RULES) for name in table.column_names}), []


def _csv_frames(path: Path) -> Iterator[tuple[pd.DataFrame, list[Problem]]]:
    header, problems = csv_header(path, str(path))
    if problems:
        yield pd.DataFrame(), problems
        return
    bad: list[Any] = []
    kinds: dict[str, list[pa.DataType]] = {}
    for table in _csv_tables(path, header, bad):
        for name in filter(lambda name: not _RULES.is_text(name), header):
            here = spelt_kinds(without_empty_cells(table[name]), is_id=_RULES.is_id(name))
            kinds[name] = [kind for kind in kinds.get(name, here) if kind in here]
    if bad:
        yield pd.DataFrame(), malformed_lines(bad, header, str(path))
    for table in _csv_tables(path, header, []):
        columns = {name: _csv_column(table[name], name, kinds.get(name)) for name in header}
        frame = pd.DataFrame(columns)
        for start in range(0, len(frame), ROWS_AT_ONCE):
            yield frame.iloc[start : start + ROWS_AT_ONCE].reset_index(drop=True), []


def _csv_tables(path: Path, header: list[str], bad: list[Any]) -> Iterator[pa.Table]:
    options = csv_options(header, bad)
    options["read_options"].block_size = _READ_BYTES
    with open_bytes(path) as file, pa_csv.open_csv(file, **options) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _csv_column(column: pa.ChunkedArray, name: str, kinds: list[pa.DataType] | None) -> pd.Series:
    column = without_empty_cells(column)
    if name in LIST_COLUMNS:
        return lists(column, name, is_whole=False)
    return as_kind(column, kinds[0], is_id=_RULES.is_id(name)) if kinds else column.to_pandas()


def _jsonl_frames(path: Path) -> Iterator[tuple[pd.DataFrame, list[Problem]]]:
    bad: list[tuple[int, str]] = []
    for rows in json_rows(path, ROWS_AT_ONCE, bad):
        names = dict.fromkeys(name for row in rows for name in row)
        cells = {name: [row.get(name) for row in rows] for name in names}
        yield pd.DataFrame({name: from_json(cells[name], is_id=_RULES.is_id(name)) for name in names}), []
    if bad:
        yield pd.DataFrame(), other_lines(bad, str(path))


def _moved(problem: Problem, n_rows: int) -> Problem:
    return replace(problem, first_rows=tuple(row + n_rows for row in problem.first_rows))


__all__ = ["ROWS_AT_ONCE", "item_frames"]
