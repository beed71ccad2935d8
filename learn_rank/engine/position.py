"""Where a training stands in its data, and which rows come next: pure arithmetic over row group sizes.

An epoch shuffles the row groups, lays their rows end to end and cuts them into equal lanes. A global batch
is the next few rows of every lane. Which rows make up a batch depends on seed, epoch and number of lanes, and
not on how many processes share the lanes out: so a training may go on with another number of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StreamPosition:
    """The next global batch: `batch` of `epoch`, both from 0; `spans` gives its row groups and rows."""

    epoch: int = 0
    batch: int = 0

    def __post_init__(self) -> None:
        if self.epoch < 0 or self.batch < 0:
            raise ValueError(f"position: expected epoch and batch of at least 0, got {self}.")

    def after(self, n_batches: int, *, per_epoch: int) -> StreamPosition:
        """The position `n_batches` later, in an epoch of `per_epoch` batches.

        Example:
            >>> StreamPosition(epoch=1, batch=7).after(5, per_epoch=10)
            StreamPosition(epoch=2, batch=2)
        """
        batch = self.batch + n_batches
        return StreamPosition(self.epoch + batch // per_epoch, batch % per_epoch)


@dataclass(frozen=True)
class Span:
    """Rows `start` up to `stop` of a row group, counted in the epoch's order within the group."""

    group: int
    start: int
    stop: int


def spans(
    group_sizes: Sequence[int], order: Sequence[int], *, lane: int, n_lanes: int, keeps_all: bool
) -> list[Span]:
    """The rows of one lane, in order.

    Args:
        group_sizes: rows of each row group.
        order: the row groups in the epoch's order.
        lane: which lane, from 0.
        n_lanes: equal parts that the epoch is cut into.
        keeps_all: False: all lanes have the same number of rows, and up to n_lanes - 1 rows at the end of
            this epoch's order are left out; True: none is left out, and lanes differ by up to one row.

    Example:
        >>> spans([4, 3, 2], [2, 0, 1], lane=1, n_lanes=3, keeps_all=False)
        [Span(group=0, start=1, stop=4)]
    """
    n_rows = sum(group_sizes)
    if keeps_all:
        first, last = n_rows * lane // n_lanes, n_rows * (lane + 1) // n_lanes
    else:
        first, last = n_rows // n_lanes * lane, n_rows // n_lanes * (lane + 1)
    found, begins = [], 0
    for group in order:
        start, stop = max(first - begins, 0), min(last - begins, group_sizes[group])
        if start < stop:
            found.append(Span(group, start, stop))
        begins += group_sizes[group]
    return found


def after_rows(lane: Sequence[Span], n_rows: int) -> list[Span]:
    """What is left of a lane when its first `n_rows` are gone.

    Example:
        >>> after_rows([Span(5, 0, 4), Span(2, 1, 3)], 5)
        [Span(group=2, start=2, stop=3)]
    """
    left = []
    for span in lane:
        gone = min(n_rows, span.stop - span.start)
        n_rows -= gone
        if gone < span.stop - span.start:
            left.append(Span(span.group, span.start + gone, span.stop))
    return left


def group_order(n_groups: int, *, seed: int | None, epoch: int) -> list[int]:
    """The row groups in the epoch's order; without a seed, as they lie in the files."""
    if seed is None:
        return list(range(n_groups))
    return np.random.default_rng([seed, epoch]).permutation(n_groups).tolist()


def row_order(n_rows: int, *, seed: int | None, epoch: int, group: int) -> np.ndarray:
    """(n_rows,) rows of a row group in the epoch's order."""
    if seed is None:
        return np.arange(n_rows)
    return np.random.default_rng([seed, epoch, group]).permutation(n_rows)
