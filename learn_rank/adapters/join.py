"""`join_vectors`: frozen vectors, presence and similarities as columns beside a team's own, row for row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_rank.adapters.join_config import JoinConfig
from learn_rank.adapters.join_report import FilePart, JoinReport, kept_part
from learn_rank.adapters.joined_rows import JoinedRows, join_rows, similarity_names
from learn_rank.adapters.plain_columns import plain_columns
from learn_rank.adapters.row_times import first_time
from learn_rank.adapters.store_pair import open_pair
from learn_rank.adapters.torcheasyrec import raw_feature_columns
from learn_rank.evaluation.beyond_memory import ParquetRows
from learn_recall.files.whole_files import atomic_path
from learn_recall.store import EmbeddingStore
from learn_recall.store.as_of import check_as_of

_BUFFER = 1 << 22  # bytes of a column that are read at a time, so that a row group need not fit into memory


def join_vectors(
    rows: str | os.PathLike[str],
    users: str | os.PathLike[str] | EmbeddingStore,
    items: str | os.PathLike[str] | EmbeddingStore,
    out: str | os.PathLike[str],
    config: JoinConfig = JoinConfig(),  # noqa: B008 - frozen
    *,
    on_rows: Callable[[int], object] = lambda n_rows: None,
) -> JoinReport:
    """Write the rows again with the vectors of their users and items, and how near these are to each other.

    Definition: the numbers are those that `LearnFeatureFusion` looks up and computes for the same ids. Rows,
    their order and their columns stay. Every file is written under a temporary name and renamed;
    called again, files that stand there from the same inputs and settings are kept, so a stopped join goes
    on.
    Memory: `JoinConfig.rows_at_once` rows, and the stores' ids.

    Args:
        rows: a parquet file, a folder of them, or a glob.
        users: store of kind "user"; items: of kind "item" or "content", made by the same tower.
        out: for one file the file to write, else a folder that gets a file of the same name for each.
        config: columns, layout, time guard.
        on_rows: is told the number of rows as they are done.

    Raises:
        StoreError: stores of different origin; a vector that has seen events later than the oldest row; ids
            of another kind than the store's.
        ValueError: columns that are missing or would be written twice, no rows, or ``out`` is among ``rows``.
    """
    source = replace(ParquetRows.at(Path(rows)), folders={})  # what is written has the files' own columns
    targets = _targets(Path(rows), source.files, Path(out))
    user_store, item_store = open_pair(users, items)
    source.schema([*config.columns, *([config.timestamp_column] if config.timestamp_column else [])])
    oldest = None
    if config.timestamp_column is not None:
        oldest = first_time(source.files, config.timestamp_column)
        for store in (user_store, item_store):
            check_as_of(store, oldest, allow_unknown=config.allows_unknown_time)

    added = partial(added_columns, user_store=user_store, item_store=item_store, config=config)
    total, n_kept, names = FilePart(), 0, ()
    for file, target in zip(source.files, targets, strict=True):
        schema = pq.read_schema(file)
        with _named(file):
            new = added(schema.empty_table())[0].schema
        _check_names(file, schema, new)
        names = tuple(new.names)
        made_from = _made_from(file, user_store, item_store, config)
        part = kept_part(target, made_from)
        if part is None:
            part = _write(file, target, schema, new, added, made_from, config.rows_at_once, on_rows)
        else:
            n_kept += 1
            on_rows(part.n_rows)
        total += part
    return JoinReport(targets, n_kept, total.n_rows, total.users, total.items, total.histories, names, oldest)


def added_columns(
    rows: pa.Table | pa.RecordBatch,
    *,
    user_store: EmbeddingStore,
    item_store: EmbeddingStore,
    config: JoinConfig,
) -> tuple[pa.RecordBatch, FilePart]:
    """The new columns of rows in memory, for a service or a reader of another format, and what was found.

    Args:
        rows: with the columns that ``config`` names.
        user_store: of `open_pair`; item_store: of `open_pair`.
        config: columns and layout; its time guard is the caller's own here.

    Raises:
        StoreError, ValueError: as `join_vectors`.
    """
    histories, converted = (
        None if name is None else _whole(rows.column(name))
        for name in (config.history_column, config.converted_column)
    )
    with _in_columns(config):
        joined = join_rows(
            _whole(rows.column(config.user_column)),
            _whole(rows.column(config.item_column)),
            histories,
            user_store,
            item_store,
            history_length=config.history_length,
            converted=converted,
        )
    part = FilePart(rows.num_rows, joined.users, joined.items, joined.histories)
    if config.scales_vectors:
        root = np.float32(item_store.card.dimension**0.5)
        joined = replace(joined, user=joined.user * root, item=joined.item * root)
    names = similarity_names(
        [block.name for block in item_store.card.blocks],
        has_history=histories is not None,
        has_conversions=converted is not None,
    )
    new = _laid_out(joined, names, config)
    prefixed = {config.prefix + name: column for name, column in new.items()}
    return pa.RecordBatch.from_pydict(prefixed), part


def _laid_out(joined: JoinedRows, names: list[str], config: JoinConfig) -> dict[str, pa.Array]:
    if config.layout == "columns":
        return plain_columns(joined, names, dtype=config.dtype, has_vectors=config.has_vectors)
    return raw_feature_columns(
        joined, has_vectors=config.has_vectors, is_text=config.layout == "torcheasyrec_text"
    )


def _write(  # noqa: PLR0917 - one call, in the order of the data's way
    file: Path,
    target: Path,
    schema: pa.Schema,
    new: pa.Schema,
    added: Callable[[pa.RecordBatch], tuple[pa.RecordBatch, FilePart]],
    made_from: dict[str, object],
    rows_at_once: int,
    on_rows: Callable[[int], object],
) -> FilePart:
    whole = pa.schema([*schema, *new], metadata=schema.metadata)
    total = FilePart()
    with (
        atomic_path(target) as temporary,
        pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as reader,
        pq.ParquetWriter(temporary, whole, compression="zstd") as writer,
    ):
        for batch in reader.iter_batches(rows_at_once):
            with _named(file):
                columns, part = added(batch)
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *columns.columns], schema=whole))
            total += part
            on_rows(len(batch))
        writer.add_key_value_metadata(total.metadata(made_from))
    return total


def _made_from(
    file: Path, user_store: EmbeddingStore, item_store: EmbeddingStore, config: JoinConfig
) -> dict[str, object]:
    stat = file.stat()
    return {
        "rows": [file.name, stat.st_size, stat.st_mtime_ns],
        "users": user_store.card.files,
        "items": item_store.card.files,
        "config": asdict(config),
    }


def _targets(rows: Path, files: tuple[Path, ...], out: Path) -> tuple[Path, ...]:
    if rows.is_file():
        targets: tuple[Path, ...] = (out / rows.name if out.is_dir() else out,)
    elif rows.is_dir():
        targets = tuple(out / file.relative_to(rows) for file in files)
    else:
        targets = tuple(out / file.name for file in files)
    if len(set(targets)) < len(targets):
        raise ValueError(
            f"rows: expected files of different names, got {[str(file) for file in files]}. Remedy: name the "
            "folder above them, whose structure is kept."
        )
    if {file.resolve() for file in files} & {target.resolve() for target in targets}:
        raise ValueError(f"out: expected another place than the rows, got {out}. Remedy: name a new folder.")
    return targets


def _check_names(file: Path, schema: pa.Schema, new: pa.Schema) -> None:
    twice = sorted(set(schema.names) & set(new.names))
    if twice:
        raise ValueError(
            f"prefix: expected names that {file} does not hold yet, got {twice}. Remedy: choose another "
            "prefix, or drop those columns."
        )


@contextmanager
def _in_columns(config: JoinConfig) -> Iterator[None]:
    """Name the column where `join_rows` names its argument: the rows are wrong there, not a store."""
    columns = {
        "users": config.user_column,
        "items": config.item_column,
        "histories": config.history_column,
        "converted": config.converted_column,
    }
    try:
        yield
    except ValueError as error:
        argument, _, said = str(error).partition(": ")
        if columns.get(argument) is None:
            raise
        raise type(error)(f"column {columns[argument]}: {said}") from error


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Name the file of rows that are wrong."""
    try:
        yield
    except ValueError as error:
        raise type(error)(f"{file}, {error}") from error


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


__all__ = ["JoinConfig", "JoinReport", "added_columns", "join_vectors"]
