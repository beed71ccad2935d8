"""Histories of contexts: what each user had done when a vector of him is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_recall.columns import CONTEXT_ID, HISTORY, IS_LEARNED
from learn_recall.store import EmbeddingStore
from learn_recall.store.ids import as_id_array
from learn_recall.train.sequences import build_sequences, gather_padded, offsets_of


@dataclass(frozen=True)
class Histories:
    """Contexts as flat stretches of content-store rows, oldest first, items without a vector left out.

    ids: (n,). rows: (E,) int64. offsets: (n + 1,) int64. n_left_out: events without a vector. as_of: unix
    seconds of the newest event, None = unknown; is_timeless: each context has a time of its own, so that
    there is no such thing.
    """

    ids: np.ndarray
    rows: np.ndarray
    offsets: np.ndarray
    n_left_out: int
    as_of: float | None
    is_timeless: bool = False
    is_learned: np.ndarray | None = None

    @property
    def has_items(self) -> np.ndarray:
        """(n,) bool, False = nothing to make a vector of."""
        return np.diff(self.offsets) > 0

    def counts(self) -> dict[str, int]:
        """What the card tells about missing histories and items."""
        return {
            "n_contexts_without_history": int((~self.has_items).sum()),
            "n_events_left_out": self.n_left_out,
        }

    def newest(self, part: slice, length: int) -> np.ndarray:
        """The newest ``length`` rows of each context in ``part``, (n, longest) int64, -1 = padding on the
        right.
        """
        stop = self.offsets[1:][part]
        kept = np.minimum(stop - self.offsets[:-1][part], length)
        return gather_padded(self.rows, stop - kept, kept)


def from_contexts(contexts: pd.DataFrame, content: EmbeddingStore) -> Histories:
    """Histories of a table with context_id and history (lists of item ids, oldest first); ValueError
    otherwise.
    """
    missing = [name for name in (CONTEXT_ID, HISTORY) if name not in contexts]
    if missing:
        raise ValueError(f"contexts: expected a column {missing[0]!r}; got {list(contexts.columns)}")
    ids = as_id_array(contexts[CONTEXT_ID], name=CONTEXT_ID)
    lists = contexts[HISTORY].tolist()
    bad = [
        row
        for row, history in enumerate(lists)
        if isinstance(history, str) or not hasattr(history, "__len__")
    ]
    if bad:
        raise ValueError(
            f"contexts.{HISTORY}: expected a list of item ids in every row (empty for a new user); got "
            f"{lists[bad[0]]!r} in row {bad[0]}"
        )
    lengths = np.fromiter((len(history) for history in lists), dtype=np.int64, count=len(lists))
    flat: np.ndarray = (
        np.concatenate([np.asarray(history) for history in lists if len(history)])
        if lengths.sum()
        else np.zeros(0)
    )
    row = content.positions(flat)
    has_vector = (row >= 0) & content.present[row]
    context = np.repeat(np.arange(len(lists)), lengths)
    kept = np.bincount(context[has_vector], minlength=len(lists))
    is_learned = contexts[IS_LEARNED].to_numpy(bool) if IS_LEARNED in contexts else None
    return Histories(
        ids,
        row[has_vector],
        offsets_of(kept),
        int((~has_vector).sum()),
        None,
        is_timeless=True,
        is_learned=is_learned,
    )


def from_interactions(interactions: pd.DataFrame, content: EmbeddingStore) -> Histories:
    """One history per user of an interactions table, the user's id as context id."""
    sequences = build_sequences(interactions, content)
    as_of = None if sequences.times is None else float(sequences.times.max())
    n_left_out = sequences.n_unknown + sequences.n_without_vector
    return Histories(as_id_array(sequences.user_ids), sequences.rows, sequences.offsets, n_left_out, as_of)
