"""Does a metric hold: is it shown that the treatment loses less of it than its margin."""

from __future__ import annotations

import math
from typing import Any, Protocol

from scipy import special

from learn_rank.ab.hierarchy.declaration import Guardrail

__all__ = ["HARMED", "HELD", "OPEN", "Lift", "guardrail_row"]

HELD, OPEN, HARMED = "held", "open", "harmed"
_SHOWN = ("control", "treatment", "relative", "relative_low", "relative_high")


class Lift(Protocol):
    """What is asked of a comparison: `Contrast` has it."""

    @property
    def relative(self) -> float:
        """Treatment / control - 1."""

    @property
    def relative_low(self) -> float:
        """Lower end of its interval."""

    @property
    def relative_high(self) -> float:
        """Upper end."""

    @property
    def log_std_error(self) -> float:
        """Of ln(treatment / control)."""

    @property
    def log_df(self) -> float:
        """Degrees of freedom of its Student's t."""

    @property
    def level(self) -> float:
        """Of the interval."""


def guardrail_row(found: Lift, guardrail: Guardrail, flag: str | None = None) -> dict[str, Any]:
    """One guardrail, judged.

    Definition: held where a loss of the margin or more is refused at (1 - level) / 2 one-sided, which is
    where the interval of the relative lift ends before the margin; harmed where the whole interval lies
    beyond it; else open, as where the lift has no interval or one that cannot be trusted. All
    guardrails have to hold, and all of them at once are wrongly held no more often than the one that is truly
    lost, so that none is corrected for the others.

    Args:
        found: treatment against control over all users.
        guardrail: metric and margin.
        flag: why the interval is not to be believed, None where it is.

    Returns:
        metric, margin, is_less_better, control, treatment, the relative lift with its ends, ``p`` of a loss
        as large as the margin, ``power``, the chance of being held where nothing is lost, flag and state.

    Source: Berger, "Multiparameter Hypothesis Testing and Acceptance Sampling" (1982), for the
    intersection-union test; Schultzberg, Ankargren and Fraanberg, "Risk-aware product decisions in A/B tests
    with multiple metrics" (arXiv 2402.11609).

    Example:
        >>> from learn_rank.ab.statistics.delta_method import Contrast
        >>> one = Contrast(1.0, 0.99, 0.01, 1e6, 0.01, 1e6)
        >>> row = guardrail_row(one, Guardrail("CTR", 0.05))
        >>> row["state"], round(row["p"], 6), round(row["relative_low"], 3)
        ('held', 1.9e-05, -0.029)
    """
    bound = math.log1p(guardrail.margin if guardrail.is_less_better else -guardrail.margin)
    side = -1.0 if guardrail.is_less_better else 1.0
    p = power = low = high = math.nan
    if found.log_std_error > 0:
        lift = math.log1p(found.relative)
        p = float(special.stdtr(found.log_df, -side * (lift - bound) / found.log_std_error))
        reach = float(special.stdtrit(found.log_df, (1 + found.level) / 2))
        power = float(special.ndtr(abs(bound) / found.log_std_error - reach))
        low, high = sorted(
            side * (math.log1p(end) - bound) for end in (found.relative_low, found.relative_high)
        )
    state = OPEN
    if flag is None and low > 0:
        state = HELD
    elif flag is None and high < 0:
        state = HARMED
    return {
        "metric": guardrail.metric,
        "margin": guardrail.margin,
        "is_less_better": guardrail.is_less_better,
        **{name: _or_none(getattr(found, name)) for name in _SHOWN},
        "p": _or_none(p),
        "power": _or_none(power),
        "flag": flag,
        "state": state,
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
