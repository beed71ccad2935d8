"""Quotes of a csv that open and never close, or close rows later: a reader would swallow the rows between.

A file without a quote cannot have them. Another one is read once by Python's parser in its strict form,
which refuses a quote that closes inside a cell or not at all. What it cannot see is a quote that happens to
close at the end of a cell, some rows later. There each line, taken alone, is a row: as many cells as the
header has, and an id of the same shape. A text of several lines that looks like that is refused, too.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from learn_recall.tables.packed import open_bytes, open_text
from learn_recall.tables.problems import Problem
from learn_recall.tables.rules import ID_COLUMNS

_INTEGER, _WORD = re.compile(r"-?[0-9]+"), re.compile(r"[^\s\"]+")
_AT_ONCE = 1 << 20
_MOST_PROBLEMS = 5
_EXPECTED = "each quote that opens a cell to close at the end of that cell"
_REMEDY = (
    'write a quote inside a cell twice, in a quoted cell ("12"" pan"), or take it out; '
    "where a cell really has several lines, put blanks for its line ends, or write parquet"
)


def broken_quotes(path: Path, header: list[str], table: str) -> list[Problem]:
    """The quotes of a csv that swallow what is behind them, with the lines in which they open; else nothing.

    Args:
        path: the csv, packed or not.
        header: its column names.
        table: name for the problems.
    """
    if not _holds(path, b'"'):
        return []
    found: list[str] = []
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with open_text(path) as file:
            for said in _said_of(file, header):
                found.append(said)
                if len(found) == _MOST_PROBLEMS:
                    break
    finally:
        csv.field_size_limit(limit)
    return [Problem(table, "", _EXPECTED, said, (), _REMEDY) for said in found]


def _holds(path: Path, sign: bytes) -> bool:
    with open_bytes(path) as file:
        while chunk := file.read(_AT_ONCE):
            if sign in chunk:
                return True
    return False


def _said_of(file: Iterable[str], header: list[str]) -> Iterator[str]:
    lines: list[str] = []

    def noted() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line

    reader = csv.reader(noted(), strict=True)
    id_at = next((place for place, name in enumerate(header) if name in ID_COLUMNS), 0)
    while True:
        first = reader.line_num + 1
        lines.clear()
        try:
            if next(reader, None) is None:
                return
        except csv.Error:
            where = f"line {first:,}: a quote opens a cell in {_short(lines[0])}"
            if reader.line_num > first:
                where += f", and no line up to {reader.line_num:,} closes it at the end of a cell"
            else:
                where += ", and does not close at the end of a cell"
            yield where
            return
        if len(lines) > 1 and _are_rows(lines, len(header), id_at):
            last = first + len(lines) - 1
            yield (
                f"line {first:,}: a quote opens a cell in {_short(lines[0])} and closes in line {last:,}, "
                f"while each line up to there is a row of {len(header)} cells by itself"
            )


def _are_rows(lines: list[str], n_cells: int, id_at: int) -> bool:
    if n_cells < 2:
        return False
    rows: list[list[Any]] = [line.rstrip("\r\n").split(",") for line in lines]
    if any(len(row) != n_cells for row in rows):
        return False
    own, *others = (row[id_at] for row in rows)
    shape = _INTEGER if _INTEGER.fullmatch(own) else _WORD
    return all(shape.fullmatch(cell) for cell in (own, *others))


def _short(line: str) -> str:
    text = line.rstrip("\r\n")
    return repr(text if len(text) <= 60 else text[:57] + "...")


__all__ = ["broken_quotes"]
