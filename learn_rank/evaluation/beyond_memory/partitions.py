"""Rows on disk for `compare_in_buckets`: users in partitions of id order, scores in ascending ranges.

A user's rows lie in one partition, so per-user statistics are those of memory; partitions follow the order of
the user ids, so joined they are summed in the order of memory. Won pairs are counted in halves, range by
range. Without row weights every digit is that of `compare_models`; with weights the last digits of the
weighted AUCs may differ, since there too sums of products are rounded in the order in which rows lie.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from learn_rank.evaluation.beyond_memory.layout import Layout, MemoryLimits, Track, untracked
from learn_rank.evaluation.beyond_memory.spill import (
    BY_USER,
    CODE,
    LABEL,
    SCORE,
    TWIN,
    WEIGHT,
    Dealer,
    SpillShelf,
    bucket_name,
    check_room,
    column_name,
    score_name,
    spill_rows,
)
from learn_rank.evaluation.beyond_memory.survey import ScoreColumn, Survey, check_lengths, survey
from learn_rank.evaluation.compare import ALL, BucketScores
from learn_rank.metrics.base import AdditiveMetric, Metric, UserSums
from learn_rank.metrics.buckets import bucket_of_user
from learn_rank.metrics.calibration import ECE, as_probabilities, mass_edges
from learn_rank.metrics.grouped_auc import PerUserAUC, fold_users, merge
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.metrics.pooled_auc import ScoreRun
from learn_rank.metrics.user_codes import UserCodes
from learn_rank.uncertainty.scored_rows import Scored, columns_needed


@contextmanager
def partitioned(
    layout: Layout,
    models: Mapping[str, ScoreColumn],
    *,
    limits: MemoryLimits | None = None,
    track: Track = untracked,
) -> Iterator[Partitions]:
    """Check the rows of parquet files and lay them out on disk, to be judged there.

    Args:
        layout: the columns that all models' files share.
        models: model -> its scores; the others' files must hold the rows of the first, in the same order.
        limits: how much is held at a time, and where the temporary folder is made.
        track: (steps, what is done, number of steps) -> the steps, for a progress bar.

    Yields:
        `Partitions`, until the block ends; then the temporary folder is removed, also after an error.

    Raises:
        ValueError: rows that `learn_rank.metrics.labelled_rows` refuses, with their row in all files; other
            rows in a second model's files; or a disk that cannot hold the partitions.
    """
    where = MemoryLimits() if limits is None else limits
    check_lengths(models)
    folder_of = tempfile.gettempdir() if where.spill is None else where.spill
    with tempfile.TemporaryDirectory(prefix="learn-rank-", dir=folder_of) as folder:
        check_room(Path(folder), layout, models)
        found = survey(layout, models, where, track)
        n_rows = int(found.rows_of_user.sum())
        dealer = Dealer.of(layout, found, where.n_partitions(n_rows))
        shelves = dealer.shelves(Path(folder))
        spill_rows(dealer, models, shelves, where, track)
        yield Partitions(layout, tuple(models), found, shelves, track)


@dataclass(frozen=True, eq=False)
class Partitions:
    """Rows on disk. Make it with `partitioned`.

    Attributes:
        layout: the shared columns.
        models: in order.
        found: what the first pass has learned.
        shelves: the partitions.
        track: told of every partition that is read.
    """

    layout: Layout
    models: tuple[str, ...]
    found: Survey
    shelves: Mapping[str, SpillShelf]
    track: Track

    def bucket_scores(self) -> Iterator[BucketScores]:
        """All rows, then every bucket of every bucketing."""
        for where in self.places():
            scored = {model: [PartitionedScores(self, where, model)] for model in self.models}
            yield BucketScores(where.kind, where.bucket, scored)

    def places(self) -> Iterator[Place]:
        """All rows, then every bucket of every bucketing, as places."""
        yield Place(self, ALL, ALL)
        for bucketing in self.layout.bucketings:
            for at, name in enumerate(self.found.split[bucketing.column][1]):
                yield Place(self, bucketing.kind, name, bucketing.column, at)

    def check_attributed(self) -> None:
        """Refuse a bucket that cuts through a user, so that no user belongs to one bucket."""
        for bucketing in self.layout.bucketings:
            bucket = bucket_name(bucketing.column)
            for columns in self.read(BY_USER, [CODE, bucket], f"users in one bucket of {bucketing.kind}"):
                user = columns[CODE] - columns[CODE].min()
                try:
                    bucket_of_user(user, columns[bucket], int(user.max()) + 1)
                except ValueError as error:
                    raise ValueError(f"{bucketing.kind}: {error}") from None

    def n_repeated(self) -> int | None:
        """Rows that repeat an earlier one in the columns of `Layout.identity`; None without such columns."""
        if not self.layout.identity:
            return None
        n_repeated = 0
        for columns in self.read(BY_USER, [CODE, TWIN], "rows that stand there twice"):
            order = np.lexsort((columns[TWIN], columns[CODE]))
            same = [columns[name][order][1:] == columns[name][order][:-1] for name in (CODE, TWIN)]
            n_repeated += int(np.count_nonzero(same[0] & same[1]))
        return n_repeated

    def read(self, shelf: str, names: Sequence[str], what: str) -> Iterator[dict[str, np.ndarray]]:
        """Columns of each partition that holds rows."""
        kept = self.shelves[shelf]
        for at in self.track(range(kept.n_partitions), what, kept.n_partitions):
            columns = kept.read(at, names)
            if columns:
                yield columns


@dataclass(frozen=True, eq=False)
class Place:
    """The rows of one bucket, or all rows where `column` is None; `code` is the bucket's."""

    partitions: Partitions
    kind: str
    bucket: str
    column: str | None = None
    code: int = 0

    @cached_property
    def code_in_cell(self) -> np.ndarray:
        """(U,) position of each user among those with rows here, in id order; wrong for the others."""
        is_here = np.zeros(len(self.partitions.found.users), bool)
        for columns in self.read(BY_USER, [CODE], "users"):
            is_here[columns[CODE]] = True
        return np.cumsum(is_here, dtype=np.int64) - 1

    def read(self, shelf: str, names: Sequence[str], what: str) -> Iterator[dict[str, np.ndarray]]:
        """Columns of the rows here, partition by partition; partitions without rows here are left out."""
        title = f"{self.kind} {self.bucket}: {what}" if self.column is not None else what
        if self.column is None:
            yield from self.partitions.read(shelf, names, title)
            return
        bucket = bucket_name(self.column)
        for columns in self.partitions.read(shelf, [*names, bucket], title):
            chosen = np.flatnonzero(columns[bucket] == self.code)
            if chosen.size:
                yield {name: columns[name][chosen] for name in names}

    def rows(self, model: str, what: str) -> Iterator[tuple[LabelledRows, np.ndarray]]:
        """Rows of whole users with a model's scores, in the order of the user ids, or no rows at all."""
        layout = self.partitions.layout
        weight = [] if layout.weight is None else [WEIGHT]
        names = [CODE, LABEL, score_name(model), *weight, *map(column_name, layout.columns)]
        is_empty = True
        for columns in self.read(BY_USER, names, what):
            is_empty = False
            yield self._rows(columns), columns[score_name(model)]
        if is_empty:
            nothing = {name: np.empty(0, np.uint8) for name in names}
            yield self._rows(nothing), nothing[score_name(model)]

    def _rows(self, columns: Mapping[str, np.ndarray]) -> LabelledRows:
        codes = columns[CODE]
        first, last = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
        users = UserCodes(codes - codes.dtype.type(first), last - first + 1, first, None)
        further = {name: columns[column_name(name)] for name in self.partitions.layout.columns}
        return LabelledRows(columns[LABEL], users, columns.get(WEIGHT), further)


@dataclass(frozen=True, eq=False)
class PartitionedScores(Scored):
    """One model's scores of the rows of a place."""

    partitions: Partitions
    place: Place
    model: str
    _kept: dict[tuple[str, ...], PerUserAUC] = field(default_factory=dict)

    def per_user(self, metrics: Sequence[Metric]) -> PerUserAUC:
        """See `Scored.per_user`; `user` holds positions in the sorted ids. The last answer is kept."""
        offered = dict.fromkeys(self.partitions.layout.columns, np.empty(0))
        needed = tuple(columns_needed(metrics, offered))
        if needed not in self._kept:
            self._kept.clear()
            self._kept[needed] = merge(
                [
                    fold_users(replace(rows, columns=columns_needed(metrics, rows.columns)), scores)
                    for rows, scores in self.place.rows(self.model, "AUC of each user")
                ]
            )
        return self._kept[needed]

    def user_sums(self, metric: AdditiveMetric) -> UserSums:
        """See `Scored.user_sums`."""
        own = replace(metric, edges=self._edges(metric)) if isinstance(metric, ECE) else metric
        parts = (own.user_sums(rows, scores) for rows, scores in self.place.rows(self.model, str(metric)))
        return _join(parts, int(self.place.code_in_cell[-1]) + 1)

    def in_score_order(self) -> Iterator[ScoreRun]:
        """One run per partition by score."""
        code_in_cell = None if self.place.column is None else self.place.code_in_cell
        for columns in self._runs(CODE, LABEL, "pairs across users"):
            codes = columns[CODE] if code_in_cell is None else code_in_cell[columns[CODE]]
            yield ScoreRun(codes, columns[LABEL], columns.get(WEIGHT), columns[SCORE])

    def _edges(self, metric: ECE) -> tuple[float, ...]:
        if metric.edges is not None:
            return metric.edges
        masses = (_masses(columns) for columns in self._runs("weight of the rows"))
        total = sum(float(weight.sum()) for _, weight in masses)
        runs = (_masses(columns) for columns in self._runs("bins of ECE"))
        return mass_edges(metric.bins, runs, total)

    def _runs(self, *names_and_what: str) -> Iterator[dict[str, np.ndarray]]:
        *names, what = names_and_what
        weight = [] if self.partitions.layout.weight is None else [WEIGHT]
        return self.place.read(self.model, [SCORE, *names, *weight], what)


def _masses(columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    prob = as_probabilities(columns[SCORE], columns[SCORE].size)
    return prob, columns[WEIGHT] if WEIGHT in columns else np.ones(prob.size)


def _join(parts: Iterable[UserSums], n_users: int) -> UserSums:
    """The users of all parts, in order; a part is dropped before the next one is made."""
    sums: np.ndarray | None = None
    others: list[tuple[np.ndarray, ...]] = []
    start = 0
    for part in parts:
        if sums is None:
            sums = np.empty((part.sums.shape[0], n_users))
        stop = start + part.is_scored.size
        sums[:, start:stop] = part.sums
        others.append((part.weight, part.is_scored, part.n_rows, part.n_positives))
        start = stop
    if sums is None or start != n_users:
        raise RuntimeError(f"expected {n_users} users in the partitions, got {start}; they were changed")
    return UserSums(sums, *(np.concatenate(arrays) for arrays in zip(*others, strict=True)))
