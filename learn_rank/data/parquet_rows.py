"""Rows of one or several parquet files, in order, a chunk at a time."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from learn_rank.data.row_conditions import RowCondition, condition_words, rows_where
from learn_recall.errors import said_by
from learn_recall.tables.csv_cells import from_text
from learn_recall.tables.parquet_files import parquet_parts, plain, values_of_folders
from learn_recall.tables.rules import Rules

_BUFFER = 1 << 22  # bytes read at a time, so that a row group need not fit into memory
_COUNTED_ROWS = 1 << 20
_ENDINGS = (".parquet", ".parq", ".pq")


@dataclass(frozen=True)
class ParquetRows:
    """Parquet files that together are one table. Make it with `ParquetRows.at`.

    Attributes:
        name: what the files are called in messages.
        files: in order.
        n_rows: of all files, those alone that fulfil the conditions.
        names: columns of the first file.
        conditions: what rows must fulfil, see `where`.
        rules: how columns are taken, see `learn_recall.tables`.
        folders: file -> the columns that sub-folders called `name=value` give, each of one cell.
    """

    name: str
    files: tuple[Path, ...]
    n_rows: int
    names: tuple[str, ...]
    conditions: tuple[RowCondition, ...] = ()
    rules: Rules = field(default_factory=Rules)
    folders: Mapping[Path, Mapping[str, pa.Array]] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path, rules: Rules | None = None) -> ParquetRows:
        """A parquet file, a folder that holds some at any depth, or a glob; files in order of their names.

        Args:
            path: where they lie.
            rules: None: those of `learn_recall.tables`.

        Raises:
            ValueError: nothing there, something else than parquet, or no rows.
        """
        files = tuple(parquet_files(path))
        n_rows = sum(_metadata(file).num_rows for file in files)
        if n_rows == 0:
            raise ValueError(f"{path}: expected rows, got none. Remedy: check the job that wrote the file")
        taken = rules or Rules()
        folders = _folder_columns(path, files, taken)
        rows = cls(str(path), files, n_rows, (), (), taken, folders)
        return replace(rows, names=tuple(rows._schema_of(files[0]).names))

    def where(self, conditions: Sequence[RowCondition]) -> ParquetRows:
        """Only the rows that fulfil all these conditions; they are counted in one pass over their columns.

        Raises:
            ValueError: a column that is not there or cannot be compared, or no row that fulfils them.
        """
        if not conditions:
            return self
        columns = list(dict.fromkeys(condition.column for condition in conditions))
        n_rows = sum(rows_where(table, conditions).num_rows for table in self.chunks(columns, _COUNTED_ROWS))
        if n_rows == 0:
            raise ValueError(
                f"{self.name}: expected rows where {condition_words(conditions)}, got none of "
                f"{self.n_rows:,}. Remedy: look at the values of {', '.join(columns)}, or leave out --where"
            )
        return replace(self, n_rows=n_rows, conditions=(*self.conditions, *conditions))

    def schema(self, columns: Sequence[str]) -> pa.Schema:
        """The types in which these columns are read, see `read_as`.

        Raises:
            ValueError: a file lacks a column, has two of its name, or holds it in another type than the first
                file.
        """
        schemas = [self._schema_of(file) for file in self.files]
        for file, schema in zip(self.files, schemas, strict=True):
            missing = [column for column in columns if column not in schema.names]
            if missing:
                raise ValueError(
                    f"{file}: expected the columns {list(columns)}, got no {missing}. It holds "
                    f"{schema.names}. Remedy: name the column of yours, or add it"
                )
            repeated = [column for column in columns if schema.names.count(column) > 1]
            if repeated:
                raise ValueError(
                    f"{file}: expected each column once, got {', '.join(repeated)} more than once. Remedy: "
                    "write the file again with distinct names"
                )
        first = pa.schema([(column, self._first_type(schemas, column)) for column in columns])
        for file, schema in zip(self.files, schemas, strict=True):
            for column in first:
                found = read_as(schema.field(column.name).type, column.name, self.rules)
                is_widened = _are_of_one_kind(found, column.type)
                if found != column.type and not pa.types.is_null(found) and not is_widened:
                    raise ValueError(
                        f"{file}: expected {column.name} as {column.type}, as in {self.files[0]}, got "
                        f"{found}. Remedy: write all files with the same types"
                    )
        return first

    def read(self, columns: Sequence[str]) -> pa.Table:
        """All rows, for files that fit into memory."""
        schema, kept = self.schema(self._with_conditions(columns)), list(columns)
        tables = []
        for file in self.files:
            with _damage_told(file), pq.ParquetFile(file) as reader:
                table = self._plain(file, reader.read(columns=self._inside(file, schema)), schema)
            tables.append(rows_where(table, self.conditions).select(kept))
        return pa.concat_tables(tables)

    def chunks(self, columns: Sequence[str], chunk_rows: int) -> Iterator[pa.Table]:
        """All rows in tables of `chunk_rows` rows, the last one shorter, whatever the files' row groups."""
        schema, kept = self.schema(self._with_conditions(columns)), list(columns)
        pending = self.schema(columns).empty_table()
        for file in self.files:
            for whole in self._batches(file, schema, chunk_rows):
                table = rows_where(whole, self.conditions).select(kept)
                pending = pa.concat_tables([pending, table])
                while pending.num_rows >= chunk_rows:
                    yield pending.slice(0, chunk_rows)
                    pending = pending.slice(chunk_rows)
        if pending.num_rows:
            yield pending

    def _batches(self, file: Path, schema: pa.Schema, chunk_rows: int) -> Iterator[pa.Table]:
        with _damage_told(file), pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as reader:
            for batch in reader.iter_batches(chunk_rows, columns=self._inside(file, schema)):
                yield self._plain(file, pa.Table.from_batches([batch]), schema)

    def _plain(self, file: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
        columns = {}
        for name, cell in self._outside(file, table.column_names):
            if name in schema.names:
                table = table.append_column(name, cell.take(pa.array([0] * len(table), pa.int64())))
        for name, kind in zip(schema.names, schema.types, strict=True):
            found = table[name].type
            try:
                is_so = found == kind
                columns[name] = table[name] if is_so else plain(table[name], name, self.rules).cast(kind)
            except pa.ArrowException as error:
                raise ValueError(
                    f"{file}, column {name}: expected cells that can be read as {kind}, got {found}: "
                    f"{said_by(error)}. Remedy: write the column as {kind}"
                ) from None
        return pa.table(columns, schema=schema)

    def _schema_of(self, file: Path) -> pa.Schema:
        """The file's own columns, and those of its folders."""
        schema = _schema(file)
        for name, cell in self._outside(file, schema.names):
            schema = schema.append(pa.field(name, cell.type))
        return schema

    def _outside(self, file: Path, names: Sequence[str]) -> list[tuple[str, pa.Array]]:
        """The columns of a file's folders that the file itself lacks, each as its one cell."""
        return [(name, cell) for name, cell in self.folders.get(file, {}).items() if name not in names]

    def _inside(self, file: Path, schema: pa.Schema) -> list[str]:
        """The columns to be read from a file: at least one, which says how many rows there are."""
        names = _schema(file).names
        return [name for name in schema.names if name in names] or names[:1]

    def _first_type(self, schemas: Sequence[pa.Schema], column: str) -> pa.DataType:
        """That of the first file in which the column is not empty; of numbers one that holds all files'."""
        kinds = [read_as(schema.field(column).type, column, self.rules) for schema in schemas]
        if pa.uint64() in kinds and pa.int64() in kinds:
            return pa.int64()  # cells beyond it are refused as they are read
        filled = [kind for kind in kinds if not pa.types.is_null(kind)]
        if len(set(filled)) > 1 and _are_of_one_kind(*filled):
            one_each = [pa.schema([(column, kind)]) for kind in filled]
            return (
                pa.unify_schemas(one_each, promote_options="permissive").field(0).type
            )  # as in whole tables
        return next(iter(filled), kinds[0])

    def _with_conditions(self, columns: Sequence[str]) -> list[str]:
        return list(dict.fromkeys([*columns, *(condition.column for condition in self.conditions)]))


def _folder_columns(path: Path, files: Sequence[Path], rules: Rules) -> dict[Path, dict[str, pa.Array]]:
    """What sub-folders called `name=value` say of each file, typed by the values of all of them."""
    found: dict[Path, dict[str, pa.Array]] = {}
    pairs = {file: dict(values_of_folders(file.relative_to(path))) for file in files} if path.is_dir() else {}
    for name in dict.fromkeys(name for each in pairs.values() for name in each):
        within = [file for file, each in pairs.items() if name in each]
        values = pa.chunked_array([pa.array([pairs[file][name] for file in within], pa.large_string())])
        cells = pa.array(from_text(values, name, rules), from_pandas=True)
        for at, file in enumerate(within):
            found.setdefault(file, {})[name] = cells.slice(at, 1)
    return found


def _are_of_one_kind(*kinds: pa.DataType) -> bool:
    """Whether they differ in their width alone: integers, or decimal numbers."""
    return all(map(pa.types.is_integer, kinds)) or all(map(pa.types.is_floating, kinds))


def read_as(kind: pa.DataType, name: str, rules: Rules) -> pa.DataType:
    """The type that a column is read as: `learn_recall.tables` decides; unsigned ids keep their 64 bits.

    Example:
        >>> read_as(pa.dictionary(pa.int8(), pa.string()), "city", Rules())
        DataType(large_string)
    """
    if pa.types.is_uint64(kind):
        return kind
    return plain(pa.chunked_array([], type=kind), name, rules).type


def is_parquet(path: Path) -> bool:
    """Whether a path is read as parquet: anything but a single file of another kind."""
    return path.suffix in _ENDINGS or not path.is_file()


def parquet_files(path: Path) -> list[Path]:
    """The parquet files at a path: a file, a folder, or a glob. Names that begin with . or _ are skipped.

    Raises:
        ValueError: no file there, or one of another kind.
    """
    if path.is_dir():
        found, unread = parquet_parts(path)
        if unread:
            raise ValueError(
                f"{path}: expected a folder of parquet files alone, got {unread[0].relative_to(path)} too. "
                "Remedy: convert it to parquet, or move it out of the folder"
            )
    elif path.is_file():
        return [path]
    else:
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    files = [file for file in found if file.is_file() and not file.name.startswith((".", "_"))]
    if not files:
        raise ValueError(f"{path}: expected a file, got nothing there. Remedy: check the path")
    others = [str(file) for file in files if file.suffix not in (*_ENDINGS, "")]
    if others:
        raise ValueError(
            f"{path}: expected parquet files only, got {others[0]}. Remedy: name one csv file, or convert "
            "them; several files, and files larger than memory, are read as parquet only"
        )
    return files


def _metadata(file: Path) -> pq.FileMetaData:
    with _damage_told(file):
        return pq.read_metadata(file)


def _schema(file: Path) -> pa.Schema:
    with _damage_told(file):
        return pq.read_schema(file)


@contextmanager
def _damage_told(file: Path) -> Iterator[None]:
    """Name the file that cannot be read; what Arrow says does not."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{file}: expected a parquet file that can be read, got {said_by(error)}. Remedy: "
            "copy or write the file again; its name must end as what it is (.parquet, .csv, .csv.gz, .jsonl)"
        ) from None


__all__ = ["ParquetRows", "is_parquet", "parquet_files", "read_as"]
