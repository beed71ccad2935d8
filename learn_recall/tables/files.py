"""Files to data frames: parquet, csv, csv.gz, jsonl, jsonl.gz, or a folder of parquet parts.

Ids stay what the user has. Parquet and JSON say themselves what an id is. A csv does not, so there the rule
is, for one id column of one file: if *every* cell is an integer in its one canonical spelling (`0`, `12`,
`-3`; no leading zero, plus sign, blank or point) that fits into 64 bits, the column is int64; else it is
text, all of it. `007` thus stays `007`, and 9007199254740993 stays exact. Where one file of a data set has
such a cell and another has none, read all of them with `ids="string"`.

Text columns (title, category, brand, keywords, attributes) are never interpreted: a film may be called 1984
or NA. An empty csv cell is a missing value. Any other column is numbers if every filled cell spells one,
where NA, N/A, NaN, NULL, None and \\N count as empty, else text. The rules look at the whole column, never at
a sample.
"""

import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall import columns as c
from learn_recall.tables.csv_files import (
    ID_COLUMNS,
    LIST_COLUMNS,
    TEXT_COLUMNS,
    map_list,
    open_text,
    read_csv,
)
from learn_recall.tables.problems import SHOWN_ROWS, Problem, counted

IdsAs = Literal["auto", "string"]
FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")

_LINES_AT_ONCE = 10_000
DAMAGED = (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException)


def read_raw(
    path: Path, *, table: str, ids: IdsAs, as_text: Collection[str]
) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read one file or folder; what cannot be read comes back as problems, with the rest of the rows.

    Args:
        path: the file, or a folder of parquet parts (read in the order of their names).
        table: name for the problems.
        ids: "auto" keeps ids as said above; "string" makes every id text.
        as_text: further columns that a csv must not interpret.
    """
    reader = _reader_of(path)
    if reader is None:
        return None, [
            Problem(
                table,
                "",
                f"a file that ends in {', '.join(FORMATS)}, or a folder with .parquet parts",
                str(path) if path.exists() else f"{path}, where nothing is",
                (),
                "correct the path, or convert the file",
            )
        ]
    try:
        frame, problems = reader(path, table, as_text)
    except DAMAGED as error:
        remedy = "copy or export the file again, as UTF-8"
        return None, [Problem(table, "", "a readable file", f"{path}: {error}", (), remedy)]
    if ids == "string":
        for name in _present(ID_COLUMNS, frame):
            frame[name] = frame[name].map(integer_as_text)
        if c.HISTORY in frame:
            frame[c.HISTORY] = [map_list(cell, integer_as_text) for cell in frame[c.HISTORY]]
    return frame, problems


def _reader_of(path: Path) -> Any:
    if path.is_dir():
        return _read_parquet if any(path.glob("*.parquet")) else None
    readers = {"parquet": _read_parquet, "csv": read_csv, "jsonl": _read_jsonl}
    name = path.name.removesuffix(".gz")
    if not path.is_file() or not path.name.endswith(FORMATS):
        return None
    return readers[name.rsplit(".", 1)[1]]


def _read_parquet(path: Path, table: str, as_text: Collection[str]) -> tuple[pd.DataFrame, list[Problem]]:
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    arrow = pa.concat_tables([pq.ParquetFile(part).read() for part in parts], promote_options="permissive")
    return pd.DataFrame({name: from_arrow(arrow[name], name) for name in arrow.column_names}), []


def from_arrow(column: pa.ChunkedArray, name: str) -> pd.Series:
    """A parquet column as pandas; ids stay integers where some are missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    return column.to_pandas(integer_object_nulls=name in ID_COLUMNS)


def integer_as_text(value: Any) -> Any:
    """An integer as text; anything else stays for the validation to see (1.0 must not become "1.0")."""
    return str(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else value


def _read_jsonl(path: Path, table: str, as_text: Collection[str]) -> tuple[pd.DataFrame, list[Problem]]:
    values: dict[str, list[Any]] = {}
    n_rows, bad = 0, []
    with open_text(path) as file:
        numbered_lines = enumerate(file)
        while lines := list(islice(numbered_lines, _LINES_AT_ONCE)):
            rows, wrong = objects_of(lines)
            bad.extend(wrong)
            for name in dict.fromkeys(name for row in rows for name in row):
                cells = values.setdefault(name, [])
                cells.extend([None] * (n_rows - len(cells)))
                cells.extend([row.get(name) for row in rows])
            n_rows += len(rows)
    for cells in values.values():
        cells.extend([None] * (n_rows - len(cells)))
    frame = pd.DataFrame({name: from_json(cells, name) for name, cells in values.items()})
    return frame, other_lines(bad, table)


def other_lines(bad: list[tuple[int, str]], table: str) -> list[Problem]:
    """The problem of lines that are no JSON object; none where there are none."""
    if not bad:
        return []
    got = f"{counted(len(bad), 'other line')}, e.g. {bad[0][1].strip()[:60]!r}"
    rows_of_bad = tuple(number for number, _ in bad[:SHOWN_ROWS])
    remedy = "write the file with one object per line (rows named below do not count these lines)"
    return [Problem(table, "", "one JSON object in each line", got, rows_of_bad, remedy)]


def objects_of(lines: Sequence[tuple[int, str]]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Parse lines at one go, and one by one only if that fails; give the objects and the other lines."""
    filled = [(number, line) for number, line in lines if line.strip()]
    try:
        rows = json.loads("[" + ",".join(line for _, line in filled) + "]")
        if len(rows) == len(filled) and all(line.lstrip().startswith("{") for _, line in filled):
            return rows, []
    except ValueError:
        pass
    rows, wrong = [], []
    for number, line in filled:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            wrong.append((number, line))
    return rows, wrong


def from_json(cells: list[Any], name: str) -> pd.Series:
    """The cells of one name of a jsonl file as a column."""
    kinds = set(map(type, cells)) - {type(None)}
    has_empty = any(cell is None for cell in cells)
    if name not in ID_COLUMNS and has_empty and kinds and kinds <= {int, float}:
        return pd.Series([np.nan if cell is None else cell for cell in cells], dtype="float64")
    if kinds == {str}:
        return pd.Series(cells, dtype="str")
    if len(kinds) == 1 and kinds <= {int, float, bool} and not has_empty:
        series = pd.Series(cells)
        return series if series.dtype.kind in "ifb" else series.astype(object)
    if kinds == {int, float} and name not in ID_COLUMNS:
        return pd.Series(cells, dtype="float64")
    return pd.Series(cells, dtype=object)


def _present(names: Collection[str], frame: pd.DataFrame) -> Iterator[str]:
    return (name for name in names if name in frame)


__all__ = [
    "DAMAGED",
    "FORMATS",
    "ID_COLUMNS",
    "LIST_COLUMNS",
    "TEXT_COLUMNS",
    "IdsAs",
    "from_arrow",
    "from_json",
    "integer_as_text",
    "objects_of",
    "other_lines",
    "read_raw",
]
