"""Which columns of a prediction file are judged, and how much of it is held at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.metrics.buckets import bucket_codes

Split = Callable[[pd.Series, np.ndarray], tuple[np.ndarray, tuple[str, ...]]]
Track = Callable[[Iterable[Any], str, int], Iterable[Any]]


def split_by_name(values: pd.Series, n_rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Every value is a bucket, named by it; `n_rows` is not needed."""
    return bucket_codes(values, len(n_rows))


@dataclass(frozen=True)
class Bucketing:
    """A column that says in which bucket a row lies.

    Attributes:
        kind: what the buckets are called in the results.
        column: the column.
        split: (values, n_rows) -> (codes, names): the distinct values of the column, (V,), and how many rows
            hold each; the position of each value's bucket in `names`.
    """

    kind: str
    column: str
    split: Split = split_by_name


@dataclass(frozen=True)
class Layout:
    """The columns that all files share.

    Attributes:
        user, label: columns.
        weight: column of row weights, or None.
        columns: further columns that a setting of a metric names.
        bucketings: the ways of splitting the rows.
        identity: columns of the first model's files by which repeated rows are counted, label and score
            among them; none: they are not counted.
    """

    user: str
    label: str
    weight: str | None = None
    columns: tuple[str, ...] = ()
    bucketings: tuple[Bucketing, ...] = ()
    identity: tuple[str, ...] = ()

    @property
    def shared(self) -> list[str]:
        """Every column but the scores, once each."""
        weight = [] if self.weight is None else [self.weight]
        buckets = [bucketing.column for bucketing in self.bucketings]
        return list(dict.fromkeys([self.user, self.label, *weight, *self.columns, *buckets]))


@dataclass(frozen=True)
class MemoryLimits:
    """How much is held at a time.

    Attributes:
        chunk_rows: rows read at a time.
        partition_rows: rows of a partition, about. A user is never cut, and equal scores are not either.
        max_partitions: partitions grow rather than become more than this many, since all are open at once.
        spill: the folder in which the temporary folder is made; None: the system's temporary folder.
    """

    chunk_rows: int = 1_000_000
    partition_rows: int = 2_000_000
    max_partitions: int = 200
    spill: Path | None = None

    def __post_init__(self) -> None:
        for name in ("chunk_rows", "partition_rows", "max_partitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)!r}")
        if self.spill is not None and not (self.spill.is_dir() and os.access(self.spill, os.W_OK)):
            raise ValueError(
                f"--spill: expected a folder that can be written to, got {self.spill}. Remedy: make it first"
            )

    def n_partitions(self, n_rows: int) -> int:
        """Into how many partitions so many rows are cut."""
        return max(1, min(self.max_partitions, -(-n_rows // self.partition_rows)))


def untracked(steps: Iterable[Any], what: str, n_steps: int) -> Iterable[Any]:
    """The steps themselves: nobody watches."""
    return steps
