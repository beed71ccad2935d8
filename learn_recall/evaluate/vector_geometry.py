"""What a set of frozen vectors looks like: how alike, in how many directions, and who is near whom."""

import numpy as np

_ROWS_AT_ONCE = 1024


def mean_cosine(vectors: np.ndarray) -> float:
    """Mean cosine of two different vectors: near 1 where all point the same way (anisotropy).

    Definition: `(|sum_i u_i|^2 - n) / (n (n - 1))`, u_i the unit vectors; exact, without looking at pairs.

    Args:
        vectors: (n, C), n >= 2, no row of zeros.
    """
    unit_NC = unit_rows(vectors)
    n_rows = len(unit_NC)
    return float((np.square(unit_NC.sum(axis=0)).sum() - n_rows) / (n_rows * (n_rows - 1)))


def effective_rank(vectors: np.ndarray) -> float | None:
    """How many directions the vectors use: between 1 and C.

    Definition: `exp(-sum_i p_i log p_i)`, p the eigenvalues of the covariance over their sum.

    Args:
        vectors: (n, C), n >= 2.

    Returns:
        None where all are the same: they use no direction.

    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.
    """
    if (vectors == vectors[0]).all():
        return None
    centred_NC = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    eigenvalues = np.maximum(np.linalg.eigvalsh(centred_NC.T @ centred_NC), 0.0)
    share = eigenvalues / eigenvalues.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def neighbour_hit_rate(vectors: np.ndarray, pairs: np.ndarray, *, k: int = 10) -> float:
    """Share of pairs whose second item is among the k nearest of the first.

    Definition: nearest by cosine of the centred vectors, the item itself left out; where several are as near
    as the second item, its expected place in a random order of them counts.

    Args:
        vectors: (n, C).
        pairs: (m, 2) int64 rows of two different items, m >= 1; one of a pair that repeats counts each time.
        k: Neighbours.
    """
    unit_NC = unit_rows(vectors - vectors.mean(axis=0, dtype=np.float64))
    hits = 0.0
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        first, second = pairs[start : start + _ROWS_AT_ONCE].T
        score_BN = unit_NC[first] @ unit_NC.T
        rows = np.arange(len(first))
        own_B1 = score_BN[rows, second][:, None]
        score_BN[rows, first] = -np.inf
        n_higher, n_equal = (score_BN > own_B1).sum(axis=1), (score_BN == own_B1).sum(axis=1)
        hits += float((np.clip(k - n_higher, 0, n_equal) / n_equal).sum())
    return hits / len(pairs)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, (n, C) float32; a row of zeros stays."""
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0).astype(np.float32)


__all__ = ["effective_rank", "mean_cosine", "neighbour_hit_rate", "unit_rows"]
