"""Two-stage sampling: stage 1 uniform over whole sequences, stage 2 weighted towards recent positions.

B rows, L positions. Right-padded index matrices come with their lengths; every draw takes a generator.
"""

from __future__ import annotations

import numpy as np


def recency_weights(length: int, alpha: float = 10.0, beta: float = 10_000.0) -> np.ndarray:
    """Stage 2 weights of a sequence, oldest first.

    Definition: ``w_i = log(alpha + i (beta - alpha) / (N - 1)) / max(w)``, i = 0 (oldest) .. N - 1 (newest).
    A sequence of one has weight 1.

    Args:
        length: N >= 1.
        alpha: > 1.
        beta: >= alpha.

    Returns:
        (N,) float64; with the defaults from 0.25 = log 10 / log 10000 to exactly 1.

    Raises:
        ValueError: outside those ranges.

    Source: LEARN (AAAI 2025), weighted sampling.
    """
    if length < 1:
        raise ValueError(f"length: expected at least 1; got {length}")
    if not alpha > 1 or beta < alpha:
        raise ValueError(f"alpha, beta: expected 1 < alpha <= beta; got {alpha}, {beta}")
    if length == 1:
        return np.ones(1)
    weight = np.log(alpha + np.arange(length) * (beta - alpha) / (length - 1))
    return weight / weight.max()


def sample_uniform(lengths: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stage 1: at most ``size`` positions of each sequence, uniform, without replacement, in order of time.

    Args:
        lengths: (B,) integers >= 0.
        size: most positions to keep.
        rng: source of randomness.

    Returns:
        Positions (B, min(size, max length)) int64, ascending, -1 on the right where a row has fewer; and the
        number kept per row (B,) int64.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    n_columns = int(lengths.max(initial=0))
    if n_columns <= size:
        column = np.arange(n_columns)
        return np.where(column < lengths[:, None], column, -1), lengths
    key = rng.random((len(lengths), n_columns))
    return _largest(key, lengths, size)


def sample_recent(
    lengths: np.ndarray,
    size: int,
    rng: np.random.Generator,
    *,
    weighted: bool = True,
    alpha: float = 10.0,
    beta: float = 10_000.0,
    with_replacement: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Stage 2: ``size`` positions of each sequence, newer ones more often (`recency_weights` of its own
    length).

    Without replacement it is the successive draw proportional to weight (Gumbel top-k), and a sequence of
    at most ``size`` positions gives all of them; with replacement every non-empty row gives exactly
    ``size``.

    Args:
        lengths: (B,) integers >= 0.
        size, rng: as in `sample_uniform`.
        weighted: False = uniform (the paper's ablation).
        alpha, beta: of the weights.
        with_replacement: the paper does not say; without is the default, since a repeated pair adds nothing.

    Returns:
        Positions (B, size or fewer) int64, ascending, padded with -1 on the right; number drawn (B,) int64.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    n_columns = int(lengths.max(initial=0))
    if n_columns == 0:
        return np.full((len(lengths), 0), -1, dtype=np.int64), lengths
    column = np.arange(n_columns)
    weight = np.ones((len(lengths), n_columns))
    if weighted:
        step = (beta - alpha) / np.maximum(lengths - 1, 1)
        weight = np.log(alpha + column * step[:, None])
    weight = np.where(column < lengths[:, None], weight, 0.0)
    if with_replacement:
        total = weight.cumsum(axis=1)
        draw = rng.random((len(lengths), size)) * total[:, -1:]
        position = (total[:, None, :] <= draw[:, :, None]).sum(axis=-1)
        position = np.sort(np.minimum(position, np.maximum(lengths - 1, 0)[:, None]), axis=1)
        n_drawn = np.where(lengths > 0, size, 0)
        return np.where(lengths[:, None] > 0, position, -1), n_drawn
    with np.errstate(divide="ignore"):
        key = np.log(weight) + rng.gumbel(size=weight.shape)
    return _largest(key, lengths, size)


def _largest(key_BL: np.ndarray, lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the ``size`` largest keys among each row's first ``lengths`` columns, ascending,
    -1-padded.
    """
    n_columns = key_BL.shape[1]
    key_BL = np.where(np.arange(n_columns) < lengths[:, None], key_BL, -np.inf)
    width = min(size, n_columns)
    position = np.argpartition(-key_BL, width - 1, axis=1)[:, :width]
    n_kept = np.minimum(lengths, width)
    position = np.where(position < lengths[:, None], position, n_columns)  # padding sorts to the right
    position = np.sort(position, axis=1)
    return np.where(np.arange(width) < n_kept[:, None], position, -1), n_kept
