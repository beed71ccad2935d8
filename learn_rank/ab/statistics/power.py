"""What an experiment of this size could have seen: power at a declared lift, and the smallest lift found."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import optimize, special
from statsmodels.stats.power import NormalIndPower

__all__ = ["minimal_effect", "power_at"]

_N_DRAWS = 2000


def power_at(effect: float, std_error: float, level: float = 0.95, *, df: float = math.inf) -> float:
    """Chance that a true effect of this size is found significant (two-sided).

    The effect is one that was declared beforehand: power at the effect that was observed only restates p
    (Hoenig and Heisey, 2001).

    Args:
        effect: the true difference, in the metric's unit.
        std_error: of the difference, > 0; NaN gives NaN.
        level: 1 - level is the size of the test.
        df: degrees of freedom of the error where they are few, as over trainings; infinite for users.

    Example:
        >>> round(power_at(2.8015852, 1.0), 4), power_at(0.0, 1.0)
        (0.8, 0.05)
    """
    if not std_error > 0 or math.isnan(effect):
        return math.nan
    if effect == 0:
        return round(1 - level, 12)
    if df < math.inf:
        return _power_of_t(abs(effect) / std_error, df, level)
    found = NormalIndPower().power(abs(effect) / std_error, 1, 1 - level, ratio=0, alternative="two-sided")
    return float(found)


def minimal_effect(
    std_error: float, level: float = 0.95, power: float = 0.8, *, df: float = math.inf
) -> float:
    """Smallest true difference that is found with this power.

    Args:
        std_error: of the difference, > 0; NaN gives NaN.
        level: 1 - level is the size of the test.
        power: the chance wanted.
        df: as of `power_at`.

    Example:
        >>> round(minimal_effect(1.0), 4), round(minimal_effect(1.0, df=2.0), 2)
        (2.8016, 5.65)
    """
    if not std_error > 0:
        return math.nan
    if df < math.inf:
        return std_error * _minimal_errors_of_t(df, level, power)
    return std_error * _minimal_errors(level, power)


@cache  # a root is searched for, and every row of a table asks for the same one
def _minimal_errors(level: float, power: float) -> float:
    """Smallest true difference in standard errors."""
    return float(
        NormalIndPower().solve_power(nobs1=1, alpha=1 - level, power=power, ratio=0, alternative="two-sided")
    )


def _power_of_t(errors: float, df: float, level: float) -> float:
    """Of a true difference of so many standard errors: the chance given the variance's draw, over its draws.

    scipy's noncentral t gives NaN where degrees of freedom are few and the difference is large.
    """
    reach = float(special.stdtrit(df, (1 + level) / 2))
    draws = np.sqrt(special.chdtri(df, (np.arange(_N_DRAWS) + 0.5) / _N_DRAWS) / df)
    return float(np.mean(special.ndtr(errors - reach * draws) + special.ndtr(-errors - reach * draws)))


def _minimal_errors_of_t(df: float, level: float, power: float) -> float:
    """Smallest true difference in standard errors."""
    most = 10 * float(special.stdtrit(df, (1 + level) / 2))
    return float(optimize.brentq(lambda errors: _power_of_t(errors, df, level) - power, 0.0, most))
