"""From totals per user to the table of the experiment: one row per metric and bucket."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np

from learn_rank.ab.hierarchy.declaration import Guardrail, Hierarchy, known_name
from learn_rank.ab.hierarchy.families import adjust, role_of
from learn_rank.ab.hierarchy.guardrails import guardrail_row
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.cuped import Adjusted, adjusted_contrast
from learn_rank.ab.statistics.delta_method import Contrast, contrast
from learn_rank.ab.statistics.per_user import METRICS, arms_of, metric_sums, or_none, same_users
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.retraining import Training, over_trainings
from learn_rank.ab.statistics.sensitivity import pooled
from learn_rank.ab.statistics.skewness import flag

_VALUES = ("control", "treatment", "delta", "low", "high", "relative", "relative_low", "relative_high", "p")
GUARDRAILS = (
    Guardrail("CTR"),
    Guardrail("CVR"),
    Guardrail("cost over target", is_less_better=True),
    Guardrail("calibration of clicks"),
    Guardrail("calibration of conversions"),
)
POSSIBLE = (*GUARDRAILS, Guardrail("revenue"), Guardrail("conversions"))
__all__ = [
    "GUARDRAILS",
    "POSSIBLE",
    "ABRow",
    "AnalysisConfig",
    "analyse",
    "guardrails",
    "variance_reductions",
]


class ABRow(TypedDict):
    """One metric in one bucket; numbers that cannot be had are None.

    ``control`` and ``treatment`` are values per user ("revenue", "conversions") or ratios ("CTR", "CVR");
    ``relative`` is treatment / control - 1; ``mde`` and ``launch`` are relative too. ``role`` is the place in
    the order of tests, ``p_family`` adjusted within the row's family, ``p_adjusted`` in the whole order
    (`families.adjust`). A flagged row keeps its interval for the reader and has neither.
    """

    metric: str
    bucket_kind: str
    bucket: str
    role: str
    control: float | None
    treatment: float | None
    delta: float | None
    low: float | None
    high: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p: float | None
    p_family: float | None
    p_adjusted: float | None
    n_users_control: int
    n_users_treatment: int
    clicks_control: int
    clicks_treatment: int
    conversions_control: int
    conversions_treatment: int
    power: float | None
    mde: float | None
    launch: float | None
    flag: str | None


@dataclass(frozen=True)
class AnalysisConfig:
    """What is compared, declared before anything is seen.

    Args:
        level: of the intervals.
        metrics: what is compared, over all users and in all buckets: keys of ``METRICS``.
        declared_lift: the relative lift whose power is printed, > 0.
        hierarchy: which of them decides, what must hold, and how the others are corrected.

    Raises:
        ValueError: an unknown metric, a primary metric that is none of them, or a number outside its range.
    """

    level: float = 0.95
    metrics: tuple[str, ...] = tuple(METRICS)
    declared_lift: float = 0.02
    hierarchy: Hierarchy = field(default_factory=Hierarchy)

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {self.level}. Remedy: use .95.")
        unknown = [metric for metric in self.metrics if metric not in METRICS]
        if unknown or not self.metrics:
            raise ValueError(
                f"metrics: expected some of {', '.join(METRICS)}, got {self.metrics}. Remedy: choose."
            )
        if not 0 < self.declared_lift < math.inf:
            raise ValueError(
                f"declared_lift: expected a number > 0, got {self.declared_lift}. Remedy: use .02."
            )
        if self.primary not in self.metrics:
            raise ValueError(
                f"primary: expected one of {', '.join(self.metrics)}, got {self.hierarchy.primary!r}. "
                "Remedy: choose one, or add it to --metrics."
            )
        known = [each.metric for each in POSSIBLE]
        foreign = [each.metric for each in self.guardrails if each.metric not in known]
        if foreign:
            raise ValueError(
                f"guardrail: expected some of {', '.join(known)}, got {foreign[0]!r}. Remedy: choose."
            )

    @property
    def primary(self) -> str:
        """The metric that decides: the declared one, else the first of ``METRICS`` that is compared."""
        if self.hierarchy.primary is not None:
            return known_name(self.hierarchy.primary)
        return next(metric for metric in METRICS if metric in self.metrics)

    @property
    def guardrails(self) -> tuple[Guardrail, ...]:
        """What must hold: as declared, else CTR, CVR, cost over target and calibration, but the primary."""
        return self.hierarchy.guardrails_or(GUARDRAILS, self.primary)


@dataclass(frozen=True)
class _Bucket:
    kind: str
    name: str
    users: np.ndarray
    items: str | None


def analyse(
    ab: UserTotals,
    config: AnalysisConfig | None = None,
    *,
    launch: tuple[UserTotals, UserTotals] | None = None,
    pre: UserTotals | None = None,
    replicas: Sequence[UserTotals] = (),
    trainings: Sequence[Training] = (),
) -> list[ABRow]:
    """The table of the experiment.

    Definition: the unit is the user; the population are users with at least one request, which does not
    depend on the arm. Item buckets cut the events, user buckets the users. Differences by `contrast`, p in
    the declared order by `families.adjust`.

    Args:
        ab: the world in which users are split.
        config: default ``AnalysisConfig()``.
        launch: (all users control, all users treatment), for the launch effect.
        pre: a period before the experiment, for CUPED; the arms' values are then the adjusted ones.
        replicas: the experiment under refitted truths; their disagreement widens the interval (`pooled`).
        trainings: of which ``ab``, ``launch`` and ``pre`` are the means (`mean_world`); two or more put the
            training into the interval (`over_trainings`).

    Raises:
        ValueError: replicas or launch worlds with other users.
    """
    chosen = AnalysisConfig() if config is None else config
    for name, worlds in (("launch", launch or ()), ("replicas", replicas)):
        for world in worlds:
            if not np.array_equal(world.user_ids, ab.user_ids):
                raise ValueError(
                    f"{name}: expected the users of the experiment, got others. Remedy: one source."
                )
    experiment = _Experiment(ab, chosen, launch, pre, tuple(replicas), tuple(trainings))
    rows = [experiment.row(bucket, metric) for bucket in _buckets(ab) for metric in chosen.metrics]
    adjust(rows, chosen.hierarchy.correction)
    return rows


def guardrails(
    ab: UserTotals,
    config: AnalysisConfig | None = None,
    *,
    pre: UserTotals | None = None,
    replicas: Sequence[UserTotals] = (),
    trainings: Sequence[Training] = (),
) -> list[dict[str, Any]]:
    """One row per guardrail, over all users: does it hold (`guardrail_row`)? Arguments as of `analyse`."""
    chosen = AnalysisConfig() if config is None else config
    experiment = _Experiment(ab, chosen, None, pre, tuple(replicas), tuple(trainings))
    return [experiment.guardrail(each) for each in chosen.guardrails]


def variance_reductions(
    ab: UserTotals, pre: UserTotals, config: AnalysisConfig | None = None
) -> dict[str, float | None]:
    """Metric -> the share of the variance over all users that CUPED takes away."""
    chosen = AnalysisConfig() if config is None else config
    everyone = next(_buckets(ab))
    return {
        metric: or_none(_adjusted(ab, pre, metric, everyone, chosen.level).variance_reduction)
        for metric in chosen.metrics
    }


def _buckets(totals: UserTotals) -> Iterator[_Bucket]:
    is_present = totals.requests() > 0
    yield _Bucket("all", "all", is_present, None)
    for at, name in enumerate(totals.user_buckets):
        yield _Bucket("user", name, is_present & (totals.user_bucket == at), None)
    for name in totals.item_buckets:
        yield _Bucket("item", name, is_present, name)


@dataclass(frozen=True, eq=False)
class _Experiment:
    ab: UserTotals
    config: AnalysisConfig
    launch: tuple[UserTotals, UserTotals] | None
    pre: UserTotals | None
    replicas: tuple[UserTotals, ...]
    trainings: tuple[Training, ...]

    def row(self, bucket: _Bucket, metric: str) -> ABRow:
        ab, config = self.ab, self.config
        found = self._found(bucket, metric)
        df = found.df if len(self.trainings) > 1 else math.inf
        control, treatment = arms_of(ab, metric, bucket.users, item_bucket=bucket.items)
        values = {name: or_none(getattr(found, name)) for name in _VALUES}
        users = [bucket.users & (ab.arm == arm) for arm in (0, 1)]
        clicks, conversions = (
            [round(float(ab.total(name, item_bucket=bucket.items)[arm].sum())) for arm in users]
            for name in ("clicks", "conversions")
        )
        base = found.control if found.control > 0 else math.nan
        return ABRow(
            metric=metric,
            bucket_kind=bucket.kind,
            bucket=bucket.name,
            role=role_of(metric, bucket.kind, config.primary),
            **values,  # type: ignore[typeddict-item]
            p_family=None,
            p_adjusted=None,
            n_users_control=int(users[0].sum()),
            n_users_treatment=int(users[1].sum()),
            clicks_control=clicks[0],
            clicks_treatment=clicks[1],
            conversions_control=conversions[0],
            conversions_treatment=conversions[1],
            power=or_none(power_at(config.declared_lift * base, found.std_error, config.level, df=df)),
            mde=or_none(minimal_effect(found.std_error, config.level, df=df) / base),
            launch=self._launch(bucket, metric),
            flag=flag(control.scores(), treatment.scores()),
        )

    def guardrail(self, declared: Guardrail) -> dict[str, Any]:
        everyone = next(_buckets(self.ab))
        found = self._found(everyone, declared.metric)
        control, treatment = arms_of(self.ab, declared.metric, everyone.users)
        return guardrail_row(found, declared, flag(control.scores(), treatment.scores()))

    def _found(self, bucket: _Bucket, metric: str) -> Contrast:
        worlds = (self.ab, *self.replicas)
        found = pooled([self._contrast(world, self.pre, bucket, metric) for world in worlds])
        return over_trainings(
            found, [self._contrast(each.ab, each.pre, bucket, metric) for each in self.trainings]
        )

    def _contrast(self, world: UserTotals, pre: UserTotals | None, bucket: _Bucket, metric: str) -> Contrast:
        if pre is not None:
            return _adjusted(world, pre, metric, bucket, self.config.level).contrast
        control, treatment = arms_of(world, metric, bucket.users, item_bucket=bucket.items)
        return contrast(control, treatment, self.config.level)

    def _launch(self, bucket: _Bucket, metric: str) -> float | None:
        if self.launch is None:
            return None
        control, treatment = (
            metric_sums(world, metric, bucket.users, item_bucket=bucket.items).value for world in self.launch
        )
        return or_none(treatment / control - 1) if control > 0 else None


def _adjusted(world: UserTotals, pre: UserTotals, metric: str, bucket: _Bucket, level: float) -> Adjusted:
    items = bucket.items if bucket.items in pre.item_buckets else None
    past = metric_sums(pre, metric, np.ones(pre.user_ids.size, bool), item_bucket=items)
    before = same_users(world, pre, past)
    control, treatment = arms_of(world, metric, bucket.users, item_bucket=bucket.items)
    users = [bucket.users & (world.arm == arm) for arm in (0, 1)]
    return adjusted_contrast(control, treatment, before.of(users[0]), before.of(users[1]), level)
