"""Steam-200k as a click and conversion funnel: acquired against sampled, played against never started.

There is no time in this data, so leave-one-out stands in for it: a request is one acquisition and its sampled
negatives, and everything that the request's rows know of the user is made without that acquisition.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.data.contexts import leave_one_out_contexts
from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.splits import check_no_leak, request_ids, sample_negatives
from learn_recall.columns import (
    ATTRIBUTES,
    BRAND,
    CATEGORY,
    CLICK,
    CONVERSION,
    ITEM_ID,
    KEYWORDS,
    POSITION,
    PRICE,
    REQUEST_ID,
    USER_ID,
    VALUE,
)


@dataclass(frozen=True)
class SteamSplit:
    """How the acquisitions are divided; the shares of known items, new items go to valid and test alone.

    Attributes:
        new_item_share: share of the catalogue held out as new.
        tower_share: share of a known item's acquisitions that the towers learn from (the ranker sees them
            too).
        valid_share: share that selects.
        test_share: share that is judged; the rest is the ranker's own.
        n_popular: negatives a request drawn by popularity.
        n_uniform: negatives a request drawn uniformly.
        seed: of the division and of the negatives.
    """

    new_item_share: float = 0.10
    tower_share: float = 0.50
    valid_share: float = 0.10
    test_share: float = 0.15
    n_popular: int = 2
    n_uniform: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.tower_share, self.valid_share, self.test_share)
        if min(shares) <= 0 or sum(shares) >= 1 or not 0 <= self.new_item_share < 1:
            raise ValueError(
                f"SteamSplit: expected positive shares that sum to less than 1, got {shares} and "
                f"new_item_share={self.new_item_share}."
            )


def read_steam(folder: str | Path, split: SteamSplit = SteamSplit()) -> RankingDataset:
    """The fair protocol: the base ranker trains on all rows that the towers saw, plus its own.

    Args:
        folder: holds ``items.jsonl.gz``, ``acquisitions.csv.gz`` and ``plays.csv.gz``.
        split: shares, negatives and seed.

    Returns:
        Click = acquired, conversion = played, value = hours played.

    Raises:
        FileNotFoundError: a file of the folder is missing.
        SplitLeak: never, unless this reader is wrong; the split is checked before it is returned.
    """
    folder = Path(folder)
    items = _items(folder / "items.jsonl.gz")
    acquired = pd.read_csv(folder / "acquisitions.csv.gz")
    plays = pd.read_csv(folder / "plays.csv.gz").rename(columns={"hours": VALUE})
    generator = np.random.Generator(np.random.PCG64(split.seed))

    part, new_items = _divide(acquired, items[ITEM_ID].to_numpy(), split, generator)
    in_train = np.isin(part, ("tower", "own"))
    position = acquired.groupby(USER_ID).cumcount()
    known = acquired.loc[in_train]

    catalogue = items[ITEM_ID].to_numpy()
    train_counts = known[ITEM_ID].value_counts().reindex(catalogue, fill_value=0).to_numpy()
    all_counts = acquired[ITEM_ID].value_counts().reindex(catalogue, fill_value=0).to_numpy()
    is_known = ~np.isin(catalogue, new_items)

    frames: dict[str, pd.DataFrame] = {}
    for name in ("train", "valid", "test"):
        positives = acquired.loc[in_train if name == "train" else part == name].reset_index(drop=True)
        drawable = is_known if name == "train" else np.ones(len(catalogue), bool)
        counts = train_counts if name == "train" else all_counts
        rows = sample_negatives(
            positives,
            acquired,
            catalogue=catalogue[drawable],
            popularity=counts[drawable],
            n_popular=split.n_popular,
            n_uniform=split.n_uniform,
            generator=generator,
        )
        rows[REQUEST_ID] = request_ids(name, rows.pop("request"))
        rows = rows.merge(plays, on=[USER_ID, ITEM_ID], how="left")
        rows[CONVERSION] = rows[VALUE].notna().astype(float).where(rows[CLICK] == 1)
        frames[name] = rows

    interactions = acquired.assign(**{POSITION: position}).loc[part == "tower"].reset_index(drop=True)
    clicks = frames["train"].loc[frames["train"][CLICK] == 1]
    events = known.merge(clicks[[USER_ID, ITEM_ID, CONVERSION]], on=[USER_ID, ITEM_ID], how="left")
    contexts, frames = leave_one_out_contexts(events, frames, learned=interactions)
    checked = check_no_leak(
        **frames, interactions=interactions, contexts=contexts, new_items=new_items.tolist()
    )
    return RankingDataset(
        name="steam",
        items=items,
        interactions=interactions,
        contexts=contexts,
        dense=("price_usd", "release_year", "has_page"),
        categorical=("genres", BRAND),
        is_sampled=True,
        protocol={
            "click": "acquired, against sampled items that the user never acquired; not a live click",
            "conversion": "played at least once, among the acquired",
            "negatives a request": f"{split.n_popular} by popularity + {split.n_uniform} uniform",
            "new items held out": len(new_items),
            "user contexts": "leave-one-out in training: without the request's own acquisition",
            "split seed": split.seed,
            **checked,
        },
        **frames,
    )


def _items(path: Path) -> pd.DataFrame:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        raw = pd.DataFrame([json.loads(line) for line in lines])
    price = raw["price"].where(pd.to_numeric(raw["price"], errors="coerce").notna())
    return pd.DataFrame(
        {
            ITEM_ID: raw["item_id"].astype(np.int64),
            "title": raw["title"],
            CATEGORY: raw["genres"].map(lambda names: ", ".join(names) if isinstance(names, list) else None),
            BRAND: raw["developer"],
            PRICE: price,
            KEYWORDS: raw["tags"],
            ATTRIBUTES: raw["specs"],
            "genres": raw["genres"].map(lambda names: names if isinstance(names, list) else []),
            "price_usd": pd.to_numeric(price).fillna(0.0),
            "release_year": pd.to_datetime(raw["release_date"], errors="coerce").dt.year.fillna(0.0),
            "has_page": raw["genres"].notna().astype(float),
        }
    )


def _divide(
    acquired: pd.DataFrame, catalogue: np.ndarray, split: SteamSplit, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Name the part of every acquisition: tower, own, valid or test."""
    new_items = generator.choice(catalogue, int(len(catalogue) * split.new_item_share), replace=False)
    draw = generator.random(len(acquired))
    edges = np.cumsum([split.tower_share, split.valid_share, split.test_share])
    part = np.array(["tower", "valid", "test", "own"])[np.searchsorted(edges, draw, side="right")]
    is_new = np.isin(acquired[ITEM_ID].to_numpy(), new_items)
    later = split.valid_share / (split.valid_share + split.test_share)
    part[is_new] = np.where(draw[is_new] < later, "valid", "test")
    return part, np.sort(new_items)
