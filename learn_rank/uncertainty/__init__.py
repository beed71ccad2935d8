"""Intervals clustered by user, in closed form or by the bootstrap; numpy and pandas alone."""

from learn_rank.uncertainty.intervals import (
    Bootstrap,
    ClosedForm,
    Delta,
    Evidence,
    Influence,
    Interval,
    Resamples,
    Uncertainty,
    holm,
    interval,
    paired_delta,
)

__all__ = [
    "Bootstrap",
    "ClosedForm",
    "Delta",
    "Evidence",
    "Influence",
    "Interval",
    "Resamples",
    "Uncertainty",
    "holm",
    "interval",
    "paired_delta",
]
