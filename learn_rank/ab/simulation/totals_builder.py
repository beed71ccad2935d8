"""Folds the impressions of each day into `UserTotals`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from learn_rank.ab.candidates.day import CandidateDay, CandidateSource
from learn_rank.ab.simulation.impressions import Impressions
from learn_rank.ab.simulation.totals import SUMS, UserTotals


class TotalsBuilder:
    """Sums under construction; each day is folded in one pass in the order of its requests.

    Args:
        source: for the users and the names of buckets.
        arm: (U,) uint8.
        days: the days that will come.
    """

    def __init__(self, source: CandidateSource, arm: np.ndarray, days: tuple[int, ...]) -> None:
        self._source, self._arm, self._days = source, arm, days
        n_users, n_buckets = source.user_ids.size, len(source.item_buckets)
        self._sums = {name: np.zeros((n_users, len(days), n_buckets)) for name in SUMS}
        self._n_requests = np.zeros((n_users, len(days)), np.int64)
        self._counts: Counter[str] = Counter()

    def add(self, day: CandidateDay, impressions: Impressions, counts: Mapping[str, int]) -> None:
        """Add one whole day."""
        n_users, n_buckets = self._source.user_ids.size, len(self._source.item_buckets)
        place = self._days.index(day.day)
        cell = day.user[impressions.request] * n_buckets + day.item_bucket[impressions.row]
        for name, values in _values(day, impressions).items():
            folded = np.bincount(cell, values, minlength=n_users * n_buckets)
            self._sums[name][:, place, :] = folded.reshape(n_users, n_buckets)
        self._n_requests[:, place] = np.bincount(day.user, minlength=n_users)
        n_candidates = day.n_candidates
        self._counts.update(counts)
        self._counts.update(
            requests=day.n_requests,
            candidates=int(n_candidates.sum()),
            requests_with_one_candidate=int((n_candidates == 1).sum()),
            requests_without_winner=day.n_requests - int((impressions.slot == 0).sum()),
            capped_bills=impressions.n_capped,
        )

    def totals(self) -> UserTotals:
        """The finished sums."""
        source = self._source
        return UserTotals(
            user_ids=source.user_ids,
            user_bucket=source.user_bucket,
            user_buckets=source.user_buckets,
            item_buckets=source.item_buckets,
            arm=self._arm,
            n_requests=self._n_requests,
            sums=self._sums,
            days=self._days,
            counts=dict(self._counts),
        )


def _values(day: CandidateDay, shown: Impressions) -> dict[str, np.ndarray]:
    """(M,) what each impression adds to each of `SUMS`."""
    return {
        "impressions": np.ones(shown.row.size),
        "clicks": shown.is_click.astype(float),
        "conversions": shown.is_mature.astype(float),
        "revenue": shown.bill,
        "predicted_clicks": shown.predicted_click,
        "predicted_conversions": np.where(shown.is_click, shown.predicted_conversion, 0.0),
        "target_cost": np.where(shown.is_conversion, day.bid[shown.row], 0.0),
        "immature": (shown.is_conversion & ~shown.is_mature).astype(float),
    }


__all__ = ["TotalsBuilder"]
