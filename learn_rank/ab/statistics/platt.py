"""Scores calibrated on what their own choices showed: the last layer of a production ranker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

__all__ = ["Platt", "fit_platt"]

_EDGE = 1e-6
MIN_EVENTS = 50


@dataclass(frozen=True)
class Platt:
    """Two numbers: calibrated log odds = intercept + slope x log odds."""

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, inside (0, 1)."""
        return expit(self.intercept + self.slope * logit(np.clip(scores, _EDGE, 1 - _EDGE)))


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """Platt's two numbers by logistic regression.

    An auction shows what a ranker overrates, and shows it at the top of the page; a ranker trained on the
    whole feed therefore has to be calibrated on its own served traffic.

    Args:
        scores: (M,) probabilities of what was served.
        labels: (M,) 0 or 1.

    Returns:
        With fewer than 50 labels of either kind the slope stays 1 and only the sum is calibrated; with none
        of a kind the scores stay as they are.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999).

    Example:
        >>> fit_platt(np.array([0.2, 0.8]), np.array([0, 0]))
        Platt(intercept=0.0, slope=1.0)
    """
    n_rare = int(min(labels.sum(), (1 - labels).sum()))
    if n_rare == 0:
        return Platt()
    log_odds = logit(np.clip(scores, _EDGE, 1 - _EDGE))
    if n_rare < MIN_EVENTS:
        return Platt(_intercept(log_odds, float(labels.mean())))
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=200).fit(log_odds[:, None], labels)
    return Platt(float(model.intercept_[0]), float(model.coef_[0, 0]))


def _intercept(log_odds: np.ndarray, rate: float) -> float:
    """At which the mean probability is the rate, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + log_odds).mean() < rate else (low, middle)
    return (low + high) / 2
