"""Scores as 32-bit integers in the same order: equal stays equal, larger stays larger."""

from __future__ import annotations

import numpy as np

_SIGN = np.uint32(1 << 31)
_PROBE = 4096


def score_ordinals(scores: np.ndarray) -> np.ndarray:
    """Map finite scores to uint32 so that order and equality are exactly those of the scores.

    float16 and float32 through their bits; float64 too where every value is a float32 in disguise; integers
    by their distance from the smallest where that fits; everything else by its rank among distinct values.
    No value is ever rounded: two float64 scores that differ in the last bit get different integers.

    Args:
        scores: (N,) finite, any real dtype, as `rows.as_scores` returns it.

    Returns:
        (N,) uint32.

    Example:
        >>> score_ordinals(np.array([0.5, 0.5 + 2**-53, 0.25])).tolist()
        [1, 2, 0]
    """
    if scores.size == 0:
        return np.empty(0, np.uint32)
    if scores.dtype.kind in "iu":
        smallest = scores.min()
        if int(scores.max()) - int(smallest) < 1 << 32:
            return (scores.astype(np.uint64) - smallest.astype(np.uint64)).astype(np.uint32)
        return _ranks(scores)
    if scores.dtype.itemsize <= 4:
        return _float_bits(scores.astype(np.float32, copy=False))
    if _fits_float32(scores[:_PROBE]) and _fits_float32(scores):
        return _float_bits(scores.astype(np.float32))
    return _ranks(scores)


def _float_bits(scores: np.ndarray) -> np.ndarray:
    """Positive floats order like their bits, negative ones in reverse; -0.0 + 0.0 is 0.0, so zeros tie."""
    bits = (scores + np.float32(0.0)).view(np.uint32)
    flip = (bits.view(np.int32) >> 31).view(np.uint32)
    flip |= _SIGN
    bits ^= flip
    return bits


def _fits_float32(scores: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool((scores.astype(np.float32) == scores).all())


def _ranks(scores: np.ndarray) -> np.ndarray:
    order = np.argsort(scores)
    in_order = scores[order]
    step = np.zeros(scores.size, np.uint32)
    np.not_equal(in_order[1:], in_order[:-1], out=step[1:])
    ranks = np.empty(scores.size, np.uint32)
    ranks[order] = np.cumsum(step, dtype=np.uint32)
    return ranks
