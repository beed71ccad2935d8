"""What must hold between tables: the same kind of id, items that are known, contexts that fit their rows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.store.ids import as_id_array, id_kind
from learn_recall.tables.column_checks import TableCheck, column_kind
from learn_recall.tables.problems import SHOWN_ROWS, Problem, TableError, ValidationReport, counted
from learn_recall.tables.rules import ID_COLUMNS, LIST_COLUMNS

_Tables = Mapping[str, pd.DataFrame]


def check_same_ids(items: pd.DataFrame, tables: _Tables, *, is_unknown_allowed: bool = False) -> None:
    """Check that ids and every other shared column are of one kind in all tables, and each item in `items`.

    Args:
        items: validated items.
        tables: name -> validated interactions, impressions or contexts (their histories count too).
        is_unknown_allowed: check the kinds only.

    Raises:
        TableError: every column that is of another kind in another table, and every table that holds unknown
            items, with the first of them.
    """
    problems = [*_kind_problems({"items": items, **tables}), *shared_kinds({"items": items, **tables})]
    if not problems and not is_unknown_allowed:
        known = pd.Index(items[c.ITEM_ID])
        for name, frame in tables.items():
            problems.extend(_unknown_problems(name, frame, known))
    if problems:
        raise TableError(problems)


def drop_unknown_items(
    items: pd.DataFrame, tables: _Tables
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """Leave out what refers to items that are not in `items`, and count it.

    Args:
        items: validated items.
        tables: name -> interactions, impressions or contexts. Rows of an unknown item go; a context stays and
            loses the unknown items of its history.

    Returns:
        The tables (new frames, index from 0), and how many rows of each went (of contexts: history entries).

    Raises:
        TableError: ids of different kinds, or a table of which nothing would be left.
    """
    check_same_ids(items, tables, is_unknown_allowed=True)
    known = pd.Index(items[c.ITEM_ID])
    kept, dropped = {}, {}
    for name, frame in tables.items():
        result = frame
        dropped[name] = 0
        if c.ITEM_ID in frame:
            is_known = frame[c.ITEM_ID].isin(known)
            dropped[name] += int((~is_known).sum())
            result = frame[is_known].reset_index(drop=True)
        if c.HISTORY in frame:
            entries = _entries(result)
            is_known = entries.isin(known)
            dropped[name] += int((~is_known).sum())
            beside = [column for column in (c.HISTORY, c.HISTORY_CONVERTED) if column in result]
            result = result.assign(**{column: _kept(result[column], is_known) for column in beside})
        kept[name] = result
    emptied = [name for name, frame in kept.items() if len(frame) == 0 and dropped[name]]
    if emptied:
        raise TableError(
            Problem(
                name,
                c.ITEM_ID,
                "at least one row of an item that is in the table items",
                f"none in {dropped[name]:,}, first {tables[name][c.ITEM_ID].iloc[0]!r}",
                (),
                "check that both tables spell the items' ids alike",
            )
            for name in emptied
        )
    return kept, dropped


def check_contexts(
    impressions: pd.DataFrame, contexts: pd.DataFrame, *, table: str = "impressions"
) -> ValidationReport:
    """Check that each row's context exists, is of the row's user, and is not newer than the row.

    Args:
        impressions: validated, with context_id.
        contexts: Validated.
        table: name for errors.

    Returns:
        A report whose warning counts the rows that have their own item in their context's history: right
        where a user met the item before, a leak where the history holds the very event of the row.

    Raises:
        TableError: unknown contexts, contexts of another user, or newer than their row.
    """
    problems = _kind_problems({table: impressions, "contexts": contexts})
    if problems:
        raise TableError(problems)
    index = pd.Index(contexts[c.CONTEXT_ID])
    place = index.get_indexer(pd.Index(impressions[c.CONTEXT_ID]))
    is_known = place >= 0
    problems += _rows(
        impressions,
        table,
        c.CONTEXT_ID,
        ~is_known,
        expected="a context_id of the table contexts",
        remedy="add these contexts",
    )
    rows, at = np.flatnonzero(is_known), place[is_known]
    is_other = np.zeros(len(impressions), dtype=bool)
    users, owners = as_id_array(impressions[c.USER_ID]), as_id_array(contexts[c.USER_ID])
    is_other[rows] = users[rows] != owners[at]
    problems += _rows(
        impressions,
        table,
        c.USER_ID,
        is_other,
        expected="the user of the row's context",
        remedy="correct the context_id",
    )
    if c.TIMESTAMP in impressions and c.TIMESTAMP in contexts:
        is_newer = np.zeros(len(impressions), dtype=bool)
        seconds = contexts[c.TIMESTAMP].to_numpy(np.float64)[at]
        is_newer[rows] = seconds > impressions[c.TIMESTAMP].to_numpy(np.float64)[rows]
        problems += _rows(
            impressions,
            table,
            c.TIMESTAMP,
            is_newer,
            expected="a context that is not newer than the row",
            remedy="make the context from events before the impression",
        )
    if problems:
        raise TableError(problems)
    own = _has_own_item(as_id_array(impressions[c.ITEM_ID]), place, contexts)
    warnings = _rows(
        impressions,
        table,
        c.ITEM_ID,
        own,
        expected="not in the row's own history",
        remedy="see that it is an earlier event",
    )
    return ValidationReport(table, len(impressions), (), tuple(warnings))


def _has_own_item(items: np.ndarray, place: np.ndarray, contexts: pd.DataFrame) -> np.ndarray:
    entries = _entries(contexts)
    pairs = pd.MultiIndex.from_arrays([entries.index, entries.to_numpy()]).unique()
    return pd.MultiIndex.from_arrays([place, items]).isin(pairs)


def _kept(lists: pd.Series, is_kept: pd.Series) -> pd.Series:
    """Cut lists that stand beside the histories at the same places.

    Args:
        lists: (n,) lists, as long as the histories.
        is_kept: of each entry of the histories, as `_entries` lists them, whether it stays.
    """
    flat = pd.Series([value for cell in lists for value in cell], dtype=object, index=is_kept.index)
    cut = flat[is_kept].groupby(level=0).agg(list).reindex(range(len(lists)))
    cells = [cell if isinstance(cell, list) else [] for cell in cut]
    return pd.Series(cells, dtype=object, index=lists.index)


def _entries(contexts: pd.DataFrame) -> pd.Series:
    """All history entries in order, indexed by the row number of their context."""
    cells = contexts[c.HISTORY].to_list()
    flat = [item for cell in cells for item in cell]
    return pd.Series(as_id_array(flat), index=np.repeat(np.arange(len(cells)), [len(cell) for cell in cells]))


def _kind_problems(tables: _Tables) -> list[Problem]:
    problems = []
    for column in (c.ITEM_ID, c.USER_ID, c.CONTEXT_ID):
        kinds = {}
        for name, frame in tables.items():
            if column in frame:
                kinds[name] = id_kind(as_id_array(frame[column], name=f"{name}, column {column}"))
            elif column == c.ITEM_ID and c.HISTORY in frame and len(entries := _entries(frame)):
                kinds[name] = id_kind(as_id_array(entries))
        if len(set(kinds.values())) > 1:
            got = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
            remedy = 'cast the column to one kind in every table; in Python ids="string" reads all as text'
            problems.append(
                Problem(", ".join(kinds), column, "one kind of id in all tables", got, (), remedy)
            )
    return problems


def with_plain_ids(frame: pd.DataFrame, *, table: str) -> pd.DataFrame:
    """The frame with its unsigned ids as int64, so that no union with signed ones makes floats of both.

    Args:
        frame: a table of a caller, which no reader has seen; it is not changed.
        table: name for errors.

    Raises:
        TableError: ids that are floats, or beyond 64 bits with a sign.
    """
    check = TableCheck(frame, table)
    numbers = [name for name in ID_COLUMNS if name in frame and frame[name].dtype.kind in "uf"]
    if not all([check.kind_of_ids(name) for name in numbers]):
        raise TableError(problem for problem in check.problems if problem.column)
    return frame.astype(dict.fromkeys(numbers, "int64")) if numbers else frame


def shared_kinds(tables: _Tables) -> list[Problem]:
    """The problems of columns, ids apart, that hold integers in one table and, say, text in another.

    Not compared are the labels, which may be 0 and 1 or false and true, the list columns, which may hold text
    as well, and columns that are empty in all rows.
    """
    problems = []
    not_compared = {*ID_COLUMNS, *LIST_COLUMNS, c.CLICK, c.CONVERSION}
    for column in dict.fromkeys(
        name for frame in tables.values() for name in frame if name not in not_compared
    ):
        holders = {name: frame[column] for name, frame in tables.items() if column in frame}
        if len(holders) < 2:
            continue
        found = {name: kind for name, values in holders.items() if (kind := column_kind(values)) != "empty"}
        if len({"number" if kind == "integer" else kind for kind in found.values()}) > 1:
            got = ", ".join(f"{kind} in {name}" for name, kind in found.items())
            remedy = (
                "write the column with one type in every table, or leave it out where it differs; "
                "a csv column whose every cell spells a number is read as numbers, a categorical one as text"
            )
            expected = "one kind of value in all tables"
            problems.append(Problem(", ".join(found), str(column), expected, got, (), remedy))
    return problems


def _unknown_problems(name: str, frame: pd.DataFrame, known: pd.Index) -> list[Problem]:
    expected = "item ids that are in the table items"
    remedy = (
        "add them to items (a short title will do), or leave them out with --drop-unknown-items "
        "(drop_unknown_items), which counts"
    )
    problems = []
    if c.ITEM_ID in frame:
        is_unknown = ~frame[c.ITEM_ID].isin(known).to_numpy()
        problems += _rows(frame, name, c.ITEM_ID, is_unknown, expected=expected, remedy=remedy)
    if c.HISTORY in frame:
        entries = _entries(frame)
        unknown = entries[~entries.isin(known)]
        if len(unknown):
            first = ", ".join(repr(item) for item in unknown.iloc[:SHOWN_ROWS].tolist())
            got = f"{len(unknown):,} entries of {counted(unknown.nunique(), 'unknown item')}, first {first}"
            rows = tuple(int(row) for row in unknown.index.unique()[:SHOWN_ROWS])
            problems.append(Problem(name, c.HISTORY, expected, got, rows, remedy))
    return problems


def _rows(
    frame: pd.DataFrame, table: str, column: str, is_wrong: np.ndarray, *, expected: str, remedy: str
) -> list[Problem]:
    rows = np.flatnonzero(is_wrong)
    if len(rows) == 0:
        return []
    values = frame[column].iloc[rows]
    first = ", ".join(repr(value) for value in values.iloc[:SHOWN_ROWS].tolist())
    got = f"{counted(len(rows), 'row')} with {counted(values.nunique(), 'value')}, first {first}"
    return [Problem(table, column, expected, got, tuple(int(row) for row in rows[:SHOWN_ROWS]), remedy)]


__all__ = ["check_contexts", "check_same_ids", "drop_unknown_items", "shared_kinds", "with_plain_ids"]
