"""What a csv says: nothing of types; the rules at the head of `learn_recall.tables.files` give them."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from learn_recall.tables.csv_cells import from_text
from learn_recall.tables.packed import open_bytes, open_text, refuse_nul
from learn_recall.tables.problems import SHOWN_ROWS, Problem, counted
from learn_recall.tables.quotes import broken_quotes
from learn_recall.tables.rules import Rules


def read_csv(path: Path, table: str, rules: Rules) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read a csv; the lines with another number of cells are left out and come back as a problem."""
    header, problems = csv_header(path, table)
    if problems:
        return None, problems
    bad: list[Any] = []
    with open_bytes(path) as file:
        arrow = pa_csv.read_csv(file, **csv_options(header, bad))
    frame = pd.DataFrame({name: from_text(arrow[name], name, rules) for name in arrow.column_names})
    return frame, malformed_lines(bad, header, table)


def csv_header(path: Path, table: str) -> tuple[list[str], list[Problem]]:
    """The names in the first line of a csv, and what is wrong with them or with the quotes of the file."""
    refuse_nul(path)
    try:
        with open_text(path) as file:
            header = next(csv.reader(file), [])
    except csv.Error:  # a name of more than 131,072 characters
        return [], broken_quotes(path, [""], table) or [_no_header("a first line without an end", table)]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if len(header) == 1 and (sign := next((each for each in ";\t|" if each in header[0]), None)):
        got = f"one name with {sign!r} in it: {header[0][:60]!r}"
        remedy = "write the file again with commas between the cells"
        return header, [Problem(table, "", "cells that commas separate", got, (), remedy)]
    if header and not repeated:
        return header, broken_quotes(path, header, table)
    return header, [
        _no_header(f"{', '.join(repeated)} more than once" if repeated else "an empty file", table)
    ]


def _no_header(got: str, table: str) -> Problem:
    remedy = "write one header line with distinct names"
    return Problem(table, "", "a header with distinct names", got, (), remedy)


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


__all__ = ["csv_header", "csv_options", "malformed_lines", "read_csv"]
