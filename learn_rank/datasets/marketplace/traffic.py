"""Arrivals, visits and the pages shown: all that happens in the generated marketplace before a click."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learn_rank.datasets.arithmetic import power
from learn_rank.datasets.marketplace.catalogue import Catalogue
from learn_rank.datasets.marketplace.people import Users

FIRST_SECOND = 1_709_251_200
"""Unix time of the first day: 2024-03-01 00:00 UTC."""
DAY_SECONDS = 86_400

_PAGE = {"popular": 0.36, "personal": 0.4, "new": 0.24}
_NEW_DAYS = 3


@dataclass(frozen=True)
class Requests:
    """Visits in order of time: `day` (R,), `user` (R,) row positions, `timestamp` (R,) unix seconds."""

    day: np.ndarray
    user: np.ndarray
    timestamp: np.ndarray


def draw_first_days(
    n: int,
    *,
    share_at_start: float,
    share_after_train: float,
    train_days: int,
    n_days: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Day of arrival of `n` users or items: some at the start, some after training, the rest in between.

    Args:
        n: how many.
        share_at_start: share that is there on day 0.
        share_after_train: share that arrives on days `train_days` .. `n_days - 1`, evenly.
        train_days: number of training days.
        n_days: number of days.
        generator: the only source of randomness.
    """
    n_start, n_late = round(share_at_start * n), round(share_after_train * n)
    n_between = n - n_start - n_late
    late = train_days + np.arange(n_late) % (n_days - train_days)
    between = 1 + np.arange(n_between) % max(train_days - 1, 1)
    return generator.permutation(np.concatenate([np.zeros(n_start, dtype=np.int64), between, late]))


def draw_requests(
    first_day: np.ndarray,
    activity: np.ndarray,
    *,
    n_requests: int,
    train_days: int,
    n_days: int,
    generator: np.random.Generator,
) -> Requests:
    """Visits of the users who have arrived, in proportion to their activity; arrivals visit at once.

    Days differ by the number of users, by a weekly rhythm and by a launch campaign after training.

    Args:
        first_day: (U,) day of arrival.
        activity: (U,) > 0.
        n_requests: total; more only if there are more arrivals.
        train_days: number of training days, after which the campaign starts.
        n_days: number of days.
        generator: the only source of randomness.
    """
    days = np.arange(n_days)
    present = (first_day[None, :] <= days[:, None]) * activity[None, :]
    weight = present.sum(axis=1) * (1.0 + 0.15 * (days % 7 >= 5)) * np.where(days >= train_days, 1.4, 1.0)
    n_per_day = np.round(n_requests * weight / weight.sum()).astype(np.int64)
    day_parts, user_parts = [], []
    for day in days:
        visitors = _visitors(int(day), int(n_per_day[day]), first_day, present[day], generator)
        user_parts.append(visitors)
        day_parts.append(np.full(len(visitors), day))
    visit_day, visitor = np.concatenate(day_parts), np.concatenate(user_parts)
    return _at_some_time(visit_day, visitor, generator)


def draw_requests_of_day(
    day: int,
    first_day: np.ndarray,
    activity: np.ndarray,
    *,
    n_requests: int,
    generator: np.random.Generator,
) -> Requests:
    """Visits of one day, as `draw_requests` draws them.

    Args:
        day: number of the day, 0 = the first of the marketplace.
        first_day: (U,) day of arrival.
        activity: (U,) > 0.
        n_requests: total; more only if there are more arrivals.
        generator: the only source of randomness.
    """
    present = (first_day <= day) * activity
    visitors = _visitors(day, n_requests, first_day, present, generator)
    return _at_some_time(np.full(len(visitors), day), visitors, generator)


def draw_pages(
    requests: Requests,
    users: Users,
    catalogue: Catalogue,
    *,
    n_candidates: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Items shown per request: partly popular, partly near the user's themes, partly new; slots at random.

    Each page is drawn without replacement from a mixture of three distributions over the items on offer
    (exponential races: the `n_candidates` smallest of Exp(1) / weight).

    Args:
        requests: R visits.
        users: planted preferences.
        catalogue: planted nature of the items.
        n_candidates: items per page, K.
        generator: the only source of randomness.

    Returns:
        Row positions of items, shape (R, K); the column is the slot.
    """
    pages = np.zeros((len(requests.user), n_candidates), dtype=np.int64)
    appetite = (users.theme**2 + 0.03).astype(np.float32)
    for day in np.unique(requests.day):
        rows = np.flatnonzero(requests.day == day)
        offered = np.flatnonzero(catalogue.first_day <= day)
        popularity = catalogue.popularity[offered].astype(np.float32)
        age = day - catalogue.first_day[offered]
        is_new = (age <= _NEW_DAYS) & (catalogue.first_day[offered] > 0)
        new = is_new.astype(np.float32) / max(int(is_new.sum()), 1)
        shared = _PAGE["popular"] * popularity / popularity.sum() + _PAGE["new"] * new
        flatter = power(catalogue.popularity[offered], 0.75).astype(np.float32)
        personal = appetite[requests.user[rows]][:, catalogue.theme[offered]] * flatter
        weight = shared + _PAGE["personal"] * personal / personal.sum(axis=1, keepdims=True)
        race = generator.standard_exponential(weight.shape, dtype=np.float32) / weight
        first = _smallest(race, n_candidates)
        pages[rows] = offered[generator.permuted(first, axis=1)]
    return pages


def _smallest(race: np.ndarray, k: int) -> np.ndarray:
    """(R, k) columns of the k smallest of each row, in the order of the columns; of equals the first.

    A partition alone leaves open in which order they come and which of the equals; processors differ in both.
    """
    first = np.argpartition(race, k - 1, axis=1)[:, :k]
    border = np.take_along_axis(race, first, axis=1).max(axis=1, keepdims=True)
    has_equals = np.count_nonzero(race <= border, axis=1) > k
    first[has_equals] = np.argsort(race[has_equals], axis=1, kind="stable")[:, :k]
    return np.sort(first, axis=1)


def _visitors(
    day: int, n_requests: int, first_day: np.ndarray, present: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Users of a day: each who arrives on it, then others in proportion to their weight in `present`."""
    arrived = np.flatnonzero(first_day == day) if day > 0 else np.array([], dtype=np.int64)
    n_more = max(n_requests - len(arrived), 0)
    cumulative = np.cumsum(present)
    more = np.searchsorted(cumulative, generator.random(n_more) * cumulative[-1], side="right")
    return np.concatenate([arrived, more])


def _at_some_time(day: np.ndarray, user: np.ndarray, generator: np.random.Generator) -> Requests:
    """Visits in order of time, most of them in the evening."""
    second = (generator.beta(3.0, 2.0, len(day)) * (DAY_SECONDS - 1)).astype(np.int64)
    timestamp = FIRST_SECOND + DAY_SECONDS * day + second
    order = np.argsort(timestamp, kind="stable")
    return Requests(day=day[order], user=user[order], timestamp=timestamp[order])
