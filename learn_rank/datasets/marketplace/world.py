"""The known truth of the generated marketplace: what each user would do with each item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learn_rank.datasets.arithmetic import exp
from learn_rank.datasets.marketplace.catalogue import Catalogue
from learn_rank.datasets.marketplace.people import Users

SLOT_COST = 0.12
"""Log odds of a click that each slot further down a page costs."""

_CLICK = {"theme": 3.0, "style": 0.6, "appeal": 0.7, "taste": 0.2, "price": 0.3}
_CONVERSION = {"style": 1.3, "need": 1.1, "quality": 1.2, "price": 0.8, "theme": 0.4}
_CHEAP_IS_LESS_BAD = 0.35


@dataclass(frozen=True)
class World:
    """Probabilities of a click and of a conversion after it, for any user, item and slot.

    Definition: click log odds = intercept + 3.6 theme affinity + .7 style affinity + .8 appeal + .2 taste
    - .3 price misfit + the user's bias - .12 slot. Conversion log odds = intercept + 1.5 style affinity
    + 1.3 needs met + 1.1 quality x care - price sensitivity x price misfit + .5 theme affinity.
    Price misfit is the distance between the item's log price ratio and the one that the user finds right;
    too cheap counts .35 of too dear. All but appeal, taste and bias can be read from the words and the price.

    Args:
        user_ids: (U,) ids, in the order of the rows of `users`.
        item_ids: (N,) ids, in the order of the rows of `catalogue`.
        users: planted preferences.
        catalogue: planted nature of the items.
        click_intercept: log odds.
        conversion_intercept: log odds.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    users: Users
    catalogue: Catalogue
    click_intercept: float = 0.0
    conversion_intercept: float = 0.0

    def click_probability(self, user_ids: np.ndarray, item_ids: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """p(click) per row; ids as in the tables, slots 0 = top of the page.

        Raises:
            ValueError: an id that this world does not have.
        """
        users = _positions(self.user_ids, user_ids, "user_ids")
        return self.click_probability_at(users, _positions(self.item_ids, item_ids, "item_ids"), slots)

    def conversion_probability(self, user_ids: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
        """p(conversion | click) per row; ids as in the tables.

        Raises:
            ValueError: an id that this world does not have.
        """
        users = _positions(self.user_ids, user_ids, "user_ids")
        return self.conversion_probability_at(users, _positions(self.item_ids, item_ids, "item_ids"))

    def click_probability_at(self, users: np.ndarray, items: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """`click_probability` for row positions of users and items instead of ids."""
        return _sigmoid(self.click_intercept + self._click_score(users, items, slots))

    def conversion_probability_at(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """`conversion_probability` for row positions of users and items instead of ids."""
        return _sigmoid(self.conversion_intercept + self._conversion_score(users, items))

    def theme_affinity(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Affinity in 0..1 of users (row positions) to the themes of items (row positions)."""
        return self.users.theme[users, self.catalogue.theme[items]]

    def _click_score(self, users: np.ndarray, items: np.ndarray, slots: np.ndarray) -> np.ndarray:
        return (
            _CLICK["theme"] * self.theme_affinity(users, items)
            + _CLICK["style"] * self._style_affinity(users, items)
            + _CLICK["appeal"] * self.catalogue.appeal[items]
            + _CLICK["taste"] * (self.users.taste[users] * self.catalogue.taste[items]).sum(axis=1)
            - _CLICK["price"] * self._price_misfit(users, items)
            + self.users.click_bias[users]
            - SLOT_COST * slots
        )

    def _conversion_score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        needs_met = (self.users.need[users] * self.catalogue.need[items]).sum(axis=1)
        return (
            _CONVERSION["style"] * self._style_affinity(users, items)
            + _CONVERSION["need"] * needs_met
            + _CONVERSION["quality"] * self.users.quality_care[users] * self.catalogue.quality[items]
            - _CONVERSION["price"] * self.users.price_sensitivity[users] * self._price_misfit(users, items)
            + _CONVERSION["theme"] * self.theme_affinity(users, items)
        )

    def _style_affinity(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.users.style[users, self.catalogue.style[items]]

    def _price_misfit(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        too_dear = self.catalogue.price_level[items] - self.users.spending[users]
        return np.maximum(too_dear, 0.0) + _CHEAP_IS_LESS_BAD * np.maximum(-too_dear, 0.0)


def intercept_for_rate(scores: np.ndarray, rate: float, weights: np.ndarray | None = None) -> float:
    """The intercept at which the weighted mean of sigmoid(intercept + scores) is `rate`, by bisection.

    Args:
        scores: log odds without intercept.
        rate: wanted mean probability, in (0, 1).
        weights: non-negative, same length; None for equal weights.
    """
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.average(_sigmoid(middle + scores), weights=weights) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def calibrated(
    world: World,
    users: np.ndarray,
    items: np.ndarray,
    slots: np.ndarray,
    *,
    click_rate: float,
    conversion_rate: float,
) -> World:
    """The same world with intercepts that give the wanted expected rates on the given impressions.

    Args:
        world: any intercepts.
        users: row positions.
        items: row positions.
        slots: 0 = top of the page.
        click_rate: expected clicks per impression.
        conversion_rate: expected conversions per click.
    """
    click_scores = world._click_score(users, items, slots)
    click_intercept = intercept_for_rate(click_scores, click_rate)
    clicks = _sigmoid(click_intercept + click_scores)
    conversion_scores = world._conversion_score(users, items)
    return World(
        user_ids=world.user_ids,
        item_ids=world.item_ids,
        users=world.users,
        catalogue=world.catalogue,
        click_intercept=click_intercept,
        conversion_intercept=intercept_for_rate(conversion_scores, conversion_rate, weights=clicks),
    )


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    odds_against = exp(-log_odds)
    odds_against += 1.0
    return np.divide(1.0, odds_against, out=odds_against)


def _positions(known: np.ndarray, wanted: np.ndarray, argument: str) -> np.ndarray:
    order = np.argsort(known)
    at = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)]
    unknown = known[at] != np.asarray(wanted)
    if unknown.any():
        raise ValueError(
            f"{argument}: expected ids of this world, such as {str(known[0])!r}, got "
            f"{int(unknown.sum())} unknown, "
            f"first {str(np.asarray(wanted)[unknown][0])!r}; take ids from the tables of the same marketplace"
        )
    return at
