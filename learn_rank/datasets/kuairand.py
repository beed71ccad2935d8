"""KuaiRand-Pure, the standard feed of Kuaishou: clicks and long views on videos that have no text.

What a text can say here is a tag's number, so this is where vectors of text must not help.

Source: Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos",
CIKM 2022, arXiv 2208.08696.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.own import link_tables
from learn_recall.columns import CONVERSION, ITEM_ID, POSITION, TIMESTAMP, TITLE, USER_ID
from learn_recall.tables.read import (
    check_same_ids,
    read_impressions,
    read_interactions,
    read_table,
    read_together,
    validate_interactions,
    validate_items,
)

PARTS = ("train", "valid", "test")
OF_ITEMS = ("author_id", "video_type", "upload_type", "music_type")
OF_USERS = (
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "is_video_author",
    "is_live_streamer",
)
_UNKNOWN = "unknown"
_Kind = Literal["long_watched", "watched"]


def read_kuairand(
    folder: str | Path, *, new_item_share: float = 0.10, before: _Kind = "long_watched", seed: int = 0
) -> RankingDataset:
    """Videos as the feed showed them, in three consecutive periods, with what each user watched before them.

    Args:
        folder: ``items, users, interactions, long_watched, train, valid, test``, each ``.parquet``.
        new_item_share: of the videos, held out as new: they leave train and what was watched before it, and
            come back with valid. Nearly all videos are older than the log, so without it none is new.
        before: what the towers learn from and histories begin with: the videos that a user watched for long
            ("long_watched"), or all that the feed showed him ("watched"), liked or not.
        seed: of the videos that are held out.

    Returns:
        Click = clicked, conversion = long view, value = seconds played. What came before the log has an order
        and no time: it is put right before the log's first row, a second apart, so that every row knows all
        of it and the clicks of the log strictly before itself.

    Raises:
        TableError: every problem of every file at once; a file that is missing is one.
        SplitLeak: parts that reach into the next.
        ValueError: a share that is not in [0, 1), or another ``before``.
    """
    if not 0 <= new_item_share < 1:
        raise ValueError(
            f"new_item_share: expected a share in [0, 1), got {new_item_share}. Remedy: 0 holds out none."
        )
    if before not in ("long_watched", "watched"):
        raise ValueError(f"before: expected long_watched or watched, got {before!r}. Remedy: choose one.")
    folder = Path(folder)
    tables = read_together(
        {
            "items": lambda: _items(folder / "items.parquet"),
            "users": lambda: _users(folder / "users.parquet"),
            "watched": lambda: read_interactions(folder / "interactions.parquet"),
            "long_watched": lambda: _long_watched(folder / "long_watched.parquet"),
            **{name: lambda name=name: _part(folder / f"{name}.parquet") for name in PARTS},  # type: ignore[misc]
        }
    )
    items, users = tables.pop("items"), tables.pop("users")
    check_same_ids(items, tables)
    parts = {name: _with_profile(tables[name], users) for name in PARTS}
    long_pairs = pd.MultiIndex.from_frame(tables["long_watched"][[USER_ID, ITEM_ID]])
    events = _placed_before(tables[before], start=int(parts["train"][TIMESTAMP].min()), long_pairs=long_pairs)
    twice = sum(int(part.duplicated([USER_ID, ITEM_ID, TIMESTAMP]).sum()) for part in parts.values())
    new = _held_out(items[ITEM_ID].to_numpy(), new_item_share, seed)
    parts["train"], events = (
        frame.loc[~frame[ITEM_ID].isin(new)].reset_index(drop=True) for frame in (parts["train"], events)
    )
    which = "watched for long" if before == "long_watched" else "were shown, liked or not,"
    return link_tables(
        "kuairand",
        items,
        events,
        parts,
        dense=("duration_log", "register_days"),
        categorical=("tab", "hour", "tag", *OF_ITEMS, *OF_USERS),
        protocol={
            "click": "clicked, among the videos that the feed showed",
            "conversion": "long view, among the clicked; value: seconds played",
            "negatives": "shown and not clicked; none is sampled",
            "rows like an earlier one": f"{twice:,}, kept as they were logged",
            "split": "three consecutive periods",
            "new items held out": len(new),
            "text": "none: the encoder reads the numbers of a video's tags, such as 'tag 39'",
            "towers": f"the {len(events):,} videos that users {which} before the log (at most 50 a user)",
            "time before the log": "the order is real, the time is not: a second apart, right before the log",
            "host features": "the user's profile is the publisher's snapshot and has no time",
            "licence": "KuaiRand: CC BY-SA 4.0",
        },
    )


def _items(path: Path) -> pd.DataFrame:
    raw = read_table(path, columns=(ITEM_ID, TITLE, *OF_ITEMS, "duration_seconds"))
    validate_items(raw, table=str(path))
    seconds = pd.to_numeric(raw.pop("duration_seconds")).fillna(0.0).astype("float64")
    tags = raw[TITLE].str.removeprefix("tag ").astype(object)
    return raw.assign(**_as_text(raw[list(OF_ITEMS)]), tag=tags, duration_log=np.log1p(seconds))


def _users(path: Path) -> pd.DataFrame:
    raw = read_table(path, columns=(USER_ID, *OF_USERS, "register_days"))
    days = pd.to_numeric(raw["register_days"]).fillna(0.0).astype("float64")
    profile = raw[[USER_ID]].assign(**_as_text(raw[list(OF_USERS)]), register_days=days)
    return profile.drop_duplicates(USER_ID).set_index(USER_ID)


def _part(path: Path) -> pd.DataFrame:
    return read_impressions(path, categorical=("tab", "hour"))


def _long_watched(path: Path) -> pd.DataFrame:
    """Its rows are a user's in their order, oldest first."""
    raw = read_table(path, columns=(USER_ID, ITEM_ID))
    ordered = raw.assign(**{POSITION: raw.groupby(USER_ID).cumcount()})
    validate_interactions(ordered, table=str(path))
    return ordered


def _as_text(columns: pd.DataFrame) -> dict[str, pd.Series]:
    """Categories as text, an empty cell as a category of its own."""
    return {
        str(name): column.astype(object).where(column.notna(), _UNKNOWN).map(str)
        for name, column in columns.items()
    }


def _with_profile(part: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """The rows with their user's profile; a user without one has the category "unknown"."""
    profile = users.reindex(part[USER_ID]).set_axis(part.index)
    profile[list(OF_USERS)] = profile[list(OF_USERS)].fillna(_UNKNOWN)
    return pd.concat([part, profile.fillna({"register_days": 0.0})], axis=1)


def _placed_before(watched: pd.DataFrame, *, start: int, long_pairs: pd.MultiIndex) -> pd.DataFrame:
    """Events in order, put a second apart right before ``start``; converted = among the long views."""
    newest = watched.groupby(USER_ID)[POSITION].transform("max")
    return pd.DataFrame(
        {
            USER_ID: watched[USER_ID],
            ITEM_ID: watched[ITEM_ID],
            TIMESTAMP: start - 1 - (newest - watched[POSITION]),
            CONVERSION: pd.MultiIndex.from_frame(watched[[USER_ID, ITEM_ID]]).isin(long_pairs).astype(float),
        }
    )


def _held_out(items: np.ndarray, share: float, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    return np.sort(generator.choice(items, int(len(items) * share), replace=False))


__all__ = ["read_kuairand"]
