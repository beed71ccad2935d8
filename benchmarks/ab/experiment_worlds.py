"""Experiments whose truth is written down: users who arrive over the days and come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Returning:
    """Users who arrive over the days, come back by their own habit, and spend by their own purse.

    A user arrives on a day drawn evenly from the first ``arrival_days``, comes on a day with the chance of a
    Beta(1, 2) habit (on the first day surely), sees 1 + Poisson(3) impressions, clicks with chance
    .5 x Beta(1, 4), buys with chance .2 of a click, for a log-normal amount times the user's own. The
    treatment multiplies clicks by 1 + ``lift`` x ``wear`` ** days since the first exposure.

    Args:
        n_users: users.
        n_days: days.
        arrival_days: days on which users arrive; 1 for a panel that is there from the first day.
        lift: relative lift of the click rate on a user's first day, the same for every treatment.
        wear: what is left of the lift a day later.
        arms: names, the control first, equal shares.
        n_pre_days: days before the test, on which everybody is as later and nothing is treated.
    """

    n_users: int = 1000
    n_days: int = 14
    arrival_days: int = 7
    lift: float = 0.0
    wear: float = 1.0
    arms: tuple[str, ...] = ("control", "new")
    n_pre_days: int = 0

    def draw(self, seed: int) -> pd.DataFrame:
        """One row a user and day on which the user came; days before the test are below 0."""
        rng = np.random.default_rng(seed)
        n, days = self.n_users, np.arange(-self.n_pre_days, self.n_days)
        arm = rng.integers(0, len(self.arms), n)
        arrival = rng.integers(0, self.arrival_days, n)
        habit, taste = rng.beta(1, 2, n), 0.5 * rng.beta(1, 4, n)
        purse = rng.lognormal(0.0, 0.5, n)
        comes = rng.random((n, days.size)) < habit[:, None]
        comes &= (days >= arrival[:, None]) | (days < 0)
        comes |= days == arrival[:, None]
        user, at = np.nonzero(comes)
        shown = 1 + rng.poisson(3.0, user.size)
        since = days[at] - arrival[user]
        is_treated = (arm[user] > 0) & (days[at] >= 0)
        factor = 1 + np.where(is_treated, self.lift * self.wear ** np.maximum(since, 0), 0.0)
        clicks = rng.binomial(shown, np.minimum(taste[user] * factor, 1.0))
        conversions = rng.binomial(clicks, 0.2)
        revenue = conversions * rng.lognormal(0.0, 0.3, user.size) * purse[user]
        return pd.DataFrame(
            {
                "user_id": user,
                "arm": np.array(self.arms, dtype=object)[arm[user]],
                "day": days[at],
                "impressions": shown,
                "clicks": clicks,
                "conversions": conversions,
                "revenue": revenue,
                "habit": np.array(["rare", "often"], dtype=object)[(habit[user] > 0.3).astype(int)],
                "age": np.round(20 + 40 * habit[user]),
            }
        )


def watched(
    n_tests: int, n_users: int, n_days: int, seed: int, *, habit_spread: float = 1.0, arrival_days: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Many A/A tests watched daily: (difference, standard error, users so far), each (n_tests, n_days).

    A user's revenue a day is Poisson around an own log-normal rate, with sigma ``habit_spread``; 0 makes the
    days of a user independent, which is the hardest for who looks often. The same numbers as `look_rows`
    has for one test, for all at once.
    """
    rng = np.random.default_rng(seed)
    rate = 0.2 * rng.lognormal(0.0, habit_spread, (n_tests, n_users, 1))
    arrival = rng.integers(0, arrival_days, (n_tests, n_users, 1))
    has_come = np.arange(n_days) >= arrival
    total = np.cumsum(rng.poisson(rate * has_come), axis=2, dtype=np.float64)
    is_treated = (rng.random((n_tests, n_users, 1)) < 0.5) & has_come
    value, variance = [], []
    for side in (has_come & ~is_treated, is_treated):
        size = np.maximum(side.sum(axis=1), 2)
        mean = (total * side).sum(axis=1) / size
        value.append(mean)
        variance.append((((total - mean[:, None, :]) * side) ** 2).sum(axis=1) / (size - 1) / size)
    return value[1] - value[0], np.sqrt(variance[0] + variance[1]), has_come.sum(axis=1)
