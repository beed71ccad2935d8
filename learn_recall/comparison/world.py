"""A log as a question: whose history, which held-out items, and what may be learned from.

U users, N items, T targets, H history.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_ID, POSITION, USER_ID
from learn_recall.datasets import LeaveOneOut, leave_one_out, read_amazon
from learn_recall.tables.links import check_same_ids
from learn_recall.tables.read import read_interactions, read_items, read_together
from learn_recall.text.prompt import render_items

LEAVE_ONE_OUT, VALIDATION, WINDOW = "leave-one-out", "validation", "window"
TASKS = (LEAVE_ONE_OUT, VALIDATION, WINDOW)
FITS = ("all", "train")


@dataclass(frozen=True)
class RecallWorld:
    """Items, what is known before the test, and the test.

    Attributes:
        items: (N,) rows of the items table; an item is its row.
        history: events before the test, for every user.
        test: user_id, item_id; one row a user for leave-one-out, ``window`` rows a user for the window.
        train_counts: (N,) events before the last two of each user (before the window and one more); buckets
            are made of these alone.
        task: one of `TASKS`.
        fingerprint: counts and a sha256 of the split.
    """

    items: pd.DataFrame
    history: pd.DataFrame
    test: pd.DataFrame
    train_counts: np.ndarray
    task: str
    fingerprint: dict[str, Any]

    @cached_property
    def texts(self) -> list[str]:
        """(N,) the text of each item, as the encoder reads it."""
        return [str(text) for text in render_items(self.items, "paper")]

    @cached_property
    def users(self) -> tuple[np.ndarray, np.ndarray]:
        """(T,) number of each target's user, and (U,) where each user's targets begin."""
        number, _ = pd.factorize(self.test[USER_ID])
        return number, np.flatnonzero(np.r_[True, number[1:] != number[:-1]])

    @cached_property
    def targets(self) -> np.ndarray:
        """(T,) rows of the items."""
        return pd.Index(self.items[ITEM_ID]).get_indexer(self.test[ITEM_ID])

    @cached_property
    def histories(self) -> np.ndarray:
        """(U, H) rows of the items before the test, oldest first, -1 = padding on the right."""
        number, first = self.users
        order = pd.Series(number[first], index=self.test[USER_ID].to_numpy()[first])
        events = self.history[self.history[USER_ID].isin(order.index)]
        owner = order.loc[events[USER_ID]].to_numpy()
        row = pd.Index(self.items[ITEM_ID]).get_indexer(events[ITEM_ID])
        place = np.argsort(owner, kind="stable")
        owner, row = owner[place], row[place]
        length = np.bincount(owner, minlength=len(first))
        column = np.arange(len(owner)) - np.repeat(length.cumsum() - length, length)
        history_UH = np.full((len(first), int(length.max())), -1, dtype=np.int64)
        history_UH[owner, column] = row
        return history_UH

    def duplicates(self) -> dict[str, int]:
        """Count the items that share their whole text with another one, and the targets among them."""
        is_shared = pd.Series(self.texts).duplicated(keep=False).to_numpy()
        return {"items": int(is_shared.sum()), "targets": int(is_shared[self.targets].sum())}


def read_world(folder: Path, *, task: str = LEAVE_ONE_OUT, window: int = 3) -> RecallWorld:
    """Read a folder of items.jsonl.gz and sequences.txt.gz.

    Args:
        folder: as for `learn_recall.datasets.read_amazon`.
        task: as for `world_of`.
        window: as for `world_of`.

    Raises:
        TableError: files that cannot be read.
        ValueError: an unknown task, or no user is long enough.
    """
    _check_task(task)
    data = read_amazon(folder)
    return world_of(data.items, data.interactions, task=task, window=window)


def read_own_world(
    items: Path, interactions: Path, *, task: str = LEAVE_ONE_OUT, window: int = 3
) -> RecallWorld:
    """Read a table of items and a log of interactions, in any of the formats that the other verbs read.

    Args:
        items: item_id, title, and any of category, brand, price, ..
        interactions: user_id, item_id, and position or timestamp; position decides where there are both.
        task: as for `world_of`.
        window: as for `world_of`.

    Raises:
        TableError: everything that is wrong with the tables; items of the log that are in no row.
        ValueError: an unknown task, or no user is long enough.
    """
    _check_task(task)
    tables = read_together(
        {"items": lambda: read_items(items), "interactions": lambda: read_interactions(interactions)}
    )
    check_same_ids(tables["items"], {str(interactions): tables["interactions"]})
    return world_of(tables["items"], tables["interactions"], task=task, window=window)


def world_of(
    items: pd.DataFrame, interactions: pd.DataFrame, *, task: str = LEAVE_ONE_OUT, window: int = 3
) -> RecallWorld:
    """Split a log into what is known and what is asked.

    Args:
        items: validated items; an item is its row.
        interactions: validated interactions of these items.
        task: "leave-one-out": each user's last event is the test. "validation": the event before it is asked
            for, and the last one is not read: for choosing settings. "window": the last ``window`` events of
            users with at least that many and two more.
        window: events that are held out together.

    Raises:
        TableError: rows without the column that orders them.
        ValueError: an unknown task, or no user is long enough.
    """
    _check_task(task)
    split = leave_one_out(interactions)
    if not len(split.test):
        raise ValueError(
            "interactions: expected users with 3 events or more; got none. Remedy: take more of the log"
        )
    counts = split.item_counts(items[ITEM_ID])
    if task == VALIDATION:
        asked, fingerprint = split.valid, {**split.fingerprint, "validation": True}
        return RecallWorld(items, _placed(split.train), asked, counts, task, fingerprint)
    if task == LEAVE_ONE_OUT:
        history = _placed(pd.concat([split.train, split.valid]))
        return RecallWorld(items, history, split.test, counts, task, dict(split.fingerprint))
    return _windowed(items, _placed(pd.concat([split.train, split.valid, split.test])), split, window)


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}; got {task!r}. Remedy: choose one")


def _placed(events: pd.DataFrame) -> pd.DataFrame:
    """Order the parts of a split by user, oldest event first, and number each user's events from 0."""
    ordered = events[[USER_ID, ITEM_ID]].sort_values(USER_ID, kind="stable").reset_index(drop=True)
    return ordered.assign(**{POSITION: ordered.groupby(USER_ID).cumcount()})


def _windowed(items: pd.DataFrame, events: pd.DataFrame, split: LeaveOneOut, window: int) -> RecallWorld:
    length = events.groupby(USER_ID)[ITEM_ID].transform("size").to_numpy()
    from_end = length - 1 - events.groupby(USER_ID).cumcount().to_numpy()
    is_split = length >= window + 2
    if not is_split.any():
        raise ValueError(f"window: expected users with {window + 2} events or more; got none")
    is_test = is_split & (from_end < window)
    is_train = ~is_test & ~(is_split & (from_end == window))
    counts = events.loc[is_train, ITEM_ID].value_counts().reindex(items[ITEM_ID], fill_value=0)
    test = events[is_test].reset_index(drop=True)
    fingerprint = {
        "n_users": int(events[USER_ID].nunique()),
        "n_items": len(items),
        "n_train": int(is_train.sum()),
        "n_valid": int(test[USER_ID].nunique()),
        "n_test": len(test),
        "sha256": str(split.fingerprint["sha256"]),
        "window": window,
    }
    history = events[~is_test].reset_index(drop=True)
    return RecallWorld(items, history, test, counts.to_numpy(dtype=np.int64), WINDOW, fingerprint)


__all__ = ["FITS", "TASKS", "RecallWorld", "read_own_world", "read_world", "world_of"]
