"""The generated marketplace as a `RankingDataset`: what `make demo` runs on."""

from __future__ import annotations

import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.datasets.own import link_tables
from learn_recall.columns import BRAND, CATEGORY, PRICE

PRICE_NUMBER = "price_number"


def read_marketplace(config: MarketplaceConfig = MarketplaceConfig()) -> RankingDataset:  # noqa: B008
    """Generate a marketplace and link its tables; timestamps give every row its point-in-time context.

    The host ranker gets ids, store department, brand, price and rates; the text is what it does not know.
    """
    market = generate_marketplace(config)
    items = market.items.assign(**{PRICE_NUMBER: pd.to_numeric(market.items[PRICE])})
    return link_tables(
        "marketplace",
        items,
        market.interactions,
        {"train": market.train, "valid": market.valid, "test": market.test},
        dense=(PRICE_NUMBER,),
        categorical=(CATEGORY, BRAND),
        protocol=dict(market.description),
    )
