"""What a ranker of a marketplace would show to everybody, what comes of it, and scores calibrated on that."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from learn_rank.ab.candidates.columns import stable_keys
from learn_rank.ab.marketplace.traffic import DAY
from learn_rank.ab.simulation.random_streams import uniforms
from learn_rank.ab.statistics.platt import Platt, fit_platt
from learn_rank.datasets.marketplace.world import World
from learn_recall.columns import ITEM_ID, REQUEST_ID, USER_ID

__all__ = ["Calibration", "Serving"]

_ROUNDS = 2  # calibrating moves the choices a little, so it is done once more


@dataclass(frozen=True)
class Calibration:
    """The last layer of a ranker: both scores calibrated on what its own choices showed."""

    click: Platt = field(default_factory=Platt)
    conversion: Platt = field(default_factory=Platt)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(2, M) pCTR and pCVR, calibrated."""
        return np.stack([self.click(raw[0]), self.conversion(raw[1])])


class Serving:
    """One slot for everybody: the auction's choices and their outcomes, which no ranker can change.

    A candidate's fate is that of `uniforms`, so a simulated test with this seed, one slot and no budget sees
    the clicks and conversions that a ranker was calibrated on and learned from.

    Args:
        rows: candidates, ``n_candidates`` for each request: request_id, user_id, item_id, day, bid,
            advertiser_id.
        world: truth.
        n_candidates: rows of a request.
        seed: of the outcomes.
    """

    def __init__(self, rows: pd.DataFrame, world: World, *, n_candidates: int, seed: int) -> None:
        users, items = rows[USER_ID].to_numpy(str), rows[ITEM_ID].to_numpy(str)
        chance = _chances(rows, seed)
        self.day = rows[DAY].to_numpy()
        self.click = chance[0] < world.click_probability(users, items, np.zeros(len(rows)))
        self.conversion = self.click & (chance[1] < world.conversion_probability(users, items))
        self.bid = rows["bid"].to_numpy()
        self.advertiser = rows["advertiser_id"].to_numpy()
        self.n_candidates = n_candidates

    def shown(self, scores: np.ndarray, is_wanted: np.ndarray) -> np.ndarray:
        """Positions of the rows that win the wanted requests.

        Args:
            scores: (2, N) pCTR and pCVR.
            is_wanted: (N,) bool, whole requests.
        """
        return self._auction(scores, is_wanted)[0]

    def calibration(self, raw: np.ndarray, is_known: np.ndarray) -> Calibration:
        """Calibrated on what the ranker itself would have shown in the known requests.

        Args:
            raw: (2, N) scores of the ranker.
            is_known: (N,) bool, whole requests whose outcomes are known.
        """
        found = Calibration()
        for _ in range(_ROUNDS):
            found = self.fitted(raw, self.shown(found(raw), is_known))
        return found

    def fitted(self, raw: np.ndarray, shown: np.ndarray) -> Calibration:
        """Calibrated on these rows: clicks on all of them, conversions on the clicked ones."""
        clicked = shown[self.click[shown]]
        return Calibration(
            fit_platt(raw[0, shown], self.click[shown].astype(np.int64)),
            fit_platt(raw[1, clicked], self.conversion[clicked].astype(np.int64)),
        )

    def daily_spend(self, scores: np.ndarray, is_wanted: np.ndarray) -> pd.Series:
        """Expected bill of each advertiser in one of the wanted days at second prices, index = advertiser."""
        shown, price = self._auction(scores, is_wanted)
        n_days = len(np.unique(self.day[is_wanted]))
        return pd.Series(price).groupby(self.advertiser[shown]).sum() / n_days

    def _auction(self, scores: np.ndarray, is_wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The winning row of every request and the second highest value."""
        rows = np.flatnonzero(is_wanted)
        value = scores[0, rows] * scores[1, rows] * self.bid[rows]
        by_request = value.reshape(-1, self.n_candidates)
        first = rows[np.arange(len(by_request)) * self.n_candidates + by_request.argmax(axis=1)]
        if self.n_candidates == 1:
            return first, np.zeros(len(first))
        return first, -np.partition(-by_request, 1, axis=1)[:, 1]


def _chances(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """(4, N) the numbers that `simulate` draws for these candidates."""
    request, item = (stable_keys(rows[name].to_numpy()) for name in (REQUEST_ID, ITEM_ID))
    found, days = np.empty((4, len(rows))), rows[DAY].to_numpy()
    for day in np.unique(days):
        today = days == day
        found[:, today] = uniforms(seed, int(day), request[today], item[today])
    return found
