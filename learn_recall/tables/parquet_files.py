"""What parquet says: its types, in whatever way a tool wrote them; a folder of parts is one table.

Dictionaries (pandas' categories) are decoded, bytes that are UTF-8 are text, decimals are numbers (as ids,
integers), dates of days are dates. Ids become int64 or text, exactly, or stay what they are for the checks
to refuse. Parts of a folder must agree on the kind of every column. Sub-folders called `name=value` give one.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall import columns as c
from learn_recall.tables.csv_cells import as_series, from_text
from learn_recall.tables.problems import Problem
from learn_recall.tables.rules import Rules

_IS = pa.types
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_TEXT = pa.large_string()
_TEXT_KINDS = (
    _IS.is_string,
    _IS.is_string_view,
    _IS.is_binary,
    _IS.is_large_binary,
    _IS.is_fixed_size_binary,
    _IS.is_binary_view,
)
_OF_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".avro", ".orc", ".feather", ".arrow")
TABLE_ENDINGS = (*_OF_TABLES, ".txt", ".gz", ".zst", ".bz2", ".xz", ".zip", ".xlsx")


def parquet_parts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Find the parquet files of a folder at any depth, and the other files that look like tables.

    A part ends in .parquet, .parq or .pq, or has no ending and begins as parquet does. Files and folders
    whose name begins with . or _ are passed over, as Spark, Hive and Arrow do.

    Returns:
        The parts and the others, each in the order of their paths.
    """
    parts, others = [], []
    for file in visible_files(folder):
        if file.suffix in (".parquet", ".parq", ".pq") or (not file.suffix and _begins_as_parquet(file)):
            parts.append(file)
        elif file.name.endswith(TABLE_ENDINGS) or _begins_as_parquet(file):
            others.append(file)
    return parts, others


def visible_files(folder: Path) -> list[Path]:
    """The files of a folder at any depth, in the order of paths, but for names that begin with . or _."""
    seen, found = set(), []
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()  # a link back up
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(place, name) for name in names if not name.startswith((".", "_"))]
    return sorted(found)


def _begins_as_parquet(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(4) == b"PAR1"


def read_parquet(path: Path, table: str, rules: Rules) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read a parquet file or a folder of parts."""
    parts, others = parquet_parts(path) if path.is_dir() else ([path], [])
    if others:
        got = f"{len(others):,} other, first {others[0].relative_to(path)}"
        remedy = (
            "convert it to parquet, or move it out of the folder; a folder is read as parquet parts alone"
        )
        return None, [Problem(table, "", "a folder of parquet parts alone", got, (), remedy)]
    problems = [problem for part in parts for problem in repeated_names(part, table)]
    if problems:
        return None, problems
    tables, of_folders = [], set()
    for part in parts:
        arrow = pq.ParquetFile(part).read()
        here = pa.table({name: plain(arrow[name], name, rules) for name in arrow.column_names})
        for name, value in values_of_folders(part.relative_to(path)) if path.is_dir() else ():
            if name not in here.column_names:
                here = here.append_column(name, pa.array([value] * len(here), _TEXT))
                of_folders.add(name)
        tables.append(here)
    problems = lacking_columns(parts, [each.column_names for each in tables], table)
    problems += _kinds_differ(parts, tables, table, rules)
    if problems:
        return None, problems
    whole = pa.concat_tables(tables, promote_options="permissive")
    columns = {
        name: from_text(whole[name], name, rules)
        if name in of_folders
        else as_column(whole[name], name, rules)
        for name in whole.column_names
    }
    return pd.DataFrame(columns), []


def repeated_names(part: Path, table: str) -> list[Problem]:
    """The problem of column names that stand twice in a parquet file; none where there are none."""
    names = pq.read_schema(part).names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not repeated:
        return []
    got = f"{', '.join(repeated)} more than once in {part.name}"
    return [Problem(table, "", "columns with distinct names", got, (), "rename or drop one of each two")]


def values_of_folders(part: Path) -> Iterator[tuple[str, str | None]]:
    """Column and value of each folder called `name=value` on the way to a part; None where it names none."""
    for folder in part.parts[:-1]:
        name, is_pair, value = folder.partition("=")
        if is_pair and name:
            yield unquote(name), None if value == _NO_VALUE else unquote(value)


def lacking_columns(parts: Sequence[Path], names: Sequence[Sequence[str]], table: str) -> list[Problem]:
    """The columns that some parts have and others lack: filled up with nothing, they would say something.

    Args:
        parts: files of one table.
        names: the columns of each.
        table: name for the problems.
    """
    problems = []
    for name in dict.fromkeys(name for each in names for name in each):
        without = [part for part, each in zip(parts, names, strict=True) if name not in each]
        if without and not name.startswith("__index_level_"):  # a frame's index, as pandas writes it
            got = f"no such column in {len(without):,} of {len(parts):,}, first {without[0]}"
            remedy = "write it into every part (empty where nothing is known), or into none"
            problems.append(Problem(table, name, "the column in every part, or in none", got, (), remedy))
    return problems


def _kinds_differ(parts: list[Path], tables: list[pa.Table], table: str, rules: Rules) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(name for each in tables for name in each.column_names):
        first: dict[str, str] = {}
        for part, each in zip(parts, tables, strict=True):
            if name in each.column_names and each[name].null_count < len(each):
                first.setdefault(_kind_of(each.schema.field(name).type, rules.is_id(name)), part.name)
        if len(first) > 1:
            got = ", ".join(f"{kind} in {part}" for kind, part in first.items())
            remedy = "write the column with one type in every part"
            if rules.is_id(name) and rules.ids == "auto":
                remedy += '; in Python ids="string" reads integer ids as text'
            problems.append(Problem(table, name, "one kind of column in all parts", got, (), remedy))
    return problems


def _kind_of(kind: pa.DataType, is_id: bool) -> str:
    if _IS.is_integer(kind):
        return "integer" if is_id else "number"
    if _IS.is_floating(kind):
        return "number"
    if _IS.is_timestamp(kind):
        return "date" if kind.tz is None else "date with a time zone"
    if is_list(kind):
        return f"list of {_kind_of(kind.value_type, is_id)}"
    return "text" if _IS.is_large_string(kind) else str(kind)


def plain(column: pa.ChunkedArray, name: str, rules: Rules) -> pa.ChunkedArray:
    """A parquet column in the plain type for what it holds."""
    column = _unwrapped(column)
    if rules.is_id(name):
        column = _whole_numbers(column) if _IS.is_decimal(column.type) else column
        if rules.ids == "string" and _is_whole(column.type):
            return column.cast(_TEXT)
        return _within_int64(column) if _IS.is_integer(column.type) else column
    return column.cast(pa.float64()) if _IS.is_decimal(column.type) else column


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without dictionary and extension; text, bytes of UTF-8, and dates each in one type."""
    if isinstance(column.type, pa.BaseExtensionType):
        if str(column.type) == str(pa.uuid()):
            texts = [None if value is None else str(value) for value in column.to_pylist()]
            return pa.chunked_array([pa.array(texts, _TEXT)])
        column = column.cast(column.type.storage_type)
    if _IS.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if any(is_kind(column.type) for is_kind in _TEXT_KINDS):
        return _decoded(column)
    if _IS.is_date(column.type):
        return column.cast(pa.timestamp("s" if _IS.is_date32(column.type) else "ms"))
    return column


def as_column(column: pa.ChunkedArray, name: str, rules: Rules) -> pd.Series:
    """A plain column as pandas."""
    if is_list(column.type):
        cells = column.to_pylist()
        if name == c.HISTORY:
            cells = [cell if cell is None else [_plain_id(each) for each in cell] for cell in cells]
        return pd.Series(cells, dtype=object)
    return as_series(column, is_id=rules.is_id(name))


def from_arrow(column: pa.ChunkedArray, name: str, rules: Rules) -> pd.Series:
    """A column as another tool wrote it, as pandas."""
    return as_column(plain(column, name, rules), name, rules)


def may_be_ids(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold ids: integers or text, in whatever wrapping."""
    if isinstance(kind, pa.BaseExtensionType):
        return may_be_ids(kind.storage_type)
    if _IS.is_dictionary(kind):
        return may_be_ids(kind.value_type)
    return _is_whole(kind) or _IS.is_large_string(kind) or any(is_kind(kind) for is_kind in _TEXT_KINDS)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return _IS.is_nested(kind) and not _IS.is_struct(kind) and not _IS.is_map(kind) and not _IS.is_union(kind)


def _is_whole(kind: pa.DataType) -> bool:
    return _IS.is_integer(kind) or (_IS.is_decimal(kind) and kind.scale == 0)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        if _IS.is_fixed_size_binary(column.type):
            column = column.cast(pa.binary())
        return column.cast(_TEXT)
    except pa.ArrowInvalid:
        return column  # no UTF-8: bytes, which the checks refuse where they matter


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (pa.int64(), pa.decimal128(38, 0)):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue  # beyond 64 bits, or with a fraction
    return column


def _within_int64(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column  # beyond 64 bits, which the checks refuse


def _plain_id(value: Any) -> Any:
    """An id of a history as integer or text."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    is_other = not isinstance(value, str | int | float | type(None) | list | dict)
    if is_other and hasattr(value, "is_nan"):  # a decimal
        return int(value) if value == int(value) else value
    return str(value) if is_other and hasattr(value, "hex") else value  # a UUID


__all__ = [
    "TABLE_ENDINGS",
    "as_column",
    "from_arrow",
    "is_list",
    "lacking_columns",
    "may_be_ids",
    "parquet_parts",
    "plain",
    "read_parquet",
    "repeated_names",
    "values_of_folders",
    "visible_files",
]
