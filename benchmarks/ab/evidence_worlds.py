"""Worlds whose truth is written down: heavy-tailed users, and a bandit that can be enumerated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learn_rank.ab.simulation.totals import SUMS, UserTotals

USER_BUCKETS = ("cold-start", "long-tail", "other")
ITEM_BUCKETS = ("cold-start", "other")
_COLD_SHARE = 0.25


@dataclass(frozen=True)
class HeavyUsers:
    """Users whose number of impressions, taste for clicking and purses differ by a lot.

    Impressions per day are Poisson around 2 x a log-normal activity (at least one on the first day), the
    click rate .5 x Beta(1, 4), the conversion rate .05 + .3 x Beta(2, 2), a conversion's bill log-normal.
    They are independent, so every truth is a product of means.

    Args:
        n_users: users.
        n_days: days.
        click_lift: relative lift of the treatment's click rate.
        conversion_lift: relative lift of its conversion rate.
        bill_spread: sigma of the log-normal bill.
    """

    n_users: int
    n_days: int = 1
    click_lift: float = 0.0
    conversion_lift: float = 0.0
    bill_spread: float = 0.6

    def truth(self) -> dict[str, float]:
        """Metric -> relative lift."""
        clicks, conversions = 1 + self.click_lift, 1 + self.conversion_lift
        both = clicks * conversions - 1
        return {"CTR": clicks - 1, "CVR": conversions - 1, "conversions": both, "revenue": both}

    def draw(self, rng: np.random.Generator, treatment_share: float) -> UserTotals:
        """One experiment; with a share of 0 everybody is in the control."""
        n, days = self.n_users, self.n_days
        arm = (rng.random(n) < treatment_share).astype(np.uint8)
        activity = 2 * rng.lognormal(-0.5, 1.0, n)
        click_rate = 0.5 * rng.beta(1, 4, n) * np.where(arm == 1, 1 + self.click_lift, 1.0)
        buy_rate = (0.05 + 0.3 * rng.beta(2, 2, n)) * np.where(arm == 1, 1 + self.conversion_lift, 1.0)
        shown = rng.poisson(activity[:, None], (n, days))
        shown[:, 0] += 1
        cold = rng.binomial(shown, _COLD_SHARE)
        impressions = np.stack([cold, shown - cold], axis=2)
        clicks = rng.binomial(impressions, np.minimum(click_rate, 1)[:, None, None])
        conversions = rng.binomial(clicks, np.minimum(buy_rate, 1)[:, None, None])
        bills = rng.lognormal(0.0, self.bill_spread, int(conversions.sum()))
        cells = np.repeat(np.arange(conversions.size), conversions.ravel())
        revenue = np.bincount(cells, bills, conversions.size).reshape(conversions.shape)
        revenue *= rng.lognormal(0.0, 0.5, n)[:, None, None]
        sums = {name: np.zeros(impressions.shape) for name in SUMS}
        sums |= {"impressions": impressions * 1.0, "clicks": clicks * 1.0}
        sums |= {"conversions": conversions * 1.0, "revenue": revenue}
        bucket = rng.choice(3, n, p=[0.3, 0.3, 0.4])
        return UserTotals(
            np.arange(n), bucket, USER_BUCKETS, ITEM_BUCKETS, arm, shown, sums, tuple(range(1, days + 1))
        )


@dataclass(frozen=True)
class EnumeratedBandit:
    """Three kinds of users, four actions, clicks: every value is a finite sum.

    Attributes:
        kinds: (X,) share of each kind of user.
        logging: (X, A) chances of the logging policy.
        target: (X, A) chances of the policy to be judged.
        reward: (X, A) click rates.
    """

    kinds: np.ndarray
    logging: np.ndarray
    target: np.ndarray
    reward: np.ndarray

    @classmethod
    def usual(cls) -> EnumeratedBandit:
        """The one of the tests: the logging policy likes what the target does not."""
        logging = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.5, 0.3, 0.1], [0.25, 0.15, 0.1, 0.5]])
        target = np.array([[0.1, 0.1, 0.2, 0.6], [0.6, 0.2, 0.1, 0.1], [0.2, 0.1, 0.6, 0.1]])
        reward = np.array([[0.1, 0.2, 0.3, 0.5], [0.6, 0.2, 0.1, 0.3], [0.2, 0.4, 0.7, 0.1]])
        return cls(np.array([0.5, 0.3, 0.2]), logging, target, reward)

    @property
    def value(self) -> float:
        """Mean reward under the target, by enumeration."""
        return float((self.kinds[:, None] * self.target * self.reward).sum())

    def draw(self, rng: np.random.Generator, n_users: int, rows_per_user: int = 2) -> tuple[np.ndarray, ...]:
        """(user, kind, action, reward), each (n_users x rows_per_user,); a user's rows share the kind."""
        user = np.repeat(np.arange(n_users), rows_per_user)
        kind = rng.choice(self.kinds.size, n_users, p=self.kinds)[user]
        action = (rng.random(kind.size)[:, None] > np.cumsum(self.logging, axis=1)[kind]).sum(axis=1)
        reward = (rng.random(kind.size) < self.reward[kind, action]).astype(np.float64)
        return user, kind, action, reward
