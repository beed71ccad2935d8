"""The metrics of an experiment, cut from totals per user: for some users, one item bucket, some days."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.delta_method import PerUser

__all__ = ["METRICS", "PROMISES", "arms_of", "metric_sums", "or_none", "same_users"]

METRICS: dict[str, tuple[str, str | None]] = {
    "revenue": ("revenue", None),
    "CTR": ("clicks", "impressions"),
    "CVR": ("conversions", "clicks"),
    "conversions": ("conversions", None),
}
PROMISES: dict[str, tuple[str, str | None]] = {  # what bids and scores promised; + adds sums
    "cost over target": ("revenue", "target_cost"),
    "calibration of clicks": ("clicks", "predicted_clicks"),
    "calibration of conversions": ("conversions+immature", "predicted_conversions"),
}


def metric_sums(
    totals: UserTotals,
    metric: str,
    users: np.ndarray,
    *,
    item_bucket: str | None = None,
    days: Sequence[int] | None = None,
) -> PerUser:
    """What some users add to a metric.

    Args:
        totals: of one world.
        metric: a key of ``METRICS``: "revenue" and "conversions" are means over users, "CTR" is clicks over
            impressions, "CVR" conversions over clicks; or one of ``PROMISES``: the bills over the
            advertisers' target, and what came over what the scores expected.
        users: (U,) bool or positions.
        item_bucket: events of these items alone; None for all.
        days: events of these days alone; None for all.
    """
    known = METRICS | PROMISES
    if metric not in known:
        raise ValueError(f"metric: expected one of {', '.join(known)}, got {metric!r}. Remedy: choose one.")
    above, below = known[metric]
    added = (totals.total(name, days=days, item_bucket=item_bucket) for name in above.split("+"))
    numerator = np.sum(list(added), axis=0)[users]
    if below is None:
        return PerUser(numerator)
    return PerUser(numerator, totals.total(below, days=days, item_bucket=item_bucket)[users])


def arms_of(
    totals: UserTotals,
    metric: str,
    users: np.ndarray,
    *,
    item_bucket: str | None = None,
    days: Sequence[int] | None = None,
) -> tuple[PerUser, PerUser]:
    """`metric_sums` of some users, control and treatment apart; ``users`` is (U,) bool."""
    everyone = metric_sums(totals, metric, np.ones(users.size, bool), item_bucket=item_bucket, days=days)
    return everyone.of(users & (totals.arm == 0)), everyone.of(users & (totals.arm == 1))


def or_none(value: float) -> float | None:
    """The number, None where it is NaN, as the rows hold it."""
    return None if math.isnan(value) else float(value)


def same_users(wanted: UserTotals, other: UserTotals, sums: PerUser) -> PerUser:
    """The sums of another period in the order of the wanted users; a user who was not there has zeros."""
    at = pd.Index(other.user_ids).get_indexer(pd.Index(wanted.user_ids))
    is_there = at >= 0
    below = sums.denominator
    return PerUser(
        np.where(is_there, sums.numerator[at], 0.0),
        None if below is None else np.where(is_there, below[at], 0.0),
    )
