"""The days of a simulated test on a marketplace: who visits, what could be shown, what is known by then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.marketplace.visits import draw_visits
from learn_rank.data.contexts import clicked_events, point_in_time_contexts
from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import SLOT
from learn_rank.datasets.marketplace.traffic import draw_pages, draw_requests_of_day
from learn_rank.datasets.marketplace.world import World
from learn_recall.columns import (
    CLICK,
    CONVERSION,
    ITEM_ID,
    REQUEST_ID,
    TIMESTAMP,
    USER_ID,
)

__all__ = ["DAY", "Traffic", "draw_traffic"]

DAY = "day"


@dataclass(frozen=True, eq=False)
class Traffic:
    """What both arms meet alike.

    Attributes:
        asked: a row per candidate: request_id, user_id, item_id, day, timestamp, context_id; in order of
            time, with empty click and conversion, since nothing has been shown yet.
        feed: the marketplace's own pages of those days, outside the auction: what users click there is known
            to both arms from then on. Columns as in the recorded impressions, with context_id and day.
        contexts: of both.
    """

    asked: pd.DataFrame
    feed: pd.DataFrame
    contexts: pd.DataFrame


def draw_traffic(
    dataset: RankingDataset,
    world: World,
    config: MarketplaceConfig,
    *,
    start_day: int,
    n_days: int,
    n_requests_per_day: int,
    n_candidates: int,
    seed: int,
) -> Traffic:
    """Visits with their candidates, and the feed beside them; histories hold only what came before.

    Args:
        dataset: the recorded days.
        world: truth, with everyone who arrives until the last day.
        config: of the marketplace.
        start_day, n_days: the days of the traffic; those that are recorded have no feed of their own.
        n_requests_per_day: visits of those who are there on the first day.
        n_candidates: items per visit.
        seed: everything follows from it.
    """
    generator = np.random.default_rng([seed, start_day])
    visits = draw_visits(
        world.users.first_day,
        world.users.activity,
        start_day=start_day,
        n_days=n_days,
        n_requests_per_day=n_requests_per_day,
        generator=generator,
    )
    pages = draw_pages(visits, world.users, world.catalogue, n_candidates=n_candidates, generator=generator)
    requests = pd.DataFrame(
        {
            REQUEST_ID: [f"R{day}-{number:06d}" for number, day in enumerate(visits.day)],
            USER_ID: world.user_ids[visits.user],
            TIMESTAMP: visits.timestamp,
            DAY: visits.day,
        }
    )
    n_test_days = config.n_days - config.train_days - config.valid_days
    n_per_day = round(dataset.test[REQUEST_ID].nunique() / n_test_days)
    feed = [
        _feed_of_day(day, world, n_per_day, config.n_candidates, generator)
        for day in range(max(start_day, config.n_days), start_day + n_days)
    ]
    log = pd.concat(feed, ignore_index=True) if feed else dataset.test.head(0).assign(**{DAY: 0})
    events = clicked_events(dataset.interactions, *dataset.parts.values(), log)
    contexts, linked = point_in_time_contexts(
        events,
        {"requests": requests, "feed": log},
        learned_until=float(dataset.interactions[TIMESTAMP].max()),
    )
    asked = linked["requests"].loc[np.repeat(np.arange(len(requests)), n_candidates)]
    asked = asked.reset_index(drop=True)
    asked[ITEM_ID] = world.item_ids[pages.ravel()]
    asked[CLICK] = asked[CONVERSION] = np.nan
    return Traffic(asked, linked["feed"], contexts)


def _feed_of_day(
    day: int, world: World, n_requests: int, n_candidates: int, generator: np.random.Generator
) -> pd.DataFrame:
    users = world.users
    visits = draw_requests_of_day(
        day, users.first_day, users.activity, n_requests=n_requests, generator=generator
    )
    pages = draw_pages(visits, users, world.catalogue, n_candidates=n_candidates, generator=generator)
    user, item = np.repeat(visits.user, n_candidates), pages.ravel()
    slot = np.tile(np.arange(n_candidates), len(pages))
    click = generator.random(len(user)) < world.click_probability_at(user, item, slot)
    conversion = generator.random(len(user)) < world.conversion_probability_at(user, item)
    return pd.DataFrame(
        {
            USER_ID: world.user_ids[user],
            ITEM_ID: world.item_ids[item],
            REQUEST_ID: np.repeat(np.arange(len(pages)), n_candidates),
            TIMESTAMP: np.repeat(visits.timestamp, n_candidates),
            SLOT: slot,
            CLICK: click.astype(np.int64),
            CONVERSION: np.where(click, conversion.astype(np.float64), np.nan),
            DAY: day,
        }
    )
