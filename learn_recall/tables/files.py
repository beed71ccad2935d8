"""Files to data frames: parquet, csv and jsonl (also .gz, .zst), or a folder of parquet parts.

Ids stay what the user has. Parquet and JSON say themselves what an id is. A csv does not, so there the rule
is, for one id column of one file: if *every* cell is an integer in its one canonical spelling (`0`, `12`,
`-3`; no leading zero, plus sign, blank or point) that fits into 64 bits, the column is int64; else it is
text, all of it. `007` thus stays `007`, and 9007199254740993 stays exact. Where one file of a data set has
such a cell and another has none, read all of them with `ids="string"`.

Text columns (title, category, brand, keywords, attributes) are never interpreted: a film may be called 1984
or NA. An empty csv cell is a missing value. Any other column is numbers if every filled cell spells one,
where NA, N/A, NaN, NULL, None and \\N count as empty; truth values if every one spells true or false; else
text. The rules look at the whole column, never at a sample.

Whether a csv or jsonl file is packed (gzip, zstd, bz2, xz) is seen by its content, whatever it is called.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.tables.csv_cells import map_list
from learn_recall.tables.csv_files import read_csv
from learn_recall.tables.json_lines import read_jsonl
from learn_recall.tables.packed import DAMAGED, why_damaged
from learn_recall.tables.parquet_files import parquet_parts, read_parquet
from learn_recall.tables.problems import Problem
from learn_recall.tables.rules import ID_COLUMNS, IdsAs, Rules

FORMATS = (".parquet", ".csv", ".csv.gz", ".csv.zst", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_Reader = Callable[[Path, str, Rules], tuple[pd.DataFrame | None, list[Problem]]]


def read_raw(path: Path, *, table: str, rules: Rules) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read one file or folder; what cannot be read comes back as problems, with the rest of the rows.

    Args:
        path: the file, or a folder of parquet parts (read in the order of their paths).
        table: name for the problems.
        rules: which columns hold ids or text.
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
        frame, problems = reader(path, table, rules)
    except DAMAGED as error:
        return None, [unreadable(path, table, error)]
    if rules.ids == "string" and frame is not None:
        for name in filter(rules.is_id, frame.columns):
            if frame[name].dtype != "str":
                frame[name] = frame[name].map(integer_as_text)
        if c.HISTORY in frame:
            frame[c.HISTORY] = [map_list(cell, integer_as_text) for cell in frame[c.HISTORY]]
    return frame, problems


def unreadable(path: Path, table: str, error: BaseException) -> Problem:
    """The problem of a file that is damaged or of another kind than its name says."""
    remedy = "copy or export the file again, as UTF-8"
    return Problem(table, "", "a readable file", why_damaged(path, error), (), remedy)


def _reader_of(path: Path) -> _Reader | None:
    if path.is_dir():
        return read_parquet if any(parquet_parts(path)[0]) else None
    readers: dict[str, _Reader] = {"parquet": read_parquet, "csv": read_csv, "jsonl": read_jsonl}
    if not path.is_file() or not path.name.endswith(FORMATS):
        return None
    return readers[format_of(path)]


def format_of(path: Path) -> str:
    """parquet, csv or jsonl, of a file whose name ends as one of `FORMATS`."""
    return path.name.removesuffix(".gz").removesuffix(".zst").rsplit(".", 1)[1]


def integer_as_text(value: Any) -> Any:
    """An integer as text; anything else stays for the validation to see (1.0 must not become "1.0")."""
    return str(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else value


__all__ = ["FORMATS", "ID_COLUMNS", "IdsAs", "format_of", "integer_as_text", "read_raw", "unreadable"]
