"""What lies on an engine as one of its tables, and what comes back from it as Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.util import gen_name

from learn_recall.engines.connections import engine_name
from learn_recall.errors import said_by

_MOST_WORDS = 300


def parquet_table(connection: BaseBackend, files: Sequence[Path], folder: Path | None = None) -> ir.Table:
    """Parquet files as one table of the engine; columns are matched by their names.

    Args:
        connection: of `connected`.
        files: at least one.
        folder: where all of them lie, if folders called `name=value` on the way to them are columns.
    """
    paths = [str(file) for file in files]
    if connection.name == "duckdb":
        is_hive = folder is not None
        # without the last DuckDB 2.0 believes the files' bounds, which leave NaN out (duckdb/duckdb#25521)
        return connection.read_parquet(
            paths, union_by_name=True, hive_partitioning=is_hive, can_have_nan=True
        )
    if connection.name == "pyspark":
        reader = connection.raw_sql("SELECT 1").sparkSession.read
        reader = reader if folder is None else reader.option("basePath", str(folder))
        view = gen_name("learn_rank_parquet")
        reader.parquet(*paths).createOrReplaceTempView(view)
        return connection.table(view)
    raise ValueError(
        f"engine: expected duckdb or spark to read files, got {connection.name}. Remedy: name a table of "
        f"{connection.name}"
    )


def named_table(connection: BaseBackend, name: str) -> ir.Table:
    """A table or view of the engine, as `name` or `database.name`.

    Raises:
        ValueError: no such table.
    """
    *database, table = name.split(".")
    try:
        return connection.table(table, database=tuple(database) or None)
    except Exception as error:  # every engine has its own
        raise ValueError(
            f"{name}: expected parquet files or a table of {connection.name}, got neither. Remedy: check the "
            "path, or write the table as database.table"
        ) from error


def arrow_schema(table: ir.Table, columns: Sequence[str], name: str) -> pa.Schema:
    """The columns asked for as Arrow calls them; names are told apart by case, as in files.

    Raises:
        ValueError: a column that is not there, or one that another differs from by case alone, which engines
            take for the same.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{name}: expected the columns {list(columns)}, got no {missing}. It holds "
            f"{list(table.columns)}. Remedy: name the column of yours, or add it"
        )
    check_case(table.columns, columns, name)
    types = table.schema()
    return pa.schema([(column, types[column].to_pyarrow()) for column in columns])


def check_case(names: Sequence[str], columns: Sequence[str], name: str) -> None:
    """Refuse a column of a table with these names that engines would take for another."""
    for column in columns:
        alike = sorted({other for other in names if other.casefold() == column.casefold()})
        if len(alike) > 1:
            raise ValueError(
                f"{name}: expected names that differ by more than case, got {alike}. Remedy: rename one; "
                "engines take both for the same column"
            )


def fetched(connection: BaseBackend, expression: ir.Table) -> pa.Table:
    """The rows of an expression, which must be few enough for memory.

    Raises:
        ValueError: the engine fails, with the first of its words: a full disk, no memory, a lost worker.
    """
    try:
        if connection.name == "pyspark":  # Ibis goes through pandas, row by row
            frame: Any = connection.raw_sql(connection.compile(expression))
            return frame.toArrow()
        return connection.to_pyarrow(expression)
    except Exception as error:  # every engine has its own
        said = f"{type(error).__name__}: {said_by(error)[:_MOST_WORDS]}"
        raise ValueError(
            f"engine: expected an answer of {engine_name(connection)}, got {said}. Remedy: where memory or "
            "disk ran out, give it more (DuckDB: --spill names the disk); then run the command again"
        ) from error
