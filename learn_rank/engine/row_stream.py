"""`RowStream`: batches from the row groups of parquet files, split over processes and workers, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from learn_rank.data.batch import Batch, joined
from learn_rank.engine.position import Span, StreamPosition, after_rows, group_order, row_order, spans
from learn_recall.errors import said_by

_BEGIN = StreamPosition()


@dataclass(frozen=True)
class RowStream:
    """The rows of parquet files as global batches, of which each process reads its own part.

    A process holds one row group of each of its lanes, never a table. All processes see equally many batches.

    Args:
        files: parquet files of one schema; their row groups are the unit of reading and of shuffling.
        columns: those to read.
        make_batch: turns rows into a `Batch`; `BatchColumns.batch`, or a function of the caller's.
        batch_size: rows of a global batch, over all processes.
        n_lanes: parts that an epoch is cut into (`learn_rank.engine.position`); the numbers of processes and
            of workers that share the stream have to divide it, and it has to divide ``batch_size``.
        seed: of the order; None keeps the order of the files.
        keeps_all: False, for training: up to n_lanes - 1 rows of an epoch are left out, so that every process
            has as many rows; True, for scoring: none is.

    Raises:
        ValueError: no row group, a file that is no parquet, lacks a column, has it twice or in another type
            than the first, or numbers that do not divide each other.
    """

    files: Sequence[str | os.PathLike[str]]
    columns: Sequence[str]
    make_batch: Callable[[pa.Table], Batch]
    batch_size: int
    n_lanes: int = 8
    seed: int | None = 0
    keeps_all: bool = False

    def __post_init__(self) -> None:
        if self.n_lanes < 1 or self.batch_size < 1 or self.batch_size % self.n_lanes:
            raise ValueError(
                f"batch_size: expected a multiple of n_lanes, {self.n_lanes}, got {self.batch_size}. Remedy: "
                "choose n_lanes as a multiple of the processes and workers, and batch_size as one of n_lanes."
            )
        self._check_schemas()
        if self.n_rows < self.n_lanes:
            raise ValueError(f"files: expected at least n_lanes = {self.n_lanes} rows, got {self.n_rows}.")

    def _check_schemas(self) -> None:
        """Refuse files that are no one table."""
        first: dict[str, pa.DataType] = {}
        for file in self.files:
            schema = _schema(file)
            missing = [name for name in self.columns if name not in schema.names]
            if missing:
                raise ValueError(
                    f"{file}: expected the columns {list(self.columns)}, got no {missing} among "
                    f"{schema.names}. Remedy: name the columns that are there (BatchColumns)."
                )
            for name in self.columns:
                if schema.names.count(name) > 1:
                    raise ValueError(
                        f"{file}: expected each column once, got {name} more than once. Remedy: write the "
                        "file again with distinct names."
                    )
                found = schema.field(name).type
                if first.setdefault(name, found) != found:
                    raise ValueError(
                        f"{file}: expected {name} as {first[name]}, as in {self.files[0]}, got {found}. "
                        "Remedy: write all files with the same types."
                    )

    @cached_property
    def groups(self) -> list[tuple[Path, int, int]]:
        """(file, number of the row group in it, rows) of every row group."""
        found = []
        for file in map(Path, self.files):
            metadata = pq.read_metadata(file)
            sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
            found += [(file, number, size) for number, size in enumerate(sizes) if size]
        return found

    @property
    def n_rows(self) -> int:
        """Rows of all files."""
        return sum(size for _, _, size in self.groups)

    @property
    def n_batches(self) -> int:
        """Global batches of an epoch."""
        longest = -(-self.n_rows // self.n_lanes) if self.keeps_all else self.n_rows // self.n_lanes
        return -(-longest // (self.batch_size // self.n_lanes))

    def batches(
        self,
        position: StreamPosition = _BEGIN,
        *,
        rank: int = 0,
        n_ranks: int = 1,
        n_workers: int = 0,
        start_method: str = "spawn",
    ) -> Iterator[Batch]:
        """This process's part of every batch from `position` to the end of its epoch.

        Args:
            position: the first batch.
            rank: of this process; n_ranks: how many there are.
            n_workers: processes that read for this one; 0 reads in it. The rows are the same.
            start_method: of the workers; "spawn" is safe beside a process group.

        Raises:
            ValueError: n_lanes is no multiple of n_ranks x n_workers.
        """
        n_readers = n_ranks * max(n_workers, 1)
        if self.n_lanes % n_readers or not 0 <= rank < n_ranks:
            raise ValueError(
                f"n_lanes: expected a multiple of n_ranks x n_workers, {n_readers}, rank below n_ranks, "
                f"got {self.n_lanes} lanes, rank {rank}. Remedy: change n_workers, or use more lanes."
            )
        per_rank = self.n_lanes // n_ranks
        lanes = range(rank * per_rank, (rank + 1) * per_rank)
        if n_workers == 0:
            yield from self.of_lanes(lanes, position)
            return
        loader = iter(
            DataLoader(
                _Lanes(self, lanes, position),
                batch_size=None,
                num_workers=n_workers,
                multiprocessing_context=start_method,
            )
        )
        # the loader takes one part of each worker in turn
        while parts := list(islice(loader, n_workers)):
            yield joined(parts)

    def of_lanes(self, lanes: Sequence[int], position: StreamPosition) -> Iterator[Batch]:
        """The rows of some lanes in every batch from `position` to the end of its epoch."""
        per_lane = self.batch_size // self.n_lanes
        rows = [self._lane(lane, position, per_lane) for lane in lanes]
        for _ in range(position.batch, self.n_batches):
            yield self.make_batch(pa.concat_tables([next(lane) for lane in rows]).combine_chunks())

    def _lane(self, lane: int, position: StreamPosition, per_lane: int) -> Iterator[pa.Table]:
        sizes = [size for _, _, size in self.groups]
        order = group_order(len(sizes), seed=self.seed, epoch=position.epoch)
        own = spans(sizes, order, lane=lane, n_lanes=self.n_lanes, keeps_all=self.keeps_all)
        left = after_rows(own, position.batch * per_lane)
        waiting = self.empty
        for span in left:
            rows = self._read(span, position.epoch)
            waiting = pa.concat_tables([waiting, rows]) if len(waiting) else rows
            while len(waiting) >= per_lane:
                yield waiting[:per_lane]
                waiting = waiting[per_lane:]
        yield waiting
        while True:  # a lane that is one row shorter than another has nothing more to say
            yield self.empty

    @cached_property
    def empty(self) -> pa.Table:
        """No rows, in the right types."""
        schema = pq.read_schema(self.groups[0][0])
        return _without_views(pa.schema([schema.field(name) for name in self.columns]).empty_table())

    def _read(self, span: Span, epoch: int) -> pa.Table:
        file, number, size = self.groups[span.group]
        with pq.ParquetFile(file) as opened:
            rows = opened.read_row_group(number, columns=list(self.columns)).select(self.columns)
        rows = _without_views(rows.replace_schema_metadata(None))
        wanted = row_order(size, seed=self.seed, epoch=epoch, group=span.group)[span.start : span.stop]
        return rows.take(pa.array(wanted))


class _Lanes(IterableDataset):
    """What the workers of one process share: each takes as many of its lanes, in order."""

    def __init__(self, stream: RowStream, lanes: Sequence[int], position: StreamPosition) -> None:
        self._stream, self._lanes, self._position = stream, lanes, position

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        if worker is None:
            return self._stream.of_lanes(self._lanes, self._position)
        per_worker = len(self._lanes) // worker.num_workers
        first = worker.id * per_worker
        return self._stream.of_lanes(self._lanes[first : first + per_worker], self._position)


def _without_views(rows: pa.Table) -> pa.Table:
    """Views of text and bytes as what they show: Arrow cannot take rows of views."""
    shown = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    fields = [field.with_type(shown.get(field.type, field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _schema(file: str | os.PathLike[str]) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{file}: expected a parquet file that can be read, got {said_by(error)}. Remedy: write it "
            "again, or correct the path."
        ) from None
