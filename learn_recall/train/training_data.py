"""What a training learns from: sequences, validation targets, training items and the fingerprint of it
all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_recall.store import EmbeddingStore
from learn_recall.store.ids import id_keys
from learn_recall.towers.checkpoint import content_identity
from learn_recall.towers.config import RecallConfig
from learn_recall.train.batches import trainable_users
from learn_recall.train.sequences import Sequences, build_sequences, last_events, split_validation


@dataclass(frozen=True)
class TrainingData:
    """Made by `prepare`. Rows are rows of the content store.

    sequences: training events. users: indices of those who give pairs.
    train_rows, train_counts, item_keys: (n,) the items of training events in the order of their `id_keys`.
    valid_history: (V, L) newest training events, -1 = padding. valid_target: (V,).
    as_of: unix seconds of the newest event, None without timestamps. n_left_out: events without a vector.
    fingerprint: sha256 over events, content vectors and settings; only equal ones may resume each other.
    """

    sequences: Sequences
    users: np.ndarray
    train_rows: np.ndarray
    train_counts: np.ndarray
    item_keys: np.ndarray
    valid_history: np.ndarray
    valid_target: np.ndarray
    as_of: float | None
    n_left_out: dict[str, int]
    fingerprint: str


def prepare(interactions: pd.DataFrame, content: EmbeddingStore, config: RecallConfig) -> TrainingData:
    """Order events, split validation off, and count training items.

    Raises:
        ValueError: the table does not fit or no user has both a history and something after it.
    """
    everything = build_sequences(interactions, content)
    sequences, valid_user, valid_target = split_validation(everything, config.train)
    users = trainable_users(sequences, config)
    if len(users) == 0:
        raise ValueError(
            f"interactions: expected users with a history and something after it ({config.loss.kind}); got "
            f"{sequences.n_users} users, none usable. Remedy: bring longer sequences or another split"
        )
    rows, counts = np.unique(sequences.rows, return_counts=True)
    key = id_keys(content.ids[rows])
    order = np.argsort(key, kind="stable")
    return TrainingData(
        sequences=sequences,
        users=users,
        train_rows=rows[order],
        train_counts=counts[order].astype(np.int64),
        item_keys=key[order],
        valid_history=last_events(sequences, valid_user, config.sampling.history_length),
        valid_target=valid_target,
        as_of=None if everything.times is None else float(everything.times.max()),
        n_left_out={"unknown_item": everything.n_unknown, "item_without_vector": everything.n_without_vector},
        fingerprint=_fingerprint(everything, content, config),
    )


def _fingerprint(sequences: Sequences, content: EmbeddingStore, config: RecallConfig) -> str:
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    digest.update(json.dumps([content_identity(content), content.card.files], sort_keys=True).encode())
    digest.update(repr(sequences.user_ids.tolist()).encode())
    for array in (sequences.offsets, sequences.rows, sequences.times):
        digest.update(b"none" if array is None else array.tobytes())
    return digest.hexdigest()
