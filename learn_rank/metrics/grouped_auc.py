"""Per-user AUC in one sort: the primitive on which every grouped metric, bucket and interval is a fold.

Definition, for a user with positives P and negatives N::

    AUC_u = sum over (p, n) in P x N of ( [s_p > s_n] + 1/2 [s_p = s_n] ) / ( |P| |N| )

Each row becomes one 64-bit key: user code (31 bits), score as an orderable integer (32 bits), label (1 bit).
One `np.sort` of the keys puts users together, scores in order and, inside a tie, negatives before positives;
two running sums then give every user's count of won pairs, in integers, so without rounding. Nothing depends
on the order of the rows, and nothing but the order of the scores matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.metrics.score_ordinals import score_ordinals
from learn_rank.metrics.user_codes import UserCodes
from learn_rank.metrics.weighted_auc import fold_weights

_BLOCK = 1 << 16  # rows handled at a time, so that the working set stays in the processor's cache
_USER_STEP = np.uint64(1 << 33)
_USER_SHIFT = np.uint64(33)
_ONE = np.uint64(1)


@dataclass(frozen=True, eq=False)
class PerUserAUC:
    """One entry per user, ordered by user id.

    Attributes:
        user: (U,) ids, as they came.
        auc: (U,) float64; NaN for a user with one class only.
        n_rows: (U,) int64, rows of the user.
        n_positives: (U,) int64, rows with label 1.
        weight: (U,) float64, sum of the row weights; equals `n_rows` without weights.
        positive_weight: (U,) float64, the same over rows with label 1.
        columns: further per-row columns, summed by user, (U,) float64 each.
    """

    user: np.ndarray
    auc: np.ndarray
    n_rows: np.ndarray
    n_positives: np.ndarray
    weight: np.ndarray
    positive_weight: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.user.size

    def take(self, chosen: np.ndarray) -> PerUserAUC:
        """The users selected by a boolean (U,) or an index array."""
        return PerUserAUC(
            self.user[chosen],
            self.auc[chosen],
            self.n_rows[chosen],
            self.n_positives[chosen],
            self.weight[chosen],
            self.positive_weight[chosen],
            {name: values[chosen] for name, values in self.columns.items()},
        )


def per_user_auc(
    labels: Any,
    scores: Any,
    users: Any = None,
    *,
    weights: Any = None,
    columns: Mapping[str, Any] | None = None,
) -> PerUserAUC:
    """Exact, tie-correct AUC of every user, in one pass.

    Args:
        labels: (N,) 0/1.
        scores: (N,) finite numbers of any real dtype; only their order matters, and no dtype is narrowed.
        users: (N,) integer or string ids. None: all rows are one user, 0, and the result is the pooled AUC.
        weights: (N,) row weights >= 0. A row of weight 2 counts like the same row twice. None: all 1.
        columns: further (N,) columns >= 0, to be summed by user (times the row weights, where given).

    Returns:
        `PerUserAUC` over all users that occur, one-class users included (their AUC is NaN). Users are scored
        when both classes have a weight above 0.

    Raises:
        ValueError: see `learn_rank.metrics.labelled_rows.LabelledRows.of`; besides, NaN or infinite scores,
            or another length.

    Example:
        >>> per_user_auc([1, 0, 1, 0], [0.9, 0.1, 0.3, 0.3], ["ann", "ann", "bob", "bob"]).auc.tolist()
        [1.0, 0.5]
    """
    return fold_users(LabelledRows.of(labels, users, weights, columns), scores)


def fold_users(rows: LabelledRows, scores: Any) -> PerUserAUC:
    """`per_user_auc` for rows that were checked before; arguments and result as there."""
    n_rows = len(rows)
    users = UserCodes(np.zeros(n_rows, np.uint8), 1, 0, None) if rows.users is None else rows.users
    keys = _keys(users, score_ordinals(as_scores(scores, n_rows)), rows.labels)
    if rows.weights is None or n_rows == 0:
        keys.sort()
        result = _fold_counts(keys)
    else:
        order = np.argsort(keys)
        result = PerUserAUC(*fold_weights(keys[order], rows.weights[order]))
    sums = {}
    if rows.columns:
        place = np.searchsorted(result.user, users.codes)
        for name, column in rows.columns.items():
            weighted = column if rows.weights is None else column * rows.weights
            sums[name] = np.bincount(place, weighted, minlength=len(result))
    return replace(result, user=users.ids(result.user), columns=sums)


def merge(parts: Sequence[PerUserAUC]) -> PerUserAUC:
    """Join partitions that share no user, for data that is judged a part at a time.

    Raises:
        ValueError: a user occurs in two parts; an AUC cannot be put together from halves of a user's rows.
    """
    if not parts:
        raise ValueError("parts: expected at least one PerUserAUC, got none")
    names = parts[0].columns.keys()
    if any(part.columns.keys() != names for part in parts):
        raise ValueError("parts: expected the same columns in every part. Remedy: pass the same `columns`")
    joined = [np.concatenate(arrays) for arrays in zip(*map(_fields, parts), strict=True)]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
    order = np.argsort(joined[0], kind="stable")
    user = joined[0][order]
    if (user[1:] == user[:-1]).any():
        twice = user[1:][user[1:] == user[:-1]][0]
        raise ValueError(
            f"parts: expected every user in one part only, got user {twice!r} in two. "
            "Remedy: partition the rows by user, for instance by a hash of the id"
        )
    user, auc, n_rows, n_positives, weight, positive_weight = (array[order] for array in joined)
    sums = {name: values[order] for name, values in columns.items()}
    return PerUserAUC(user, auc, n_rows, n_positives, weight, positive_weight, sums)


def _fields(part: PerUserAUC) -> tuple[np.ndarray, ...]:
    return part.user, part.auc, part.n_rows, part.n_positives, part.weight, part.positive_weight


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_rows))


def _keys(users: UserCodes, ordinals: np.ndarray, label: np.ndarray) -> np.ndarray:
    """One uint64 per row: user code, score ordinal, label."""
    keys = np.empty(label.size, np.uint64)
    for rows in _blocks(label.size):
        key = users.codes[rows].astype(np.uint64)
        key <<= np.uint64(32)
        key |= ordinals[rows]
        key <<= _ONE
        key |= label[rows]
        keys[rows] = key
    return keys


def _fold_counts(keys: np.ndarray) -> PerUserAUC:
    """Fold sorted keys in integers: rows, positives and (twice the) won pairs of each user code."""
    starts, positives_at, wins_at = [], [], []
    n_positives = twice_wins = 0
    for rows in _blocks(keys.size):
        key = keys[rows]
        change = np.empty_like(key)
        change[0] = key[0] ^ keys[rows.start - 1] if rows.start else _USER_STEP
        np.bitwise_xor(key[1:], key[:-1], out=change[1:])
        is_positive = (key & _ONE).view(np.int64)
        positives = np.cumsum(is_positive)
        positives += n_positives
        # twice the negatives before each positive, of whatever user: the earlier users' share comes off below
        wins = np.arange(rows.start + 1, rows.stop + 1)
        wins -= positives
        wins *= is_positive
        wins *= 2
        ties = np.flatnonzero(change == _ONE)
        if ties.size:
            wins[ties] -= _tied_pairs(keys, rows, ties)
        running = np.cumsum(wins)
        running += twice_wins
        first = np.flatnonzero(change >= _USER_STEP)
        starts.append(first + rows.start)
        positives_at.append(positives[first] - is_positive[first])
        wins_at.append(running[first] - wins[first])
        n_positives, twice_wins = int(positives[-1]), int(running[-1])
    start = np.concatenate([*starts, [keys.size]]).astype(np.int64)
    positive = np.concatenate([*positives_at, [n_positives]]).astype(np.int64)
    user_rows, user_positives = np.diff(start), np.diff(positive)
    won = np.diff(np.concatenate([*wins_at, [twice_wins]]).astype(np.int64))
    won -= 2 * (start - positive)[:-1] * user_positives
    pairs = user_positives * (user_rows - user_positives)
    auc = np.divide(won, 2 * pairs, out=np.full(won.size, np.nan), where=pairs > 0)
    code = (keys[start[:-1]] >> _USER_SHIFT).astype(np.int64)
    weight, positive_weight = user_rows.astype(np.float64), user_positives.astype(np.float64)
    return PerUserAUC(code, auc, user_rows, user_positives, weight, positive_weight)


def _tied_pairs(keys: np.ndarray, rows: slice, ties: np.ndarray) -> np.ndarray:
    """Negatives x positives of each tie; `ties` (in the block) are the rows where a tie's positives begin.

    A tie is looked up inside the block; only one that reaches the block's edge is looked up in all keys.
    """
    key = keys[rows]
    negative = key[ties] ^ _ONE
    low = np.searchsorted(key, negative, side="left") + rows.start
    high = np.searchsorted(key, key[ties], side="right") + rows.start
    if low[0] == rows.start:
        low[0] = np.searchsorted(keys, negative[0], side="left")
    if high[-1] == rows.stop:
        high[-1] = np.searchsorted(keys, key[ties[-1]], side="right")
    at = ties + rows.start
    return (at - low) * (high - at)
