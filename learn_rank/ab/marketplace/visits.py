"""Who visits when: every user at a rhythm of their own, as households come to a shop."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import gamma

from learn_rank.ab.marketplace.baskets import JOURNEY, Journey
from learn_rank.datasets.marketplace.traffic import DAY_SECONDS, FIRST_SECOND, Requests

__all__ = ["draw_visits"]

_WARM_UP_GAPS = 3.0  # mean gaps before the first day, after which a rhythm has forgotten its start


def draw_visits(
    first_day: np.ndarray,
    activity: np.ndarray,
    *,
    start_day: int,
    n_days: int,
    n_requests_per_day: int,
    generator: np.random.Generator,
    journey: Journey = JOURNEY,
) -> Requests:
    """Visits on ``start_day`` .. ``start_day + n_days - 1``; who arrives on one of them visits at once.

    Definition: a user's rate has the rank of the user's activity in the gamma distribution of the households'
    rates; the times between visits are Weibull with the households' shape around that rate. All users who
    are there on the first day together make ``n_requests_per_day`` visits a day on average, and later
    arrivals come on top.

    Args:
        first_day: (U,) day of arrival.
        activity: (U,) > 0; only its order counts.
        start_day: first day, counted as in ``first_day``.
        n_days: number of days.
        n_requests_per_day: expected visits of the users of the first day.
        generator: the only source of randomness.
        journey: activity and rhythm of real households.

    Returns:
        Visits in order of time; a visit's day is the marketplace's.
    """
    rank = np.empty(len(activity))
    rank[np.argsort(activity, kind="stable")] = (np.arange(len(activity)) + 0.5) / len(activity)
    rate = gamma.ppf(rank, journey.activity_shape)
    rate *= n_requests_per_day / rate[first_day <= start_day].sum()
    is_arriving = first_day > start_day
    moment = generator.random(len(activity))
    time = np.where(is_arriving, first_day + moment, start_day - _WARM_UP_GAPS * (1 + moment) / rate)
    scale = 1.0 / (rate * math.gamma(1.0 + 1.0 / journey.gap_shape))
    end = start_day + n_days
    users, times = [], []
    active = np.flatnonzero(time < end)
    while active.size:
        is_shown = time[active] >= start_day
        users.append(active[is_shown])
        times.append(time[active[is_shown]])
        time[active] += scale[active] * generator.weibull(journey.gap_shape, active.size)
        active = active[time[active] < end]
    user, when = np.concatenate(users), np.concatenate(times)
    order = np.argsort(when, kind="stable")
    timestamp = (FIRST_SECOND + DAY_SECONDS * when[order]).astype(np.int64)
    return Requests(day=when[order].astype(np.int64), user=user[order], timestamp=timestamp)
