"""The MovieLens-1M slice of CoLLM: like against dislike among rated films, consecutive periods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.data.contexts import clicked_events, point_in_time_contexts
from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.splits import check_chronology
from learn_recall.columns import CLICK, ITEM_ID, TIMESTAMP, TITLE, USER_ID


def read_movielens(folder: str | Path, *, tower_share: float = 0.5) -> RankingDataset:
    """Likes as clicks; there is no conversion, so only CTR is judged.

    Args:
        folder: holds ``train.csv.gz``, ``valid.csv.gz``, ``test.csv.gz`` and ``items.tsv``.
        tower_share: the towers learn from the likes in this first share of the training period.

    Returns:
        Every row's context holds the user's likes strictly before the row, in all three parts; the published
        ``his`` column is not used, since it also holds likes of the same second.
    """
    folder = Path(folder)
    items = pd.read_csv(folder / "items.tsv", sep="\t").rename(columns={"iid": ITEM_ID, "title": TITLE})
    items["release_year"] = pd.to_numeric(items[TITLE].str.extract(r"\((\d{4})\)\s*$")[0]).fillna(0.0)
    parts = {name: _part(folder / f"{name}.csv.gz") for name in ("train", "valid", "test")}

    cut = np.quantile(parts["train"][TIMESTAMP], tower_share)
    interactions = clicked_events(parts["train"].loc[parts["train"][TIMESTAMP] <= cut])
    contexts, linked = point_in_time_contexts(
        clicked_events(*parts.values()), parts, learned_until=float(interactions[TIMESTAMP].max())
    )
    checked = check_chronology(**linked, interactions=interactions, contexts=contexts)
    return RankingDataset(
        name="ml1m_ctr",
        items=items,
        interactions=interactions,
        contexts=contexts,
        dense=("release_year",),
        protocol={
            "click": "rating of 4 or 5, among rated films",
            "conversion": "none in this data",
            "split": "consecutive periods, as published by CoLLM",
            "towers": f"likes of the first {tower_share:.0%} of the training period",
            "user contexts": "point in time: likes strictly before the row",
            **checked,
        },
        train=linked["train"],
        valid=linked["valid"],
        test=linked["test"],
    )


def _part(path: Path) -> pd.DataFrame:
    raw = pd.read_csv(path, usecols=["uid", "iid", "label", "timestamp"])
    return raw.rename(columns={"uid": USER_ID, "iid": ITEM_ID, "label": CLICK})
