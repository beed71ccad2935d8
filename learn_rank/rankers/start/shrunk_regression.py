"""Logistic regression whose weights are drawn toward given ones, with how likely its rows are for it.

N rows, K columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BLOCK = 1 << 16  # rows at a time: a few dozen columns in float64 stay small
_MOST_STEPS = 50
_TOLERANCE = 1e-9  # of the penalised likelihood, relative


@dataclass(frozen=True, eq=False)
class ShrunkRegression:
    """A fitted regression.

    Attributes:
        weight: (K,) of the columns.
        bias: added to every row's logit.
        log_evidence: logarithm of the likelihood of the labels with the weights integrated out (Laplace's
            approximation), up to a constant that is the same for every strength.
    """

    weight: np.ndarray
    bias: float
    log_evidence: float

    def logit(self, dense: np.ndarray) -> np.ndarray:
        """(N, K) -> (N,)."""
        return np.asarray(dense @ self.weight + self.bias)


def shrunk_regression(
    dense: np.ndarray,
    labels: np.ndarray,
    toward: np.ndarray,
    strength: float,
    begin: ShrunkRegression | None = None,
) -> ShrunkRegression:
    """Fit by Newton's method with halved steps.

    Definition: weight w and bias b with the largest ``log likelihood(w, b) - strength / 2 |w - toward|^2``;
    the bias is free. For ``strength -> inf`` the rows are ordered as ``dense @ toward`` orders them. The
    evidence is that of the normal prior N(toward, 1 / strength) on each weight::

        log likelihood - strength / 2 |w - toward|^2 + K / 2 log strength - 1 / 2 log det(Hessian)

    Args:
        dense: (N, K) float.
        labels: (N,) 0 and 1, both of them.
        toward: (K,) weights that the penalty draws to.
        strength: of the penalty, above 0: the inverse of the weights' prior variance.
        begin: a fit of another strength, to begin at; the same result in fewer steps.

    Raises:
        ValueError: a strength that is not above 0, or labels of one kind.

    Source: MacKay, The evidence framework applied to classification networks (1992).

    Example:
        >>> dense = np.array([[-1.0], [0.0], [1.0], [2.0]])
        >>> free = shrunk_regression(dense, np.array([0, 1, 0, 1]), np.array([3.0]), 1e-3)
        >>> held = shrunk_regression(dense, np.array([0, 1, 0, 1]), np.array([3.0]), 1e9)
        >>> free.weight.round(2), held.weight.round(2)
        (array([0.91]), array([3.]))
    """
    if not strength > 0:
        raise ValueError(f"strength: expected a number above 0, got {strength}.")
    labels = np.asarray(labels, np.float64)
    if not 0 < labels.mean() < 1:
        raise ValueError("labels: expected 0 and 1, got labels of one kind. Remedy: more rows.")
    n_columns = dense.shape[1]
    penalty = np.append(np.full(n_columns, strength), 0.0)
    rate = float(labels.mean())
    place = np.append(toward, np.log(rate / (1 - rate)) - float(dense.mean(axis=0) @ toward))
    if begin is not None:
        place = np.append(begin.weight, begin.bias)
    target = np.append(toward, 0.0)

    def value(at: np.ndarray) -> float:
        return log_likelihood(dense @ at[:-1] + at[-1], labels) - 0.5 * float(penalty @ (at - target) ** 2)

    reached = value(place)
    for _ in range(_MOST_STEPS):
        gradient, hessian = _derivatives(dense, labels, place)
        gradient -= penalty * (place - target)
        hessian += np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        share, further = 1.0, value(place + step)
        while further < reached and share > 1e-6:
            share /= 2
            further = value(place + share * step)
        if further < reached:
            break
        place, gain, reached = place + share * step, further - reached, further
        if gain <= _TOLERANCE * max(1.0, abs(reached)):
            break
    hessian = _derivatives(dense, labels, place)[1] + np.diag(penalty)
    evidence = reached + 0.5 * n_columns * np.log(strength) - 0.5 * float(np.linalg.slogdet(hessian)[1])
    return ShrunkRegression(place[:-1], float(place[-1]), evidence)


def log_likelihood(logit: np.ndarray, labels: np.ndarray) -> float:
    """Sum over rows of the log probability of their labels, 0 of no rows.

    Example:
        >>> round(log_likelihood(np.array([0.0, 0.0]), np.array([0, 1])), 3)
        -1.386
    """
    return float((labels * logit - np.logaddexp(0, logit)).sum())


def _derivatives(dense: np.ndarray, labels: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (K + 1,) and negative Hessian (K + 1, K + 1) of the log likelihood."""
    gradient, hessian = np.zeros(len(place)), np.zeros((len(place), len(place)))
    for start in range(0, len(labels), _BLOCK):
        block = dense[start : start + _BLOCK]
        with_one = np.column_stack([block, np.ones(len(block))])
        prob = 0.5 * (1 + np.tanh(0.5 * (with_one @ place)))
        gradient += with_one.T @ (labels[start : start + _BLOCK] - prob)
        hessian += (with_one * (prob * (1 - prob))[:, None]).T @ with_one
    return gradient, hessian


__all__ = ["ShrunkRegression", "log_likelihood", "shrunk_regression"]
