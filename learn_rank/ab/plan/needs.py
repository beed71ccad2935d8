"""What each metric, bucket and guardrail needs, from traffic without a treatment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learn_rank.ab.hierarchy.declaration import Guardrail
from learn_rank.ab.hierarchy.families import role_of
from learn_rank.ab.plan.size import Arms, days_needed, margin_errors, slope_of, users_needed
from learn_rank.ab.plan.traffic import ALL, Place, Traffic, scores_of
from learn_rank.ab.statistics.per_user import or_none
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.skewness import flag

__all__ = ["LIMIT_DAYS", "Look", "Wanted", "guardrail_needs", "looks_of", "need_rows", "powers"]

LIMIT_DAYS = 365


@dataclass(frozen=True)
class Wanted:
    """What the test shall find.

    Args:
        metrics: that are compared.
        primary: the one that decides.
        arms: the design.
        guardrails: what shall be shown to hold.
        lift: the relative lift, > 0.
        power: the chance with which it is found where it is there.
        level: 1 - level is the size of the test.

    Raises:
        ValueError: a number outside its range.
    """

    metrics: tuple[str, ...]
    primary: str
    arms: Arms
    guardrails: tuple[Guardrail, ...] = ()
    lift: float = 0.02
    power: float = 0.8
    level: float = 0.95

    def __post_init__(self) -> None:
        for name, value in (("power", self.power), ("level", self.level)):
            if not 0 < value < 1:
                raise ValueError(f"{name}: expected a number between 0 and 1, got {value}. Remedy: use .8.")
        if not self.power > 1 - self.level:
            raise ValueError(
                f"power: expected more than 1 - level ({1 - self.level:g}), which any test has, got "
                f"{self.power}. Remedy: use .8."
            )
        if not 0 < self.lift < math.inf:
            raise ValueError(f"declared_lift: expected a number > 0, got {self.lift}. Remedy: use .02.")


@dataclass(frozen=True)
class Look:
    """Scores of the users of the first days.

    Attributes:
        variance: of a user's score, NaN where there are fewer than two or nothing is defined.
        value: of the metric.
        n_users: that were there.
        why: the scores are not to be believed, None where they are; told of the last look alone.
    """

    variance: float
    value: float
    n_users: int
    why: str | None = None

    def error(self, arms: Arms) -> float:
        """Standard error of the difference that these users, split, would give."""
        return math.sqrt(self.variance * arms.spread / self.n_users) if self.n_users else math.nan

    def smallest(self, wanted: Wanted) -> float:
        """The smallest lift that is found."""
        if not self.value > 0:
            return math.nan
        return minimal_effect(self.error(wanted.arms), wanted.level, wanted.power) / self.value


def looks_of(
    traffic: Traffic, metric: str, arms: Arms, places: Sequence[Place] = (ALL,)
) -> dict[Place, list[Look]]:
    """Place -> what is seen of a metric after 1, 2, .. days of the traffic."""
    found: dict[Place, list[Look]] = {place: [] for place in places}
    for day in range(1, traffic.n_days + 1):
        for place in places:  # those of one day beside each other, whose users are summed once
            scores, value = scores_of(*traffic.sums(metric, place, day))
            if scores.size < 2 or np.isnan(scores).any():
                found[place].append(Look(math.nan, value, int(scores.size), "nothing to compute it from"))
                continue
            cut = round(scores.size * (1 - arms.treatment))
            why = flag(scores[:cut], scores[cut:]) if day == traffic.n_days else None
            found[place].append(Look(float(scores.var(ddof=1)), value, int(scores.size), why))
    return found


def need_rows(traffic: Traffic, wanted: Wanted) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One row per metric and bucket, and one per metric, bucket and day.

    Definition: ``users_needed`` is the number, of all arms, that find the lift if each is there as long as
    the users of the traffic were; ``days_needed`` is how long this traffic takes, beyond what was seen by
    `days_needed`. ``mde`` is the smallest lift that all of the traffic finds, ``power`` its chance for the
    lift; in the rows of days, what is found so far. All at the full level, which is the primary's; what
    stands in a family needs more.
    """
    rows, curve = [], []
    seen = {metric: looks_of(traffic, metric, wanted.arms, traffic.places) for metric in wanted.metrics}
    for place in traffic.places:
        for metric in wanted.metrics:
            looks = seen[metric][place]
            last, lifts = looks[-1], [look.smallest(wanted) for look in looks]
            days, is_beyond = days_needed(lifts, wanted.lift, LIMIT_DAYS)
            effect, errors = wanted.lift * last.value, minimal_effect(1.0, wanted.level, wanted.power)
            named = {"metric": metric, "bucket_kind": place[0], "bucket": place[1]}
            rows.append(
                {
                    **named,
                    "role": role_of(metric, place[0], wanted.primary),
                    "value": or_none(last.value),
                    "std_dev": or_none(math.sqrt(last.variance)),
                    "n_users": last.n_users,
                    "users_needed": _whole(users_needed(last.variance, effect, wanted.arms, errors)),
                    "days_needed": days,
                    "is_beyond": is_beyond,
                    "more_than_days": _most_told(lifts),
                    "mde": or_none(lifts[-1]),
                    "power": or_none(power_at(effect, last.error(wanted.arms), wanted.level)),
                    "flag": last.why,
                }
            )
            curve += [
                {**named, "day": day, "n_users": look.n_users, "mde": or_none(lift)}
                for day, (look, lift) in enumerate(zip(looks, lifts, strict=True), start=1)
            ]
    return rows, curve


def guardrail_needs(traffic: Traffic, wanted: Wanted) -> list[dict[str, Any]]:
    """One row per guardrail: what it takes to show that it holds where nothing is lost."""
    rows, errors = [], margin_errors(wanted.level, wanted.power)
    for each in wanted.guardrails:
        bound = abs(math.log1p(each.margin if each.is_less_better else -each.margin))
        looks = looks_of(traffic, each.metric, wanted.arms)[ALL]
        shown = [
            errors * look.error(wanted.arms) / look.value if look.value > 0 else math.nan for look in looks
        ]
        days, is_beyond = days_needed(shown, bound, LIMIT_DAYS)
        last = looks[-1]
        users = users_needed(last.variance, bound * last.value, wanted.arms, errors)
        row: dict[str, Any] = {"metric": each.metric, "margin": each.margin}
        row |= {"is_less_better": each.is_less_better, "value": or_none(last.value), "flag": last.why}
        rows.append(
            row
            | {
                "users_needed": _whole(users),
                "days_needed": days,
                "is_beyond": is_beyond,
                "more_than_days": _most_told(shown),
            }
        )
    return rows


def powers(traffic: Traffic, wanted: Wanted) -> list[float]:
    """The chance that the primary metric shows the lift after 1, 2, .. days; NaN where it has no variance."""
    looks = looks_of(traffic, wanted.primary, wanted.arms)[ALL]
    return [power_at(wanted.lift * look.value, look.error(wanted.arms), wanted.level) for look in looks]


def _most_told(lifts: Sequence[float]) -> int:
    """The days up to which the days needed can be told."""
    return len(lifts) if math.isnan(slope_of(lifts)) else LIMIT_DAYS


def _whole(users: float) -> int | None:
    return None if math.isnan(users) else math.ceil(users)
