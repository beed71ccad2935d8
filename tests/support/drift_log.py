"""A log of untitled articles that come and go within days: most rows of the test are of articles never met.

Integers decide every draw, so every processor makes the same log. Freshness, an article's quality, and a
user's mood and taste for sections decide a click; an article's text is a number and its section.
"""

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.learned_part import LATER_SHARE
from learn_rank.datasets.own import link_tables

N_DAYS = 12  # the last two are the test, the one before validates
_FIRST_SECOND, _DAY_SECONDS = 1_700_006_400, 86_400
_SHOWN_BY_AGE = (8, 4, 2, 1, 1)  # of an article, by its age in days
DENSE, CATEGORICAL = ("age_days", "hour"), ("category",)


def drift_tables(*, n_per_day=100, n_rows_per_day=1300, n_test_rows_per_day=1300, n_users=300, seed=0):
    """Items, clicks of train, and the parts of the log; `n_per_day` articles appear each day."""
    generator = np.random.default_rng(seed)
    n_items = n_per_day * N_DAYS
    birth_day = np.arange(n_items) // n_per_day
    section = generator.integers(0, 4, n_items)
    quality = generator.integers(0, 6, n_items)
    popularity = generator.integers(1, 11, n_items) ** 3
    mood = generator.integers(0, 3, n_users)
    taste = generator.integers(0, 3, (n_users, 4))
    days = []
    for day in range(N_DAYS):
        n = n_test_rows_per_day if day >= N_DAYS - 2 else n_rows_per_day
        age = day - birth_day
        shown = np.select([age == at for at in range(len(_SHOWN_BY_AGE))], _SHOWN_BY_AGE, 0) * popularity
        until = shown.cumsum()
        item = np.searchsorted(until, generator.integers(0, until[-1], n), side="right")
        user, second = generator.integers(0, n_users, n), np.sort(generator.integers(0, _DAY_SECONDS, n))
        mille = 20 + 60 * (quality[item] + taste[user, section[item]] + mood[user] - np.minimum(age[item], 3))
        click = generator.integers(0, 1000, n) < mille.clip(10, 900)
        columns = {
            "user_id": user,
            "item_id": item,
            "timestamp": _FIRST_SECOND + day * _DAY_SECONDS + second,
            "click": click.astype(int),
            "conversion": np.where(click, generator.integers(0, 1000, n) < 300, np.nan),
            "age_days": age[item].astype(float),
            "hour": (second // 3600).astype(float),
        }
        days.append(pd.DataFrame(columns))
    cuts = {"train": days[:-3], "valid": days[-3:-2], "test": days[-2:]}
    parts = {name: pd.concat(some, ignore_index=True) for name, some in cuts.items()}
    items = pd.DataFrame(
        {
            "item_id": np.arange(n_items),
            "title": [f"Article {100_000 + 7 * number}" for number in range(n_items)],
            "category": [f"section {number}" for number in section],
        }
    )
    train = parts["train"]
    clicks = train.loc[train["click"] == 1, ["user_id", "item_id", "timestamp"]].reset_index(drop=True)
    return items, clicks, parts


def drift_dataset(*, later_share=LATER_SHARE, **sizes) -> RankingDataset:
    """The log as a team would hand it over: its interactions are all clicks of train."""
    items, clicks, parts = drift_tables(**sizes)
    return link_tables(
        "drift", items, clicks, parts, dense=DENSE, categorical=CATEGORICAL, later_share=later_share
    )
