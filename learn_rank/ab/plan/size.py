"""The size of a test in formulas: users, smallest lift, days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = ["Arms", "days_needed", "margin_errors", "slope_of", "users_needed"]

_LEAST_DAYS = 5


@dataclass(frozen=True)
class Arms:
    """The designed shares of the users.

    Args:
        treatment: of one treatment, between 0 and 1.
        control: of the control; None for all others.

    Raises:
        ValueError: shares that are none.

    Example:
        >>> Arms(0.5).spread, round(Arms(0.2).spread, 2), round(Arms(1 / 3, 1 / 3).spread, 2)
        (4.0, 6.25, 6.0)
    """

    treatment: float
    control: float | None = None

    def __post_init__(self) -> None:
        control = 1 - self.treatment if self.control is None else self.control
        if not (0 < self.treatment < 1 and 0 < control < 1 and self.treatment + control <= 1 + 1e-9):
            raise ValueError(
                f"treatment_share: expected shares between 0 and 1 that leave some for the control, got "
                f"{self.treatment:g} and {control:g}. Remedy: --treatment-share .2."
            )

    @property
    def spread(self) -> float:
        """1 / q + 1 / (1 - q): variance of a difference of means over that of a user, times all users."""
        control = 1 - self.treatment if self.control is None else self.control
        return 1 / self.treatment + 1 / control


def users_needed(variance: float, effect: float, arms: Arms, errors: float) -> float:
    """How many users, of all arms together, make an effect so many standard errors large.

    Definition: the difference of two means has the variance ``variance * arms.spread / N``; solved for N.

    Args:
        variance: of a user's score, alike in both arms.
        effect: the true difference, in the score's unit.
        arms: the design.
        errors: how many standard errors it takes: `minimal_effect` of 1, or `margin_errors`.

    Returns:
        N, no whole number; NaN where nothing varies or the effect is undefined.

    Source: the two-sample formula, as in Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments"
    (2020), chapter 17: 16 times the variance over the squared effect, for each of two equal arms.

    Example:
        >>> from learn_rank.ab.statistics.power import minimal_effect
        >>> round(users_needed(1.0, 0.1, Arms(0.5), minimal_effect(1.0)))  # 16 / .01 in each arm, roughly
        3140
    """
    if not variance > 0 or not abs(effect) > 0:
        return math.nan
    return variance * arms.spread * (errors / effect) ** 2


def margin_errors(level: float = 0.95, power: float = 0.8) -> float:
    """Standard errors between 0 and a guardrail's margin at which it is shown to hold, where nothing is lost.

    Example:
        >>> round(margin_errors(), 4)
        2.8016
    """
    return float(special.ndtri((1 + level) / 2) + special.ndtri(power))


def slope_of(lifts: Sequence[float]) -> float:
    """How the smallest lift falls with the days: the exponent of days in the last half of what was seen.

    Definition: least squares of its logarithm on that of the day, between -1 and 0, over three days at least.
    New users on every day, or days that are independent, give -.5; the same users with the same habits give
    0: more days of them add nothing.

    Args:
        lifts: of 1, 2, .. days; NaN where there was none.

    Returns:
        NaN with fewer than five days, which say too little of those to come.

    Example:
        >>> round(slope_of([1 / day**0.5 for day in range(1, 9)]), 6)
        -0.5
    """
    days = np.arange(1, len(lifts) + 1)
    y = np.log(np.asarray(lifts, np.float64))
    is_used = np.isfinite(y) & (days > len(lifts) // 2)
    if is_used.sum() < _LEAST_DAYS // 2 + 1 or len(lifts) < _LEAST_DAYS:
        return math.nan
    return float(np.clip(np.polyfit(np.log(days[is_used]), y[is_used], 1)[0], -1.0, 0.0))


def days_needed(lifts: Sequence[float], wanted: float, limit: int = 365) -> tuple[int | None, bool]:
    """The first day on which a lift is found, and whether it lies beyond the days that were seen.

    Args:
        lifts: the smallest lift of 1, 2, .. days.
        wanted: the lift.
        limit: days beyond which nobody plans.

    Returns:
        None where that takes more than ``limit`` days, or cannot be told (`slope_of`).

    Example:
        >>> lifts = [0.2 / day**0.5 for day in range(1, 9)]
        >>> days_needed(lifts, 0.1), days_needed(lifts, 0.05), days_needed(lifts, 0.001)
        ((4, False), (16, True), (None, True))
    """
    found = next((day for day, lift in enumerate(lifts, start=1) if lift <= wanted * (1 + 1e-9)), None)
    if found is not None:
        return found, False
    slope, last = slope_of(lifts), lifts[-1] if lifts else math.nan
    if math.isnan(slope) or math.isnan(last) or slope > -1e-3:
        return None, True
    days = len(lifts) * (wanted / last) ** (1 / slope)
    return (math.ceil(days - 1e-6) if days <= limit else None), True
