"""Interactions become sequences: one compressed-row table of content-store rows, oldest event first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_ID, POSITION, TIMESTAMP, USER_ID
from learn_recall.store import EmbeddingStore
from learn_recall.store.ids import as_id_array
from learn_recall.towers.config import TrainConfig


@dataclass(frozen=True)
class Sequences:
    """Events of U users, user by user, oldest first.

    user_ids: (U,) as in the table, sorted. offsets: (U + 1,) int64; user u owns events offsets[u] ..
    offsets[u + 1].
    rows: (E,) int64, row of each event's item in the content store. times: (E,) float64 unix seconds, or
    None.
    n_unknown, n_without_vector: events left out because the store does not know the item, or has no vector
    for it.
    """

    user_ids: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray
    times: np.ndarray | None
    n_unknown: int = 0
    n_without_vector: int = 0

    @property
    def lengths(self) -> np.ndarray:
        """(U,) int64 number of events of each user."""
        return np.diff(self.offsets)

    @property
    def n_users(self) -> int:
        """U."""
        return len(self.user_ids)

    def keep(self, is_kept: np.ndarray) -> Sequences:
        """The same users with only the events where ``is_kept`` (E,) bool is True."""
        user = np.repeat(np.arange(self.n_users), self.lengths)
        length = np.bincount(user[is_kept], minlength=self.n_users)
        times = None if self.times is None else self.times[is_kept]
        return Sequences(
            self.user_ids,
            offsets_of(length),
            self.rows[is_kept],
            times,
            self.n_unknown,
            self.n_without_vector,
        )


def build_sequences(interactions: pd.DataFrame, content: EmbeddingStore) -> Sequences:
    """Sort interactions into sequences of content-store rows.

    Order within a user: ``timestamp`` where the column is there, ties by ``position``, then by row of the
    table.

    Args:
        interactions: user_id, item_id, and timestamp (unix seconds) or position.
        content: store whose rows stand for items. Events without a vector are left out and counted.

    Raises:
        ValueError: a missing column, an empty time, or no usable event at all.
        StoreError: ids of the wrong kind.
    """
    missing = [name for name in (USER_ID, ITEM_ID) if name not in interactions]
    if missing:
        raise ValueError(f"interactions: expected a column {missing[0]!r}; got {list(interactions.columns)}")
    order_columns = [name for name in (TIMESTAMP, POSITION) if name in interactions]
    if not order_columns:
        raise ValueError(
            f"interactions: expected a column {TIMESTAMP!r} (unix seconds) or {POSITION!r} (0 = oldest of "
            "the user); "
            f"got {list(interactions.columns)}"
        )
    keys = [interactions[name].to_numpy(dtype=np.float64) for name in order_columns]
    for name, values in zip(order_columns, keys, strict=True):
        n_bad = int((~np.isfinite(values)).sum())
        if n_bad:
            raise ValueError(
                f"interactions.{name}: expected a number in every row; got {n_bad} empty or infinite"
            )
    user_code, user_ids = pd.factorize(as_id_array(interactions[USER_ID], name=USER_ID), sort=True)
    row = content.positions(interactions[ITEM_ID].to_numpy())
    is_usable = (row >= 0) & content.present[row]
    if not is_usable.any():
        raise ValueError(
            f"interactions: expected items of the content store {content.path}; got {len(row)} events, "
            "none of an item "
            "with a vector. Remedy: encode the items of this table first."
        )
    order = np.lexsort((*reversed(keys), user_code))
    order = order[is_usable[order]]
    length = np.bincount(user_code[order], minlength=len(user_ids))
    times = keys[0][order] if order_columns[0] == TIMESTAMP else None
    n_unknown = int((row < 0).sum())
    n_without = len(row) - int(is_usable.sum()) - n_unknown
    return Sequences(np.asarray(user_ids), offsets_of(length), row[order], times, n_unknown, n_without)


def split_validation(sequences: Sequences, config: TrainConfig) -> tuple[Sequences, np.ndarray, np.ndarray]:
    """Take validation targets off the end of sequences.

    ``last_item``: the last event of at most ``max_validation_users`` users with two events or more, drawn
    by seed.
    ``last_window``: every event in the last ``validation_seconds`` of time, where its user also has an
    earlier one; the window's other events are in neither part; users beyond ``max_validation_users`` are
    not scored.

    Returns:
        The training sequences (same users), and for each target the user's index (V,) and the item's row
        (V,).

    Raises:
        ValueError: ``last_window`` without timestamps.
    """
    user = np.repeat(np.arange(sequences.n_users), sequences.lengths)
    rng = np.random.default_rng([config.seed, 1])
    if config.validation == "last_item":
        eligible = np.flatnonzero(sequences.lengths >= 2)
        chosen = _draw(eligible, config.max_validation_users, rng)
        last = sequences.offsets[chosen + 1] - 1
        is_kept = np.ones(len(sequences.rows), dtype=bool)
        is_kept[last] = False
        return sequences.keep(is_kept), chosen, sequences.rows[last]
    if sequences.times is None:
        raise ValueError(
            "TrainConfig.validation: 'last_window' expected interactions with a timestamp column; got "
            "positions only. Remedy: set it to last_item, or add the column"
        )
    is_kept = sequences.times <= sequences.times.max() - config.validation_seconds
    has_history = np.bincount(user[is_kept], minlength=sequences.n_users) > 0
    chosen = _draw(np.unique(user[~is_kept & has_history[user]]), config.max_validation_users, rng)
    is_target = ~is_kept & np.isin(user, chosen)
    return sequences.keep(is_kept), user[is_target], sequences.rows[is_target]


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """(n,) lengths -> (n + 1,) int64 offsets."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def gather_padded(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Stretches of a flat array as a matrix, padded on the right.

    Args:
        rows: (E,) int64.
        starts, lengths: (B,) where each stretch begins and how long it is.

    Returns:
        (B, max length) int64, -1 = padding.
    """
    column = np.arange(int(np.max(lengths, initial=0)))
    index = np.asarray(starts)[:, None] + column
    is_inside = column < np.asarray(lengths)[:, None]
    return np.where(is_inside, rows[np.where(is_inside, index, 0)] if len(rows) else -1, -1)


def last_events(sequences: Sequences, users: np.ndarray, length: int) -> np.ndarray:
    """The newest ``length`` events of each of ``users`` (B,), oldest first: (B, longest) int64 rows, -1 =
    padding.
    """
    kept = np.minimum(sequences.lengths[users], length)
    return gather_padded(sequences.rows, sequences.offsets[users + 1] - kept, kept)


def _draw(users: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return users if len(users) <= size else np.sort(rng.choice(users, size, replace=False))
