"""What jsonl says: one object in each line, whose values keep their types."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.tables.packed import open_text, refuse_nul
from learn_recall.tables.problems import SHOWN_ROWS, Problem, counted
from learn_recall.tables.rules import Rules

_LINES_AT_ONCE = 10_000
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair that is one character, or by itself


def read_jsonl(path: Path, table: str, rules: Rules) -> tuple[pd.DataFrame, list[Problem]]:
    """Read a jsonl file; lines that hold no object are left out and come back as a problem."""
    values: dict[str, list[Any]] = {}
    n_rows = 0
    bad: list[tuple[int, str]] = []
    for rows in json_rows(path, _LINES_AT_ONCE, bad):
        for name in dict.fromkeys(name for row in rows for name in row):
            cells = values.setdefault(name, [])
            cells.extend([None] * (n_rows - len(cells)))
            cells.extend([row.get(name) for row in rows])
        n_rows += len(rows)
    for cells in values.values():
        cells.extend([None] * (n_rows - len(cells)))
    frame = pd.DataFrame({name: from_json(cells, is_id=rules.is_id(name)) for name, cells in values.items()})
    return frame, other_lines(bad, table)


def json_rows(path: Path, lines_at_once: int, bad: list[tuple[int, str]]) -> Iterator[list[dict[str, Any]]]:
    """The objects of a jsonl file, piece by piece; other lines are noted in `bad`."""
    refuse_nul(path)
    with open_text(path) as file:
        numbered_lines = enumerate(file)
        while lines := list(islice(numbered_lines, lines_at_once)):
            rows, wrong = _objects_of(lines)
            bad += wrong
            yield rows


def other_lines(bad: list[tuple[int, str]], table: str) -> list[Problem]:
    """The problem of lines that are no JSON object; none where there are none."""
    if not bad:
        return []
    got = f"{counted(len(bad), 'other line')}, e.g. {bad[0][1].strip()[:60]!r}"
    rows_of_bad = tuple(number for number, _ in bad[:SHOWN_ROWS])
    remedy = "write the file with one object per line (rows named below do not count these lines)"
    expected = "one JSON object in each line, each name once in it, text of whole characters"
    return [Problem(table, "", expected, got, rows_of_bad, remedy)]


def _objects_of(lines: Sequence[tuple[int, str]]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Parse lines at one go, and one by one only if that fails; give the objects and the other lines."""
    filled = [(number, line) for number, line in lines if line.strip()]
    try:
        rows = json.loads("[" + ",".join(line for _, line in filled) + "]", object_pairs_hook=_distinct)
        is_whole = all(line.lstrip().startswith("{") and not _has_half(line) for _, line in filled)
        if len(rows) == len(filled) and is_whole:
            return rows, []
    except ValueError:
        pass
    rows, wrong = [], []
    for number, line in filled:
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except ValueError:
            row = None
        if isinstance(row, dict) and not _has_half(line):
            rows.append(row)
        else:
            wrong.append((number, line))
    return rows, wrong


def _has_half(line: str) -> bool:
    """Whether a line escapes half of a character, which is no text and cannot be written anywhere."""
    if not _ESCAPED_HALF.search(line):
        return False
    try:
        return not _is_text(json.loads(line))
    except ValueError:
        return True


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, unless a name stands twice in it: the last value would win without a word."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice in an object")
    return found


def from_json(cells: list[Any], *, is_id: bool) -> pd.Series:
    """The cells of one name of a jsonl file as a column."""
    kinds = set(map(type, cells)) - {type(None)}
    has_empty = any(cell is None for cell in cells)
    if kinds == {bool} and has_empty:
        return pd.Series(pd.array(cells, dtype="boolean"))
    if not is_id and kinds and kinds <= {int, float} and (has_empty or len(kinds) == 2):
        is_exact = all(abs(cell) <= 2**53 for cell in cells if type(cell) is int)
        if is_exact:
            return pd.Series([np.nan if cell is None else cell for cell in cells], dtype="float64")
    if kinds == {str}:
        return pd.Series(cells, dtype="str")
    if len(kinds) == 1 and kinds <= {int, float, bool} and not has_empty:
        series = pd.Series(cells)
        return series if series.dtype.kind in "ifb" else series.astype(object)
    return pd.Series(cells, dtype=object)


__all__ = ["from_json", "json_rows", "other_lines", "read_jsonl"]
