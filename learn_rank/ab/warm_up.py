"""The days before a test on a marketplace: scores put right on what they chose, and what that would bill."""

from __future__ import annotations

import numpy as np
import pandas as pd

from learn_rank.ab.marketplace_traffic import DAY
from learn_rank.ab.served_calibration import Platt, fit_platt
from learn_rank.datasets.marketplace_world import World
from learn_recall.columns import ITEM_ID, USER_ID

__all__ = ["WarmUp"]

_ROUNDS = 2  # calibrating moves the choices a little, so it is done once more


class WarmUp:
    """The days before a test, on which every ranker serves everybody once, with what would come of it.

    Args:
        rows: candidates of these days, ``n_candidates`` for each request: user_id, item_id, day, bid,
            advertiser_id.
        world: truth.
        n_candidates: rows of a request.
        seed: of the outcomes, which are the same for every ranker.
    """

    def __init__(self, rows: pd.DataFrame, world: World, *, n_candidates: int, seed: int) -> None:
        users, items = rows[USER_ID].to_numpy(str), rows[ITEM_ID].to_numpy(str)
        generator = np.random.default_rng([seed, len(rows)])
        top = np.zeros(len(rows))
        self.click = generator.random(len(rows)) < world.click_probability(users, items, top)
        self.conversion = generator.random(len(rows)) < world.conversion_probability(users, items)
        self.bid = rows["bid"].to_numpy()
        self.advertiser = rows["advertiser_id"].to_numpy()
        self.n_days = rows[DAY].nunique()
        self.n_candidates = n_candidates

    def calibrated(self, scores: np.ndarray, is_warm_up: np.ndarray) -> np.ndarray:
        """All scores of an arm, put right on what it would have shown first on these days."""
        own = scores[:, is_warm_up]
        click, conversion = Platt(), Platt()
        for _ in range(_ROUNDS):
            shown, _ = self._auction(click(own[0]) * conversion(own[1]) * self.bid)
            clicked = shown[self.click[shown]]
            click = fit_platt(own[0, shown], self.click[shown].astype(np.int64))
            conversion = fit_platt(own[1, clicked], self.conversion[clicked].astype(np.int64))
        return np.stack([click(scores[0]), conversion(scores[1])])

    def daily_spend(self, scores: np.ndarray) -> pd.Series:
        """Expected bill of each advertiser in a day at second prices, index = advertiser."""
        shown, price = self._auction(scores[0] * scores[1] * self.bid)
        return pd.Series(price).groupby(self.advertiser[shown]).sum() / self.n_days

    def _auction(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The winning row of every request and the second highest value."""
        by_request = value.reshape(-1, self.n_candidates)
        first = np.arange(len(by_request)) * self.n_candidates + by_request.argmax(axis=1)
        if self.n_candidates == 1:
            return first, np.zeros(len(first))
        return first, -np.partition(-by_request, 1, axis=1)[:, 1]
