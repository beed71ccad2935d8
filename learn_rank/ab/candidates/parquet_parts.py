"""Parquet files of candidates as one dataset: the parts are held to the rules of every other table."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from operator import and_
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from learn_rank.data.parquet_rows import ParquetRows
from learn_recall.tables.rules import Rules


def parquet_dataset(path: Path, rules: Rules, as_codes: Collection[str]) -> ds.Dataset:
    """The rows of parquet files; those of other days can be skipped, also by the name of their folder.

    Arrow's own reading of a folder takes the types of its first file for all, and a folder called
    ``user_bucket=01`` for the number 1.

    Args:
        path: a file, a folder that holds some at any depth, or a glob.
        rules: of `learn_recall.tables`, which type what folders called ``name=value`` say.
        as_codes: columns whose text is read as codes into its values.

    Raises:
        ValueError: nothing there, something else than parquet, no rows, or parts that are no one table.
    """
    rows = ParquetRows.at(path, rules)
    system, as_is = LocalFileSystem(), ds.ParquetFileFormat()
    inside = {file: as_is.inspect(str(file), system) for file in rows.files}
    outside = {
        file: {name: cell for name, cell in rows.folders.get(file, {}).items() if name not in schema.names}
        for file, schema in inside.items()
    }
    names = [name for file in rows.files for name in (*inside[file].names, *outside[file])]
    names = [name for name in dict.fromkeys(names) if not name.startswith("__index_level_")]
    plain_types = rows.schema(names)  # refuses parts that lack a column, have one twice or in another type
    texts = {name for schema in inside.values() for name in schema.names if _is_text(schema, name)}
    form = ds.ParquetFileFormat(dictionary_columns=texts & set(as_codes))
    typed = [form.inspect(str(file), system) for file in rows.files]
    fields = [
        _field(plain_types.field(name), [schema for schema in typed if name in schema.names], outside)
        for name in names
    ]
    fragments = [
        form.make_fragment(str(file), system, partition_expression=_says(outside[file]))
        for file in rows.files
    ]
    return ds.FileSystemDataset(fragments, pa.schema(fields), form, system)


def _field(plain: pa.Field, typed: list[pa.Schema], outside: dict[Path, dict[str, pa.Array]]) -> pa.Field:
    """One type for all parts: that of the files, or the plain one where they hold it in several."""
    name = plain.name
    kinds = {schema.field(name).type for schema in typed}
    kinds |= {cells[name].type for cells in outside.values() if name in cells}
    filled = [kind for kind in kinds if not pa.types.is_null(kind)]
    if len(filled) > 1 or pa.types.is_string_view(filled[0] if filled else pa.null()):
        return plain  # rows of views cannot be filtered by day
    return pa.field(name, filled[0] if filled else pa.null())


def _says(cells: dict[str, pa.Array]) -> pc.Expression:
    """What the folders of a file say of each of its rows."""
    said = [
        pc.field(name) == cell[0] if cell.null_count == 0 else pc.field(name).is_null()
        for name, cell in cells.items()
    ]
    return reduce(and_, said, pc.scalar(True))


def _is_text(schema: pa.Schema, name: str) -> bool:
    if schema.names.count(name) > 1:
        return False
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


__all__ = ["parquet_dataset"]
