"""Rows of one or several parquet files, in order, a chunk at a time."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_BUFFER = 1 << 22  # bytes read at a time, so that a row group need not fit into memory


@dataclass(frozen=True)
class ParquetRows:
    """Parquet files that together are one table. Make it with `ParquetRows.at`.

    Attributes:
        name: what the files are called in messages.
        files: in order.
        n_rows: of all files.
        names: columns of the first file.
    """

    name: str
    files: tuple[Path, ...]
    n_rows: int
    names: tuple[str, ...]

    @classmethod
    def at(cls, path: Path) -> ParquetRows:
        """A parquet file, a folder that holds some at any depth, or a glob; files in order of their names.

        Raises:
            ValueError: nothing there, something else than parquet, or no rows.
        """
        files = tuple(parquet_files(path))
        n_rows = sum(pq.read_metadata(file).num_rows for file in files)
        if n_rows == 0:
            raise ValueError(f"{path}: expected rows, got none. Remedy: check the job that wrote the file")
        return cls(str(path), files, n_rows, tuple(pq.read_schema(files[0]).names))

    def schema(self, columns: Sequence[str]) -> pa.Schema:
        """The types of these columns, dictionaries decoded.

        Raises:
            ValueError: a file lacks a column, or holds it in another type than the first file.
        """
        schemas = [pq.read_schema(file) for file in self.files]
        for file, schema in zip(self.files, schemas, strict=True):
            missing = [column for column in columns if column not in schema.names]
            if missing:
                raise ValueError(
                    f"{file}: expected the columns {list(columns)}, got no {missing}. It holds {schema.names}"
                )
        first = pa.schema([(column, _decoded(schemas[0].field(column).type)) for column in columns])
        for file, schema in zip(self.files, schemas, strict=True):
            for field in first:
                found = _decoded(schema.field(field.name).type)
                if found != field.type:
                    raise ValueError(
                        f"{file}: expected {field.name} as {field.type}, as in {self.files[0]}, got {found}. "
                        "Remedy: write all files with the same types"
                    )
        return first

    def read(self, columns: Sequence[str]) -> pa.Table:
        """All rows, for files that fit into memory."""
        schema = self.schema(columns)
        tables = [pq.ParquetFile(file).read(columns=list(columns)) for file in self.files]
        return pa.concat_tables([table.select(list(columns)).cast(schema) for table in tables])

    def chunks(self, columns: Sequence[str], chunk_rows: int) -> Iterator[pa.Table]:
        """All rows in tables of `chunk_rows` rows, the last one shorter, whatever the files' row groups."""
        schema = self.schema(columns)
        pending = schema.empty_table()
        for file in self.files:
            with pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as reader:
                for batch in reader.iter_batches(chunk_rows, columns=list(columns)):
                    table = pa.Table.from_batches([batch]).select(list(columns)).cast(schema)
                    pending = pa.concat_tables([pending, table])
                    while pending.num_rows >= chunk_rows:
                        yield pending.slice(0, chunk_rows)
                        pending = pending.slice(chunk_rows)
        if pending.num_rows:
            yield pending


def is_parquet(path: Path) -> bool:
    """Whether a path is read as parquet: anything but a single file of another kind."""
    return path.suffix == ".parquet" or not path.is_file()


def parquet_files(path: Path) -> list[Path]:
    """The parquet files at a path: a file, a folder, or a glob. Names that begin with . or _ are skipped.

    Raises:
        ValueError: no file there, or one of another kind.
    """
    if path.is_dir():
        found = sorted(path.rglob("*.parquet"))
    elif path.is_file():
        return [path]
    else:
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    files = [file for file in found if file.is_file() and not file.name.startswith((".", "_"))]
    if not files:
        raise ValueError(f"{path}: expected a file, got nothing there. Remedy: check the path")
    others = [str(file) for file in files if file.suffix != ".parquet"]
    if others:
        raise ValueError(
            f"{path}: expected parquet files only, got {others[0]}. Remedy: name one csv file, or convert "
            "them; several files, and files larger than memory, are read as parquet only"
        )
    return files


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
