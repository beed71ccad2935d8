"""A folder of sequences as a question: whose history, which held-out items, and what may be learned from.

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
from learn_recall.datasets import read_amazon
from learn_recall.text.prompt import render_items

LEAVE_ONE_OUT, VALIDATION, WINDOW = "leave-one-out", "validation", "window"
TASKS = (LEAVE_ONE_OUT, VALIDATION, WINDOW)
FITS = ("all", "train")


@dataclass(frozen=True)
class RecallWorld:
    """Items, what is known before the test, and the test.

    items: (N,) rows of the items table; an item is its row. history: events before the test, for every user.
    test: user_id, item_id; one row a user for leave-one-out, ``window`` rows a user for the window.
    train_counts: (N,) events before the last two of each user (before the window and one more); buckets are
    made of these alone. task: one of `TASKS`.
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
        """Items that share their whole text with another one, and targets among them."""
        is_shared = pd.Series(self.texts).duplicated(keep=False).to_numpy()
        return {"items": int(is_shared.sum()), "targets": int(is_shared[self.targets].sum())}


def read_world(folder: Path, *, task: str = LEAVE_ONE_OUT, window: int = 3) -> RecallWorld:
    """Read a folder of items.jsonl.gz and sequences.txt.gz.

    Args:
        folder: as for `learn_recall.datasets.read_amazon`.
        task: "leave-one-out": each user's last event is the test. "validation": the event before it is asked
            for, and the last one is not read: for choosing settings. "window": the last ``window`` events of
            users with at least that many and two more.

    Raises: TableError for files that cannot be read; ValueError for an unknown task or when no user is long
    enough.
    """
    data = read_amazon(folder)
    if task == VALIDATION:
        split = data.split
        counts = split.item_counts(data.items[ITEM_ID])
        history = split.train.sort_values([USER_ID, POSITION], kind="stable").reset_index(drop=True)
        asked = split.valid.reset_index(drop=True)
        return RecallWorld(
            data.items, history, asked, counts, task, {**split.fingerprint, "validation": True}
        )
    if task == LEAVE_ONE_OUT:
        split = data.split
        history = pd.concat([split.train, split.valid]).sort_values([USER_ID, POSITION], kind="stable")
        return RecallWorld(
            data.items,
            history.reset_index(drop=True),
            split.test.reset_index(drop=True),
            split.item_counts(data.items[ITEM_ID]),
            task,
            dict(split.fingerprint),
        )
    if task != WINDOW:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}; got {task!r}")
    events = data.interactions.sort_values([USER_ID, POSITION], kind="stable").reset_index(drop=True)
    length = events.groupby(USER_ID)[ITEM_ID].transform("size").to_numpy()
    from_end = length - 1 - events.groupby(USER_ID).cumcount().to_numpy()
    is_split = length >= window + 2
    if not is_split.any():
        raise ValueError(f"window: expected users with {window + 2} events or more; got none in {folder}")
    is_test = is_split & (from_end < window)
    is_train = ~is_test & ~(is_split & (from_end == window))
    counts = events.loc[is_train, ITEM_ID].value_counts().reindex(data.items[ITEM_ID], fill_value=0)
    test = events[is_test].reset_index(drop=True)
    fingerprint = {
        "n_users": int(events[USER_ID].nunique()),
        "n_items": len(data.items),
        "n_train": int(is_train.sum()),
        "n_valid": int(test[USER_ID].nunique()),
        "n_test": len(test),
        "sha256": str(data.split.fingerprint["sha256"]),
        "window": window,
    }
    history = events[~is_test].reset_index(drop=True)
    return RecallWorld(data.items, history, test, counts.to_numpy(dtype=np.int64), task, fingerprint)
