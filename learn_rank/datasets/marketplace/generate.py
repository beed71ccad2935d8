"""A generated marketplace with known truth: real-language products, and clicks that follow the meaning."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.datasets.marketplace.arrivals import with_arrivals
from learn_rank.datasets.marketplace.catalogue import FIRST_DAY, draw_catalogue, draw_shelf
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.people import draw_users
from learn_rank.datasets.marketplace.traffic import draw_first_days, draw_pages, draw_requests
from learn_rank.datasets.marketplace.world import World, calibrated
from learn_recall.columns import (
    ATTRIBUTES,
    CLICK,
    CONVERSION,
    ITEM_ID,
    KEYWORDS,
    PRICE,
    REQUEST_ID,
    TIMESTAMP,
    TITLE,
    USER_ID,
    VALUE,
)

SLOT = "slot"  # place on the page, 0 = top; a host feature
EVENT = "event"  # "click" or "purchase", of interactions
SPLIT = "split"  # "train", "valid" or "test", of the truth
P_CLICK = "p_click"
P_CONVERSION = "p_conversion"  # given a click


@dataclass(frozen=True)
class Marketplace:
    """Canonical tables of a generated marketplace and the truth behind them.

    `items`: item_id, title, category, brand, price, keywords, attributes, first_day.
    `interactions`: user_id, item_id, timestamp, event; the clicks of the first days, all of them also in
    `train`. `train`, `valid`, `test`: user_id, item_id, request_id, timestamp, slot, click, conversion (NaN
    where not clicked), value (the price if converted, else NaN). `truth`: one row for each row of the three
    splits, in their order: request_id, user_id, item_id, slot, split, p_click, p_conversion; never features.
    `world`: the probabilities of any user with any item, an environment. `description`: counts and rates.
    """

    items: pd.DataFrame
    interactions: pd.DataFrame
    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    truth: pd.DataFrame
    world: World
    description: dict[str, Any]


def generate_marketplace(config: MarketplaceConfig) -> Marketplace:
    """Products, visits, clicks and conversions from planted preferences; the same config gives equal frames.

    Args:
        config: size, character and seed.
    """
    generator = np.random.default_rng(config.seed)
    calendar = {"train_days": config.train_days, "n_days": config.n_days}
    item_day, user_day = (
        draw_first_days(n, share_at_start=0.55, share_after_train=share, **calendar, generator=generator)
        for n, share in ((config.n_items, config.late_item_share), (config.n_users, config.late_user_share))
    )
    shelf = draw_shelf(generator)
    items, catalogue = draw_catalogue(
        item_day,
        shelf=shelf,
        new_words_from_day=config.train_days,
        debut_share=config.debut_share,
        popularity_exponent=config.popularity_exponent,
        generator=generator,
    )
    users = draw_users(user_day, generator)
    requests = draw_requests(
        users.first_day,
        users.activity,
        n_requests=config.n_impressions // config.n_candidates,
        **calendar,
        generator=generator,
    )
    pages = draw_pages(requests, users, catalogue, n_candidates=config.n_candidates, generator=generator)
    user_ids = np.array([f"U-{number:06d}" for number in range(config.n_users)])
    world = World(user_ids, items[ITEM_ID].to_numpy(dtype=str), users, catalogue)

    user = np.repeat(requests.user, config.n_candidates)
    item = pages.ravel()
    slot = np.tile(np.arange(config.n_candidates), len(pages))
    rates = {"click_rate": config.click_rate, "conversion_rate": config.conversion_rate}
    world = calibrated(world, user, item, slot, **rates)
    p_click = world.click_probability_at(user, item, slot)
    p_conversion = world.conversion_probability_at(user, item)
    click = generator.random(len(user)) < p_click
    conversion = (generator.random(len(user)) < p_conversion) & click
    if not config.informative_text:
        items = _with_permuted_texts(items, generator)

    day = np.repeat(requests.day, config.n_candidates)
    impressions = pd.DataFrame(
        {
            USER_ID: world.user_ids[user],
            ITEM_ID: world.item_ids[item],
            REQUEST_ID: np.repeat(np.arange(len(pages)), config.n_candidates),
            TIMESTAMP: np.repeat(requests.timestamp, config.n_candidates),
            SLOT: slot,
            CLICK: click.astype(np.int64),
            CONVERSION: np.where(click, conversion.astype(np.float64), np.nan),
            VALUE: np.where(conversion, items[PRICE].to_numpy()[item], np.nan),
        }
    )
    split = np.select(
        [day < config.train_days, day < config.train_days + config.valid_days], ["train", "valid"], "test"
    )
    truth = impressions[[REQUEST_ID, USER_ID, ITEM_ID, SLOT]].copy()
    truth[SPLIT], truth[P_CLICK], truth[P_CONVERSION] = split, p_click, p_conversion
    parts = {name: impressions[split == name].reset_index(drop=True) for name in ("train", "valid", "test")}
    is_event = click & (day < config.interaction_days)
    interactions = impressions.loc[is_event, [USER_ID, ITEM_ID, TIMESTAMP]].reset_index(drop=True)
    interactions[EVENT] = np.where(conversion[is_event], "purchase", "click")
    described = _describe(config, items, interactions, parts)
    if config.ab_days:
        items, world = with_arrivals(items, world, shelf, config)
    return Marketplace(
        items=items, interactions=interactions, truth=truth, world=world, description=described, **parts
    )


def _with_permuted_texts(items: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    words = [TITLE, KEYWORDS, ATTRIBUTES]
    order = generator.permutation(len(items))
    return items.assign(**{name: items[name].to_numpy()[order] for name in words})


def _describe(
    config: MarketplaceConfig, items: pd.DataFrame, interactions: pd.DataFrame, parts: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    """The counts and rates as plain numbers, ready for JSON."""
    rows = pd.concat(list(parts.values()))
    train, test = parts["train"], parts["test"]
    return {
        "config": asdict(config),
        "n_rows": {name: len(part) for name, part in parts.items()},
        "n_users": int(rows[USER_ID].nunique()),
        "n_items": len(items),
        "n_interactions": len(interactions),
        "click_rate": float(rows[CLICK].mean()),
        "conversion_rate": float(rows[CONVERSION].mean()),
        "test_share_of_new_items": float((~test[ITEM_ID].isin(train[ITEM_ID].unique())).mean()),
        "test_share_of_new_users": float((~test[USER_ID].isin(train[USER_ID].unique())).mean()),
        "n_items_offered_after_train": int((items[FIRST_DAY] >= config.train_days).sum()),
    }
