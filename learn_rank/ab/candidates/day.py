"""What a simulation reads: the requests of one day, with every candidate and both arms' predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class CandidateDay:
    """The candidates of one day; requests in order of time, rows grouped by request. R requests, N rows.

    Attributes:
        day: its number, >= 0.
        start: (R + 1,) int64, request r has the rows start[r] .. start[r + 1] - 1, at least one.
        request_key: (R,) uint64, stable hash of the request id.
        user: (R,) int64, position in the source's `user_ids`.
        item_key: (N,) uint64, stable hash of the item id.
        advertiser: (N,) int64, position in the source's `advertiser_ids`.
        bid: (N,) float64 > 0, target cost per conversion, currency units.
        pctr: (2, N) float64 in [0, 1], row 0 is the control; an eCPM of 0 never wins.
        pcvr: (2, N) float64 in [0, 1].
        item_bucket: (N,) int64, position in the source's `item_buckets`.
        columns: further (N,) columns by name, those that the environment asked for.
    """

    day: int
    start: np.ndarray
    request_key: np.ndarray
    user: np.ndarray
    item_key: np.ndarray
    advertiser: np.ndarray
    bid: np.ndarray
    pctr: np.ndarray
    pcvr: np.ndarray
    item_bucket: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def n_requests(self) -> int:
        """R."""
        return self.request_key.size

    @property
    def n_candidates(self) -> np.ndarray:
        """(R,) int64, rows of each request."""
        return np.diff(self.start)

    def request_of_row(self) -> np.ndarray:
        """(N,) int64, the request of every row."""
        return np.repeat(np.arange(self.n_requests), self.n_candidates)


class CandidateSource(Protocol):
    """Where candidates come from; U users, A advertisers, known before the first day is read.

    Attributes:
        days: the days it holds, ascending.
        user_ids: (U,) sorted ids.
        user_bucket: (U,) int64, position in `user_buckets`, frozen before day 1.
        user_buckets, item_buckets: names of the buckets.
        advertiser_ids: (A,) sorted ids.
        budgets: (A,) daily budget in currency units, inf for no limit; None where none are known.
        assigned: (U,) uint8 arms that were assigned elsewhere; None lets the salted hash decide.
        excluded: what was left out or is odd, and how often.
    """

    @property
    def days(self) -> Sequence[int]: ...  # noqa: D102 - described above

    @property
    def user_ids(self) -> np.ndarray: ...  # noqa: D102

    @property
    def user_bucket(self) -> np.ndarray: ...  # noqa: D102

    @property
    def user_buckets(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def item_buckets(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def advertiser_ids(self) -> np.ndarray: ...  # noqa: D102

    @property
    def budgets(self) -> np.ndarray | None: ...  # noqa: D102

    @property
    def assigned(self) -> np.ndarray | None: ...  # noqa: D102

    @property
    def excluded(self) -> Mapping[str, int]: ...  # noqa: D102

    def read(self, day: int, columns: Sequence[str] = ()) -> CandidateDay:
        """One day, with these further columns."""
        ...


__all__ = ["CandidateDay", "CandidateSource"]
