"""Leave-one-out: each user's last event is the test, the one before it validates, the rest trains."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.store.ids import as_id_array, id_keys
from learn_recall.tables.problems import Problem, TableError

_LEAST_EVENTS = 3  # a user needs one event in each part


@dataclass(frozen=True)
class LeaveOneOut:
    """The three parts of `leave_one_out`.

    Args:
        train: all events of a user but the last two; of users with fewer than three events, all.
        valid: one event per user, the last but one.
        test: one event per user, the last.
    """

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame

    def item_counts(self, items: Any) -> np.ndarray:
        """Count the training events of items; buckets are made from these alone.

        Args:
            items: (n,) item ids.

        Returns:
            (n,) int64, 0 for an item that train has not seen.
        """
        counts = self.train[c.ITEM_ID].value_counts()
        return counts.reindex(pd.Index(as_id_array(items)), fill_value=0).to_numpy(dtype=np.int64)

    @cached_property
    def fingerprint(self) -> dict[str, int | str]:
        """The counts and a sha256 of the split, to state beside a result that it is on the same split.

        Definition: sha256 over the parts in the order train, valid, test; of each part its length and then,
        sorted by the key of the user and in the user's order, the `id_keys` of users and those of items, all
        as little-endian int64. It does not depend on the order in which users stand in the file.
        """
        digest = hashlib.sha256()
        for part in (self.train, self.valid, self.test):
            users, items = id_keys(part[c.USER_ID]), id_keys(part[c.ITEM_ID])
            order = np.argsort(users, kind="stable")
            for numbers in (np.array([len(part)]), users[order], items[order]):
                digest.update(numbers.astype("<i8").tobytes())
        everyone = pd.concat([self.train[[c.USER_ID, c.ITEM_ID]], self.valid, self.test], join="inner")
        return {
            "n_users": int(everyone[c.USER_ID].nunique()),
            "n_items": int(everyone[c.ITEM_ID].nunique()),
            "n_train": len(self.train),
            "n_valid": len(self.valid),
            "n_test": len(self.test),
            "sha256": digest.hexdigest(),
        }


def leave_one_out(interactions: pd.DataFrame) -> LeaveOneOut:
    """Split validated interactions by leave-one-out.

    Args:
        interactions: user_id, item_id, and position or timestamp. Position decides where there are both;
            events of a user at the same place keep the order in which they stand.

    Returns:
        Frames with the given columns, users in the order of their first row, events oldest first.

    Raises:
        TableError: some rows lack the column that orders them.

    Example:
        >>> events = pd.DataFrame({"user_id": 7, "item_id": list("abcd"), "position": [3, 0, 1, 2]})
        >>> split = leave_one_out(events)
        >>> [part["item_id"].tolist() for part in (split.train, split.valid, split.test)]
        [['b', 'c'], ['d'], ['a']]
    """
    by = c.POSITION if c.POSITION in interactions else c.TIMESTAMP
    if by not in interactions or interactions[by].isna().any():
        got = f"rows without {by}" if by in interactions else "neither column"
        remedy = "order every row by the same column; events without a place cannot be split"
        raise TableError([Problem("interactions", by, "position or timestamp in each row", got, (), remedy)])
    user = pd.factorize(interactions[c.USER_ID])[0]
    order = np.lexsort((interactions[by].to_numpy(), user))
    events = interactions.iloc[order].reset_index(drop=True)
    user = user[order]
    length = np.bincount(user)[user]
    from_end = length - 1 - events.groupby(user).cumcount().to_numpy()
    is_split = length >= _LEAST_EVENTS
    is_test, is_valid = is_split & (from_end == 0), is_split & (from_end == 1)
    parts = (events[rows].reset_index(drop=True) for rows in (~is_test & ~is_valid, is_valid, is_test))
    return LeaveOneOut(*parts)


__all__ = ["LeaveOneOut", "leave_one_out"]
