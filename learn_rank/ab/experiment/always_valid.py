"""Intervals that hold at every look: an asymptotic confidence sequence for the difference of two arms.

A 95 % interval holds at one look that was fixed beforehand. Who looks every day and stops at the first that
excludes 0 is wrong far more often. A confidence sequence holds at all looks together, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from learn_rank.ab.statistics.delta_method import Contrast

__all__ = ["evidence_of", "multiplier", "multipliers"]


def multiplier(evidence: float, level: float = 0.95) -> float:
    """Half the width of the interval, in standard errors, at a look.

    Definition: sqrt((x + 1) / x * ln((x + 1) / (1 - level)^2)), where x is the evidence so far: the
    variance of the sum up to this look over its variance at the first one. This is the boundary of
    Waudby-Smith et al., Proposition 2.5 with t sigma^2 rho^2 = x, a normal mixture.

    Args:
        evidence: x, above 0.
        level: of all looks together.

    Example:
        >>> [round(multiplier(x), 2) for x in (1, 8, 60, 1000)]
        [3.66, 3.04, 3.2, 3.59]

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences" (arXiv 2103.06476; Annals of Statistics 2024); the mixture is Robbins' (1970).
    """
    if not evidence > 0:
        return math.nan
    return math.sqrt((evidence + 1) / evidence * math.log((evidence + 1) / (1 - level) ** 2))


def evidence_of(found: Contrast, size: float) -> float:
    """The variance of the sum behind a difference of means or ratios.

    Args:
        found: the comparison at a look.
        size: users so far, or the total of the ratio's denominator.
    """
    return (found.std_error * size) ** 2


def multipliers(evidence: Sequence[float], level: float = 0.95) -> list[float]:
    """`multiplier` at each look; NaN until something varies.

    Definition: the first look's evidence is the unit. The most evidence so far counts, so that a
    look that holds less than an earlier one is not taken for a new start. Users who come back with the habits
    that they had make neighbouring looks more alike than sums of independent parts, for which the boundary is
    made, and so safer (Slepian's inequality).

    Args:
        evidence: by look, as `evidence_of` gives it.
        level: of all looks together.

    Example:
        >>> [round(each, 2) for each in multipliers([math.nan, 2.0, 16.0])]
        [nan, 3.66, 3.04]
    """
    unit, most, found = math.nan, 0.0, []
    for each in evidence:
        if math.isnan(each) or not each > 0:
            found.append(math.nan)
            continue
        unit = each if math.isnan(unit) else unit
        most = max(most, each)
        found.append(multiplier(most / unit, level))
    return found
