"""What an experiment of this size could have seen: power at a declared lift, and the smallest lift found."""

from __future__ import annotations

import math
from functools import cache

from statsmodels.stats.power import NormalIndPower

__all__ = ["minimal_effect", "power_at"]


def power_at(effect: float, std_error: float, level: float = 0.95) -> float:
    """Chance that a true effect of this size is found significant (two-sided).

    The effect is one that was declared beforehand: power at the effect that was observed only restates p
    (Hoenig and Heisey, 2001).

    Args:
        effect: the true difference, in the metric's unit.
        std_error: of the difference, > 0; NaN gives NaN.
        level: 1 - level is the size of the test.

    Example:
        >>> round(power_at(2.8015852, 1.0), 4), power_at(0.0, 1.0)
        (0.8, 0.05)
    """
    if not std_error > 0 or math.isnan(effect):
        return math.nan
    if effect == 0:
        return round(1 - level, 12)
    found = NormalIndPower().power(abs(effect) / std_error, 1, 1 - level, ratio=0, alternative="two-sided")
    return float(found)


def minimal_effect(std_error: float, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest true difference that is found with this power.

    Args:
        std_error: of the difference, > 0; NaN gives NaN.
        level: 1 - level is the size of the test.
        power: the chance wanted.

    Example:
        >>> round(minimal_effect(1.0), 4)
        2.8016
    """
    if not std_error > 0:
        return math.nan
    return std_error * _minimal_errors(level, power)


@cache  # a root is searched for, and every row of a table asks for the same one
def _minimal_errors(level: float, power: float) -> float:
    """Smallest true difference in standard errors."""
    return float(
        NormalIndPower().solve_power(nobs1=1, alpha=1 - level, power=power, ratio=0, alternative="two-sided")
    )
