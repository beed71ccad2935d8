"""Candidates from a parquet file: checked once, then read one day at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from learn_rank.ab.candidates.columns import (
    ARM,
    BUDGET,
    IDS,
    SCORES,
    Coded,
    check_schema,
    coded,
    numbers,
    open_dataset,
    read_day,
)
from learn_rank.ab.candidates.day import CandidateDay
from learn_rank.ab.candidates.scan import scan
from learn_recall.columns import ITEM_BUCKET, TIMESTAMP, USER_BUCKET

_ALL = "all"


class CandidateFiles:
    """A `CandidateSource` of the parquet schema. Only one day's rows are in memory at a time.

    Columns: request_id, user_id, item_id, advertiser_id (integers or strings), day (integer >= 0), bid
    (target cost per conversion, currency units, > 0), pctr_a, pcvr_a, pctr_b, pcvr_b (0 .. 1). Optional:
    user_bucket and item_bucket, one value for each id in all days (without: one bucket "all"); timestamp,
    which orders the requests of a day (without, they are ordered by a hash of their ids, so that budgets
    meet them in an order that does not depend on the file's); budget, the advertiser's daily budget, empty
    for no limit; arm, "a" or "b", where users were assigned elsewhere; and what an environment asks for.

    The order of the rows is free. A file whose row groups are in the order of days is read fastest, since
    other days are skipped.

    Args:
        source: a parquet file, a folder of them, a glob, a csv or jsonl file, a pyarrow Table or a pandas
            DataFrame.

    Raises:
        ValueError: nothing there; parts that are no one table; everything that is wrong with the columns or
            the rows, with counts.

    Example:
        >>> frame = pd.DataFrame({"request_id": [1, 1, 2], "user_id": [7, 7, 8], "day": 0,
        ...     "item_id": [1, 2, 1], "advertiser_id": ["x", "y", "x"], "bid": 20.0, "pctr_a": .1,
        ...     "pcvr_a": .2, "pctr_b": .1, "pcvr_b": [.2, .3, .2]})
        >>> source = CandidateFiles(frame)
        >>> source.days, source.user_ids.tolist(), source.excluded["requests_with_one_candidate"]
        ([0], [7, 8], 1)
    """

    def __init__(self, source: str | os.PathLike[str] | pa.Table | pd.DataFrame) -> None:
        self._dataset = open_dataset(source)
        check_schema(self._dataset.schema)
        self._found = scan(self._dataset)
        self._has_timestamp = TIMESTAMP in self._dataset.schema.names

    @property
    def days(self) -> Sequence[int]:
        """The days it holds, ascending."""
        return self._found.days

    @property
    def user_ids(self) -> np.ndarray:
        """(U,) sorted."""
        return self._found.users.ids

    @property
    def user_bucket(self) -> np.ndarray:
        """(U,) int64, position in `user_buckets`."""
        fixed = self._found.users.fixed
        return fixed[USER_BUCKET] if USER_BUCKET in fixed else np.zeros(self.user_ids.size, np.int64)

    @property
    def user_buckets(self) -> tuple[str, ...]:
        """Sorted names."""
        return self._found.users.names.get(USER_BUCKET, (_ALL,))

    @property
    def item_buckets(self) -> tuple[str, ...]:
        """Sorted names."""
        return self._found.items.names.get(ITEM_BUCKET, (_ALL,))

    @property
    def advertiser_ids(self) -> np.ndarray:
        """(A,) sorted."""
        return self._found.advertisers.ids

    @property
    def budgets(self) -> np.ndarray | None:
        """(A,) daily, inf without a limit; None without a column `budget`."""
        return self._found.advertisers.fixed.get(BUDGET)

    @property
    def assigned(self) -> np.ndarray | None:
        """(U,) uint8 from the column `arm`, or None."""
        arm = self._found.users.fixed.get(ARM)
        return None if arm is None else arm.astype(np.uint8)

    @property
    def excluded(self) -> Mapping[str, int]:
        """Odd rows, all of them kept: requests with one candidate, candidates that can never win."""
        return self._found.counts

    def read(self, day: int, columns: Sequence[str] = ()) -> CandidateDay:
        """One day's requests in order of time.

        Args:
            day: one of `days`.
            columns: further columns of the file.

        Raises:
            ValueError: a day or column that the file does not hold.
        """
        if day not in self.days:
            raise ValueError(f"day: expected one of {list(self.days)}, got {day}")
        unknown = [name for name in columns if name not in self._dataset.schema.names]
        if unknown:
            raise ValueError(
                f"candidates: expected what the environment asks for, got no {', '.join(unknown)}. "
                f"Remedy: add it; they have {', '.join(self._dataset.schema.names)}"
            )
        own = [*IDS, "bid", *SCORES]
        own += [TIMESTAMP] if self._has_timestamp else []
        own += [ITEM_BUCKET] if ITEM_BUCKET in self._dataset.schema.names else []
        table = read_day(self._dataset, day, list(dict.fromkeys([*own, *columns])))
        ids = {name: coded(table.column(name)) for name in IDS}
        start, rows = self._grouped(table, ids["request_id"])
        request, item = ids["request_id"], ids["item_id"]
        scores = {name: numbers(table.column(name))[rows] for name in SCORES}
        return CandidateDay(
            day=day,
            start=start,
            request_key=request.keys()[request.codes[rows][start[:-1]]],
            user=self._found.users.positions(ids["user_id"])[rows][start[:-1]],
            item_key=item.keys()[item.codes[rows]],
            advertiser=self._found.advertisers.positions(ids["advertiser_id"])[rows],
            bid=numbers(table.column("bid"))[rows],
            pctr=np.stack([scores["pctr_a"], scores["pctr_b"]]),
            pcvr=np.stack([scores["pcvr_a"], scores["pcvr_b"]]),
            item_bucket=self._item_bucket(table)[rows],
            columns={name: _values(table.column(name))[rows] for name in columns},
        )

    def _grouped(self, table: pa.Table, request: Coded) -> tuple[np.ndarray, np.ndarray]:
        """(R + 1,) offsets of the requests in their order, (N,) the rows in that order."""
        n_rows = np.bincount(request.codes)
        sort_by = [request.keys()]
        if self._has_timestamp:
            time = table.column(TIMESTAMP).to_numpy()
            of_request = np.zeros(n_rows.size, time.dtype)
            of_request[request.codes] = time
            sort_by.append(of_request)
        order = np.lexsort(sort_by)
        start = np.append(0, np.cumsum(n_rows[order]))
        begins = np.flatnonzero(np.append(True, request.codes[1:] != request.codes[:-1]))
        if begins.size == n_rows.size:  # each request is one stretch of rows
            first = np.zeros(n_rows.size, np.int64)
            first[request.codes[begins]] = begins
            return start, np.repeat(first[order] - start[:-1], n_rows[order]) + np.arange(request.codes.size)
        place = np.zeros(n_rows.size, np.int64)
        place[order] = np.arange(n_rows.size)
        return start, np.argsort(place[request.codes], kind="stable")

    def _item_bucket(self, table: pa.Table) -> np.ndarray:
        if ITEM_BUCKET not in table.column_names:
            return np.zeros(table.num_rows, np.int64)
        bucket = coded(table.column(ITEM_BUCKET))
        position = [self.item_buckets.index(str(name)) for name in bucket.values.tolist()]
        return np.array(position, np.int64)[bucket.codes]


def _values(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        found = coded(column)
        return found.values[found.codes]
    return column.to_numpy()


__all__ = ["CandidateFiles"]
