"""The canonical tables: read from files, checked, and given in one form. See docs/tables.md.

A reader returns a frame that has passed every check of its table, or raises `TableError` with all problems of
the file at once. What is merely odd is logged as a warning (logger `learn_recall.tables`); `validate_*` gives
the same as a `ValidationReport`. No row is ever dropped here but by `drop_unknown_items`, which counts.
"""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.tables.column_checks import TableCheck
from learn_recall.tables.files import read_raw
from learn_recall.tables.links import check_contexts, check_same_ids, drop_unknown_items
from learn_recall.tables.problems import Problem, TableError, ValidationReport
from learn_recall.tables.rules import ID_COLUMNS, IdsAs, Rules
from learn_recall.tables.schemas import (
    inspect_contexts,
    inspect_impressions,
    inspect_interactions,
    inspect_items,
)

_LOG = logging.getLogger(__name__)
_PathLike = str | os.PathLike[str]
_Inspect = Callable[..., ValidationReport]


def read_table(
    path: _PathLike,
    *,
    ids: IdsAs = "auto",
    id_columns: Collection[str] = (),
    as_text: Collection[str] = (),
    columns: Sequence[str] | None = None,
    table: str | None = None,
    has_lists: bool = True,
) -> pd.DataFrame:
    """Read any table; of its columns only the ids are checked, to be int64 or text.

    Args:
        path: A .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz file, or a folder of .parquet parts.
        ids: "auto" keeps ids as the file has them; a csv id column becomes int64 only if every cell is an
            integer in its canonical spelling, so "007" stays text. "string" makes every id text.
        id_columns: columns that hold ids besides `ID_COLUMNS`.
        as_text: further columns of a csv that must stay text.
        columns: the columns to give, in this order; None gives all.
        table: name for errors; None is the path.
        has_lists: whether `keywords`, `attributes` and `history` of a csv are lists, as in the canonical
            tables; in a table of another kind they may be numbers.

    Raises:
        TableError: nothing there, another format, damaged, not UTF-8, lines that are malformed, ids
            that are neither integers of 64 bits nor text, or a column that was asked for and is not there.
    """
    name = _name(path, table)
    rules = Rules(ids, tuple(id_columns), tuple(as_text), has_lists)
    frame, problems = read_raw(Path(path), table=name, rules=rules)
    if problems or frame is None:
        raise TableError(problems)
    missing = [column for column in columns or () if column not in frame]
    if missing:
        got = f"columns {', '.join(map(str, frame.columns))}"
        raise TableError(
            Problem(name, column, f"a column {column}", got, (), "add it, or rename yours")
            for column in missing
        )
    check = TableCheck(frame, name)
    for column in filter(rules.is_id, frame.columns):
        check.kind_of_ids(column)
    wrong = [problem for problem in check.problems if problem.column]
    if wrong:
        raise TableError(wrong)
    return frame if columns is None else frame[list(columns)]


def read_items(path: _PathLike, *, ids: IdsAs = "auto") -> pd.DataFrame:
    """Read items: item_id, title, any of category, brand, price, keywords, attributes, further columns.

    Returns:
        The frame, price as float64 (also where the file has "9.99").

    Raises:
        TableError: everything that is wrong with the file.
    """
    frame = _read(path, inspect_items, ids=ids)
    if c.PRICE in frame:
        frame[c.PRICE] = pd.to_numeric(frame[c.PRICE]).astype("float64")
    return frame


def read_interactions(path: _PathLike, *, ids: IdsAs = "auto") -> pd.DataFrame:
    """Read interactions: user_id, item_id, and timestamp (unix seconds) or position (0 = oldest).

    Raises:
        TableError: everything that is wrong with the file.
    """
    return _read(path, inspect_interactions, ids=ids)


def read_impressions(
    path: _PathLike,
    *,
    dense: Collection[str] = (),
    categorical: Collection[str] = (),
    ids: IdsAs = "auto",
) -> pd.DataFrame:
    """Read impressions: user_id, item_id, click, conversion; any of timestamp, value, request_id, context_id.

    Args:
        path: see `read_table`.
        dense: further columns with a finite number in each row.
        categorical: further columns with an integer or text in each row; from a csv they stay text, so that
            train and test agree whatever values happen to be in them.
        ids: see `read_table`.

    Returns:
        The frame; click int8, conversion float32 with NaN where not clicked, value float64, dense float64.

    Raises:
        TableError: everything that is wrong with the file.
    """
    frame = _read(path, inspect_impressions, ids=ids, dense=dense, categorical=categorical)
    frame[c.CLICK] = frame[c.CLICK].astype("int8")
    conversion = frame[c.CONVERSION].to_numpy(dtype=np.float32, na_value=np.nan)
    frame[c.CONVERSION] = np.where(frame[c.CLICK] == 1, conversion, np.float32(np.nan))
    for name in dict.fromkeys([*dense, *({c.VALUE} & set(frame))]):
        frame[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return frame


def read_contexts(path: _PathLike, *, ids: IdsAs = "auto") -> pd.DataFrame:
    """Read contexts: context_id, user_id, history (list of item_id, oldest first); optional timestamp.

    In a csv a history is ids between blanks (`12 7 30`) or a JSON list (`["a", "b"]`).

    Raises:
        TableError: everything that is wrong with the file.
    """
    return _read(path, inspect_contexts, ids=ids)


def read_together(readers: Mapping[str, Callable[[], pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Read several tables and raise one error with the problems of all of them.

    Args:
        readers: name -> function without arguments that reads the table.

    Raises:
        TableError: the problems of every table that has some.

    Example:
        >>> read_together({"items": lambda: read_items("no/such.csv"), "test": lambda: read_items("none")})
        Traceback (most recent call last):
        ...
        learn_recall.tables.problems.TableError: 2 problems in the tables
        ...
    """
    frames: dict[str, pd.DataFrame] = {}
    problems: list[Problem] = []
    for name, reader in readers.items():
        try:
            frames[name] = reader()
        except TableError as error:
            problems.extend(error.problems)
    if problems:
        raise TableError(problems)
    return frames


def validate_items(frame: pd.DataFrame, *, table: str = "items") -> ValidationReport:
    """Check items; give the report with its warnings, or raise `TableError` with every problem."""
    return _validated(inspect_items(frame, table=table))


def validate_interactions(frame: pd.DataFrame, *, table: str = "interactions") -> ValidationReport:
    """Check interactions; give the report with its warnings, or raise `TableError` with every problem."""
    return _validated(inspect_interactions(frame, table=table))


def validate_impressions(
    frame: pd.DataFrame,
    *,
    dense: Collection[str] = (),
    categorical: Collection[str] = (),
    table: str = "impressions",
) -> ValidationReport:
    """Check impressions; give the report with its warnings, or raise `TableError` with every problem."""
    return _validated(inspect_impressions(frame, dense=dense, categorical=categorical, table=table))


def validate_contexts(frame: pd.DataFrame, *, table: str = "contexts") -> ValidationReport:
    """Check contexts; give the report with its warnings, or raise `TableError` with every problem."""
    return _validated(inspect_contexts(frame, table=table))


def _read(path: _PathLike, inspect: _Inspect, *, ids: IdsAs, **features: Collection[str]) -> pd.DataFrame:
    name = _name(path, None)
    rules = Rules(ids, further_texts=tuple(features.get("categorical", ())))
    frame, problems = read_raw(Path(path), table=name, rules=rules)
    if frame is None:
        raise TableError(problems)
    report = inspect(frame, table=name, **features)
    if problems or report.problems:
        raise TableError([*problems, *report.problems])
    for warning in report.warnings:
        _LOG.warning("%s", warning)
    return frame


def _validated(report: ValidationReport) -> ValidationReport:
    report.raise_if_wrong()
    return report


def _name(path: _PathLike, table: str | None) -> str:
    return os.fspath(path) if table is None else table


__all__ = [
    "ID_COLUMNS",
    "Problem",
    "TableError",
    "ValidationReport",
    "check_contexts",
    "check_same_ids",
    "drop_unknown_items",
    "read_contexts",
    "read_impressions",
    "read_interactions",
    "read_items",
    "read_table",
    "read_together",
    "validate_contexts",
    "validate_impressions",
    "validate_interactions",
    "validate_items",
]
