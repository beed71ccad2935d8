"""Where a 95 % interval cannot be trusted: few users, or a few users who hold most of the sum."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["ARM_LIMIT", "DIFFERENCE_LIMIT", "MIN_USERS", "flag", "skewness_of_difference"]

MIN_USERS = 50
DIFFERENCE_LIMIT = 0.2
ARM_LIMIT = 0.5


def flag(control_scores: np.ndarray, treatment_scores: np.ndarray) -> str | None:
    """Why the interval of this comparison is not to be believed, or None.

    Definition: the rule of Kohavi et al. asks for n >= 355 skewness^2 users, which is to say that the mean's
    own skewness, skewness / sqrt(n), stays below .053. Here the same quantity is taken of what is tested, the
    difference of two means, where the skewness of the arms cancels as far as they are alike in size; limit
    .2. Below it the two-sided error is near its nominal 5 % (docs/ab_evidence.md measures how near), though
    the two tails do not share it evenly. That of the smaller arm alone may reach .5: beyond it a handful of
    users are the result.

    Args:
        control_scores: (U,) `PerUser.scores` of the control arm.
        treatment_scores: (V,).

    Returns:
        Words that begin with "too few users", "nothing varies" or "skewed", or None.

    Source: Kohavi, Deng, Longbotham and Xu, "Seven Rules of Thumb for Web Site Experimenters" (KDD 2014),
    rule 7; limits by measurement.
    """
    n_least = min(control_scores.size, treatment_scores.size)
    if n_least < MIN_USERS:
        return f"too few users: {n_least} in the smaller arm, at least {MIN_USERS} are needed"
    of_difference, of_arm = skewness_of_difference(control_scores, treatment_scores)
    if math.isnan(of_difference):
        return "nothing varies: no interval can be had"
    if of_difference > DIFFERENCE_LIMIT:
        return f"skewed: the difference's own skewness is {of_difference:.2f}, above {DIFFERENCE_LIMIT}"
    if of_arm > ARM_LIMIT:
        return f"skewed: the smaller arm's mean has skewness {of_arm:.2f}, above {ARM_LIMIT}"
    return None


def skewness_of_difference(control_scores: np.ndarray, treatment_scores: np.ndarray) -> tuple[float, float]:
    """Skewness of the difference of two means, and of the smaller arm's mean, both >= 0.

    Definition: g |1/m^2 - 1/n^2| / (1/m + 1/n)^1.5 and g / sqrt(min(m, n)), where g is the skewness of the
    scores of both arms around their arm's mean. One g for both arms, because the third moment of a single
    arm moves with the very outliers that move its mean.

    Returns:
        NaN twice where the scores do not vary.

    Example:
        >>> some = np.r_[np.zeros(90), np.ones(10)]
        >>> [round(value, 3) for value in skewness_of_difference(np.tile(some, 4), some)]
        [0.179, 0.267]
    """
    m, n = control_scores.size, treatment_scores.size
    centred = np.concatenate([scores - scores.mean() for scores in (control_scores, treatment_scores)])
    second = float(np.mean(centred**2))
    if not second > 0:
        return math.nan, math.nan
    skewness = abs(float(np.mean(centred**3))) / second**1.5
    of_difference = skewness * abs(1 / m**2 - 1 / n**2) / (1 / m + 1 / n) ** 1.5
    return of_difference, skewness / math.sqrt(min(m, n))
