"""Second pass over the files: rows go to partitions on disk, by user and, for each model, by score."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from learn_rank.evaluation.beyond_memory.layout import Layout, MemoryLimits, Track
from learn_rank.evaluation.beyond_memory.row_hashes import row_hashes
from learn_rank.evaluation.beyond_memory.survey import ScoreColumn, Survey
from learn_rank.evaluation.beyond_memory.value_counts import codes_of
from learn_rank.metrics.labelled_rows import as_labels, as_scores, as_weights

CODE, LABEL, WEIGHT, SCORE = "code", "label", "weight", "score"
TWIN = "twin"  # equal for rows of a user that repeat each other
BY_USER = "by_user"
MAX_BUCKETS = 1 << 16
_SPARE = 1.1  # of the estimate must be free


class SpillShelf:
    """Numbered partitions of one kind on disk; each holds the same columns.

    Args:
        folder: made here.
        n_partitions: how many.
    """

    def __init__(self, folder: Path, n_partitions: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.n_partitions = n_partitions
        self._writers: dict[int, Any] = {}
        self._open = ExitStack()

    def deal(self, place: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Append each row to the partition `place` says; rows of a partition keep their order."""
        order = np.argsort(place, kind="stable")
        edges = np.searchsorted(place[order], np.arange(self.n_partitions + 1))
        in_order = [column[order] for column in columns.values()]
        for at in np.flatnonzero(np.diff(edges)).tolist():
            rows = slice(edges[at], edges[at + 1])
            batch = pa.RecordBatch.from_arrays([pa.array(column[rows]) for column in in_order], list(columns))
            if at not in self._writers:
                sink = self._open.enter_context(pa.OSFile(str(self._path(at)), "wb"))
                self._writers[at] = self._open.enter_context(pa.ipc.new_file(sink, batch.schema))
            self._writers[at].write_batch(batch)

    def close(self) -> None:
        """End writing."""
        self._open.close()

    def read(self, at: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The named columns of a partition; none of a partition that got no rows."""
        if at not in self._writers:
            return {}
        with pa.OSFile(str(self._path(at))) as source:
            found = pa.ipc.open_file(source).schema.names
            fields = pa.ipc.IpcReadOptions(included_fields=[found.index(name) for name in names])
            table = pa.ipc.open_file(source, options=fields).read_all()
        return {name: table[name].to_numpy() for name in names}

    def _path(self, at: int) -> Path:
        return self.folder / f"{at:05}.arrow"


def score_name(model: str) -> str:
    """Column of a model's scores in the partitions by user."""
    return f"score {model}"


def column_name(column: str) -> str:
    """A further column in the partitions by user."""
    return f"column {column}"


def bucket_name(column: str) -> str:
    """Column of bucket codes in the partitions."""
    return f"bucket {column}"


@dataclass(frozen=True, eq=False)
class Dealer:
    """Says of each row where it goes.

    Attributes:
        layout: the shared columns.
        found: what the first pass has learned.
        partition_of_user: (U,) uint16, ascending.
        splitters: model -> scores at which a new partition begins, ascending.
    """

    layout: Layout
    found: Survey
    partition_of_user: np.ndarray
    splitters: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, layout: Layout, found: Survey, n_partitions: int) -> Dealer:
        """Partitions of about equal size.

        Raises:
            ValueError: more than `MAX_BUCKETS` buckets.
        """
        for column, (_, names) in found.split.items():
            if len(names) > MAX_BUCKETS:
                raise ValueError(f"buckets: expected at most {MAX_BUCKETS}, got {len(names)} in {column!r}")
        ends = np.cumsum(found.rows_of_user)
        partition = ((ends - found.rows_of_user) * n_partitions // ends[-1]).astype(np.uint16)
        places = np.arange(1, n_partitions)
        splitters = {
            model: np.unique(sample[places * sample.size // n_partitions])
            for model, sample in found.samples.items()
        }
        return cls(layout, found, partition, splitters)

    def shelves(self, folder: Path) -> dict[str, SpillShelf]:
        """Empty shelves: `BY_USER`, and one for each model."""
        shelves = {BY_USER: SpillShelf(folder / "users", int(self.partition_of_user[-1]) + 1)}
        for at, (model, splitters) in enumerate(self.splitters.items()):
            shelves[model] = SpillShelf(folder / f"scores-{at}", splitters.size + 1)
        return shelves

    def deal(
        self, table: pa.Table, scores: Mapping[str, np.ndarray], shelves: Mapping[str, SpillShelf]
    ) -> None:
        """Put rows onto the shelves; `table` holds the shared columns, checked before, and the identity."""
        layout, n_rows = self.layout, table.num_rows
        common = {
            CODE: codes_of(table[layout.user], self.found.users).astype(np.uint32),
            LABEL: as_labels(table[layout.label].to_pandas()),
        }
        if layout.weight is not None:
            common[WEIGHT] = as_weights(table[layout.weight].to_pandas(), n_rows)
        for column, (code_of_value, _) in self.found.split.items():
            value = codes_of(table[column], self.found.values[column])
            common[bucket_name(column)] = code_of_value[value].astype(np.uint16)
        twin = {TWIN: row_hashes([table[name] for name in layout.identity])} if layout.identity else {}
        further = {column_name(name): as_weights(table[name].to_pandas(), n_rows) for name in layout.columns}
        named = {score_name(model): own for model, own in scores.items()}
        shelves[BY_USER].deal(self.partition_of_user[common[CODE]], common | twin | further | named)
        for model, own in scores.items():
            place = np.searchsorted(self.splitters[model], own, side="right").astype(np.uint16)
            shelves[model].deal(place, common | {SCORE: own})


def spill_rows(
    dealer: Dealer,
    models: Mapping[str, ScoreColumn],
    shelves: Mapping[str, SpillShelf],
    limits: MemoryLimits,
    track: Track,
) -> None:
    """Read everything once more and distribute the rows."""
    wanted = {model: [source.column] for model, source in models.items()}
    first = next(iter(models))
    wanted[first] = list(dict.fromkeys([*dealer.layout.shared, *wanted[first], *dealer.layout.identity]))
    streams = [source.files.chunks(wanted[model], limits.chunk_rows) for model, source in models.items()]
    n_chunks = -(-models[first].files.n_rows // limits.chunk_rows)
    try:
        for tables in track(zip(*streams, strict=True), "partitioning rows", n_chunks):
            scores = {
                model: as_scores(own[source.column].to_pandas(), own.num_rows)
                for (model, source), own in zip(models.items(), tables, strict=True)
            }
            dealer.deal(tables[0], scores, shelves)
    finally:
        for shelf in shelves.values():
            shelf.close()


def check_room(folder: Path, layout: Layout, models: Mapping[str, ScoreColumn]) -> None:
    """Refuse a disk that cannot hold the partitions."""
    n_rows = next(iter(models.values())).files.n_rows
    common = 4 + 1 + 8 * (layout.weight is not None) + 2 * len(layout.bucketings)
    widths = [
        source.files.schema([source.column]).field(source.column).type.to_pandas_dtype()
        for source in models.values()
    ]
    score_bytes = sum(np.dtype(width).itemsize for width in widths)
    row_bytes = (
        common * (1 + len(models)) + 8 * (len(layout.columns) + bool(layout.identity)) + 2 * score_bytes
    )
    needed, free = _SPARE * row_bytes * n_rows, shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"--spill: expected {needed / 1e9:.1f} GB free in {folder} for {n_rows:,} rows, got "
            f"{free / 1e9:.1f} GB. Remedy: name a folder on a larger disk"
        )
