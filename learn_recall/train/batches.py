"""Training batches: which users, which of their events, as rows of the content store.

B users, L history positions, T targets, J and K positions drawn by stage 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from learn_recall.towers.config import RecallConfig, SamplingConfig
from learn_recall.train.sampling import sample_recent, sample_uniform
from learn_recall.train.sequences import Sequences, gather_padded

_BATCHES_PER_BUCKET = 24


@dataclass(frozen=True)
class SequenceBatch:
    """Rows of the content store, -1 = padding on the right.

    history: (B, L) int64. target: (B, T) int64.
    history_drawn, target_drawn: (B, J), (B, K) int64 positions in the two, -1 = padding; None for next-item
    batches, where position l of history predicts position l of target.
    """

    history: np.ndarray
    target: np.ndarray
    history_drawn: np.ndarray | None = None
    target_drawn: np.ndarray | None = None


def trainable_users(sequences: Sequences, config: RecallConfig) -> np.ndarray:
    """Indices of the users who give at least one pair of history and target."""
    if config.loss.kind == "dense_all_action" and config.sampling.split == "window":
        cut = _window_cut(sequences, np.arange(sequences.n_users), config.sampling)
        return np.flatnonzero((cut > 0) & (cut < sequences.lengths))
    return np.flatnonzero(sequences.lengths >= 2)


def epoch_batches(
    sequences: Sequences, users: np.ndarray, config: RecallConfig, epoch: int
) -> Iterator[tuple[SequenceBatch, np.random.Generator]]:
    """One pass over ``users`` in an order and with draws that depend on (seed, epoch) alone.

    Users of similar length share a batch, since padding costs as much as events. Yields each batch with the
    generator that its step may draw negatives from.
    """
    seed = config.train.seed
    rng = np.random.default_rng([seed, 2, epoch])
    size = users_per_batch(len(users), config)
    order = rng.permutation(users)
    batches: list[np.ndarray] = []
    for start in range(0, len(order), size * _BATCHES_PER_BUCKET):
        bucket = order[start : start + size * _BATCHES_PER_BUCKET]
        bucket = bucket[np.argsort(sequences.lengths[bucket], kind="stable")]
        batches += [bucket[first : first + size] for first in range(0, len(bucket), size)]
    make = next_item_batch if config.loss.kind == "sampled_softmax" else all_action_batch
    for step, index in enumerate(rng.permutation(len(batches))):
        step_rng = np.random.default_rng([seed, 3, epoch, step])
        yield make(sequences, batches[index], config.sampling, step_rng), step_rng


def n_batches(n_users: int, config: RecallConfig) -> int:
    """Steps of one epoch."""
    return -(-n_users // users_per_batch(n_users, config))


def users_per_batch(n_users: int, config: RecallConfig) -> int:
    """``batch_users``, or fewer where an epoch would have less than ``min_epoch_steps`` steps."""
    train = config.train
    if train.min_epoch_steps == 0:
        return train.batch_users
    return max(1, min(train.batch_users, n_users // train.min_epoch_steps))


def next_item_batch(
    sequences: Sequences, users: np.ndarray, config: SamplingConfig, rng: np.random.Generator
) -> SequenceBatch:
    """Every event predicts the next one; of a longer sequence a random stretch of ``history_length`` + 1
    events.
    """
    length = sequences.lengths[users]
    kept = np.minimum(length, config.history_length + 1)
    start = sequences.offsets[users] + rng.integers(0, length - kept + 1)
    row_BL = gather_padded(sequences.rows, start, kept)
    target_BL = row_BL[:, 1:]
    return SequenceBatch(np.where(target_BL >= 0, row_BL[:, :-1], -1), target_BL)


def all_action_batch(
    sequences: Sequences, users: np.ndarray, config: SamplingConfig, rng: np.random.Generator
) -> SequenceBatch:
    """Two-stage sampling of history and target on either side of each user's cut (`SamplingConfig.split`)."""
    length = sequences.lengths[users]
    if config.split == "window":
        cut = _window_cut(sequences, users, config)
    elif config.split == "last":
        cut = length - np.minimum(config.target_length, length // 2)
    else:
        cut = rng.integers(1, length)
    start = sequences.offsets[users]
    history_stretch = gather_padded(sequences.rows, start, cut)
    target_stretch = gather_padded(sequences.rows, start + cut, length - cut)
    history, history_drawn = _two_stages(
        history_stretch, config.history_length, config.n_history, config, rng
    )
    target, target_drawn = _two_stages(target_stretch, config.target_length, config.n_target, config, rng)
    return SequenceBatch(history, target, history_drawn, target_drawn)


def _two_stages(
    row_BL: np.ndarray, first: int, second: int, config: SamplingConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Stage 1 keeps at most ``first`` events of each row, stage 2 draws ``second`` positions among these."""
    position, n_kept = sample_uniform((row_BL >= 0).sum(axis=1), first, rng)
    sequence = np.where(position >= 0, np.take_along_axis(row_BL, np.maximum(position, 0), axis=1), -1)
    drawn, _ = sample_recent(
        n_kept,
        second,
        rng,
        weighted=config.weighted,
        alpha=config.alpha,
        beta=config.beta,
        with_replacement=config.with_replacement,
    )
    return sequence, drawn


def _window_cut(sequences: Sequences, users: np.ndarray, config: SamplingConfig) -> np.ndarray:
    """(B,) number of events at or before the start of the target window."""
    if sequences.times is None:
        raise ValueError(
            "SamplingConfig.split: 'window' expected interactions with a timestamp column; got positions "
            "only. Remedy: set it to random or last, or add the column"
        )
    is_history = sequences.times <= sequences.times.max() - config.target_seconds
    n_before = np.concatenate([[0], np.cumsum(is_history)])
    return n_before[sequences.offsets[users + 1]] - n_before[sequences.offsets[users]]
