"""The weighted form of the per-user AUC: a pair counts the product of its rows' weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 16  # rows of whole users handled at a time
_USER_SHIFT = np.uint64(33)
_ONE = np.uint64(1)

UserArrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def fold_weights(keys: np.ndarray, weight: np.ndarray) -> UserArrays:
    """AUC and totals of each user, a few users at a time so that running sums stay precise.

    Args:
        keys: (N,) sorted keys of `grouped_auc`: user code, score, label.
        weight: (N,) float64 >= 0, in the order of the keys.

    Returns:
        The six (U,) arrays of `PerUserAUC`, with codes for users.
    """
    code = keys >> _USER_SHIFT
    start = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
    user_rows = np.diff(np.append(start, keys.size))
    is_positive = (keys & _ONE).astype(np.int64)
    # an AUC does not change when a user's weights are scaled; scaled to a largest weight of 1, no user drowns
    largest = np.maximum.reduceat(weight, start)
    scaled = weight / np.repeat(np.where(largest > 0, largest, 1.0), user_rows)
    auc = np.full(start.size, np.nan)
    for users, rows in _user_chunks(start, keys.size):
        auc[users] = _weighted_auc(
            keys[rows] >> _ONE, scaled[rows], is_positive[rows], start[users] - rows.start
        )
    return (
        code[start].astype(np.int64),
        auc,
        user_rows,
        np.add.reduceat(is_positive, start),
        np.add.reduceat(weight, start),
        np.add.reduceat(weight * is_positive, start),
    )


def _user_chunks(start: np.ndarray, n_rows: int) -> Iterator[tuple[slice, slice]]:
    """Slices of whole users with about `_BLOCK` rows each."""
    ends = np.append(start[1:], n_rows)
    user = 0
    while user < start.size:
        stop = max(user + 1, int(np.searchsorted(ends, start[user] + _BLOCK, side="right")))
        yield slice(user, stop), slice(int(start[user]), int(ends[stop - 1]))
        user = stop


def _weighted_auc(
    ties: np.ndarray, weight: np.ndarray, is_positive: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """AUC of whole users, rows in order; `ties` is equal within a user's tie, `start` (U,) the first row."""
    positive = weight * is_positive
    negative = weight - positive
    below = np.concatenate([[0.0], np.cumsum(negative)])
    tie = np.flatnonzero(np.concatenate([[True], ties[1:] != ties[:-1]]))
    first_tie = np.searchsorted(tie, start)
    user_of_tie = np.repeat(start, np.diff(np.append(first_tie, tie.size)))
    middle = (below[tie] + below[np.append(tie[1:], ties.size)]) / 2 - below[user_of_tie]
    won = np.add.reduceat(np.add.reduceat(positive, tie) * middle, first_tie)
    pairs = np.add.reduceat(positive, start) * np.add.reduceat(negative, start)
    return np.divide(won, pairs, out=np.full(start.size, np.nan), where=pairs > 0)
