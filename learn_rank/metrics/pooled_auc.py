"""Won pairs of the pooled AUC, user by user, from rows that may come a range of scores at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from learn_rank.metrics.score_ordinals import score_ordinals


@dataclass(frozen=True, eq=False)
class ScoreRun:
    """Rows whose scores all lie above those of the run before; equal scores are never in two runs.

    Attributes:
        codes: (N,) integers in 0 .. U-1, the users in id order.
        labels: (N,) uint8.
        weights: (N,) float64, or None for all 1.
        scores: (N,) finite, in any order.
    """

    codes: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None
    scores: np.ndarray


def won_by_user(runs: Iterable[ScoreRun], n_users: int, all_positive: float) -> np.ndarray:
    """Won pairs with a row of the user on either side, ties half.

    A positive row wins against the negatives below it; a negative row is beaten by the positives above it.
    Without weights every number here is a half-integer, so the digits do not depend on the runs.

    Args:
        runs: all rows, in ascending ranges of scores.
        n_users: U.
        all_positive: total weight of the positive rows.

    Returns:
        (U,) float64. Their sum is twice the won pairs: each pair stands with the user of either side.
    """
    by_user = np.zeros(n_users)
    below = above = 0.0
    for run in runs:
        code, is_positive, ties, weight = _in_order(run)
        positive = weight * is_positive
        negative = weight - positive
        if ties.size == 0:
            continue
        start = np.flatnonzero(np.concatenate([[True], ties[1:] != ties[:-1]]))
        length = np.diff(np.append(start, ties.size))
        negatives = np.concatenate([[0.0], np.cumsum(negative)]) + below
        positives = np.concatenate([[0.0], np.cumsum(positive)]) + above
        end = start + length
        beaten = np.repeat((negatives[start] + negatives[end]) / 2, length)
        beating = np.repeat(all_positive - (positives[start] + positives[end]) / 2, length)
        by_user += np.bincount(code, positive * beaten + negative * beating, minlength=n_users)
        below, above = float(negatives[-1]), float(positives[-1])
    return by_user


def _in_order(run: ScoreRun) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(code, is positive, score ordinal, weight), sorted by score."""
    keys = score_ordinals(run.scores).astype(np.uint64) << np.uint64(32)
    keys |= run.codes.astype(np.uint64) << np.uint64(1)
    keys |= run.labels
    if run.weights is None:
        keys.sort()
        weight = np.ones(keys.size)
    else:
        order = np.argsort(keys)
        keys, weight = keys[order], run.weights[order]
    code = ((keys >> np.uint64(1)) & np.uint64(0x7FFFFFFF)).astype(np.int64)
    return code, keys & np.uint64(1), keys >> np.uint64(32), weight
