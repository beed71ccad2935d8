"""Who and what arrives after the recorded days: items and users of days that are simulated, not logged."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from learn_rank.datasets.arithmetic import log, power
from learn_rank.datasets.marketplace.catalogue import Catalogue, Shelf, draw_catalogue
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.people import Users, draw_users
from learn_rank.datasets.marketplace.world import World
from learn_recall.columns import ATTRIBUTES, ITEM_ID, KEYWORDS, TITLE

_Table = TypeVar("_Table", Catalogue, Users)
_SHARE_DURING_TRAINING = 0.45
_OF_ITEMS, _OF_USERS = 1, 2  # so that one side's arrivals do not move the other's


def with_arrivals(
    items: pd.DataFrame, world: World, shelf: Shelf, config: MarketplaceConfig
) -> tuple[pd.DataFrame, World]:
    """The catalogue and the world with what arrives on days ``n_days`` .. ``n_days + ab_days - 1``.

    Items and users arrive at the pace of the training days, from the same brands, themes and personas, and
    take their popularity from the same Zipf curve. Everything that was there keeps its row and its numbers.

    Args:
        items: items table of the recorded days.
        world: truth of the recorded days.
        shelf: brands and themes that the recorded items were drawn from.
        config: of the marketplace, with ``ab_days``.
    """
    days = config.n_days + np.arange(config.ab_days)
    of_items = np.random.default_rng([config.seed, _OF_ITEMS])
    of_users = np.random.default_rng([config.seed, _OF_USERS])
    item_day = np.repeat(days, arrivals_per_day(config.n_items, config.late_item_share, config.train_days))
    user_day = np.repeat(days, arrivals_per_day(config.n_users, config.late_user_share, config.train_days))
    later, drawn = draw_catalogue(
        of_items.permutation(item_day),
        shelf=shelf,
        new_words_from_day=config.train_days,
        debut_share=config.debut_share,
        popularity_exponent=config.popularity_exponent,
        generator=of_items,
        first_number=len(items),
        taken_titles=frozenset(items[TITLE]),
    )
    if not config.informative_text:
        words = [TITLE, KEYWORDS, ATTRIBUTES]
        order = of_items.permutation(len(later))
        later = later.assign(**{name: later[name].to_numpy()[order] for name in words})
    drawn = _on_the_same_curve(drawn, world.catalogue, config.popularity_exponent, of_items)
    catalogue = _joined(world.catalogue, drawn)
    users = _joined(world.users, draw_users(of_users.permutation(user_day), of_users))
    all_items = pd.concat([items, later], ignore_index=True)
    user_ids = np.array([f"U-{number:06d}" for number in range(len(users.first_day))])
    return all_items, replace(
        world,
        user_ids=user_ids,
        item_ids=all_items[ITEM_ID].to_numpy(dtype=str),
        users=users,
        catalogue=catalogue,
    )


def arrivals_per_day(n: int, late_share: float, train_days: int) -> int:
    """How many of `n` arrive on an average training day after the first, at least one."""
    return max(1, round(n * (_SHARE_DURING_TRAINING - late_share) / max(train_days - 1, 1)))


def _on_the_same_curve(
    drawn: Catalogue, known: Catalogue, exponent: float, generator: np.random.Generator
) -> Catalogue:
    """Popularity on the scale of the known items, and the appeal that goes with it."""
    n_known = len(known.popularity)
    heaviest = known.popularity.max()
    popularity = heaviest * power(1.0 + generator.integers(0, n_known, len(drawn.popularity)), -exponent)
    own = log(drawn.popularity)
    appeal = drawn.appeal - 0.25 * (own - own.mean())
    mean_log = log(known.popularity).mean()
    return replace(drawn, popularity=popularity, appeal=appeal + 0.25 * (log(popularity) - mean_log))


def _joined(first: _Table, second: _Table) -> _Table:
    return type(first)(
        **{f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(first)}
    )
