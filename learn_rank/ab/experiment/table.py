"""The table of an experiment: one row per treatment, metric and bucket, tested in the declared order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from learn_rank.ab.experiment.cupac import predicted
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.past import Past
from learn_rank.ab.hierarchy.declaration import PRIMARY, SECONDARY
from learn_rank.ab.hierarchy.families import adjust, role_of
from learn_rank.ab.hierarchy.guardrails import guardrail_row
from learn_rank.ab.statistics.cuped import Adjusted, adjusted_contrast
from learn_rank.ab.statistics.delta_method import PerUser, contrast
from learn_rank.ab.statistics.per_user import or_none
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.skewness import flag

__all__ = [
    "PRIMARY",
    "SECONDARY",
    "Adjustment",
    "check_guardrails",
    "compared",
    "estimate_rows",
    "guardrail_rows",
    "n_rows",
    "table",
]

VALUES = ("control", "treatment", "delta", "low", "high", "relative", "relative_low", "relative_high", "p")
METHODS = {"none": "plain", "cuped": "CUPED", "cupac": "CUPAC"}


class Adjustment:
    """The covariate of each metric, by the way that was declared.

    Args:
        outcomes: of the test.
        past: what was known before.
        declared: the design.
    """

    def __init__(self, outcomes: Outcomes, past: Past, declared: Declaration) -> None:
        self._outcomes, self._past, self._declared = outcomes, past, declared
        self._models: dict[Metric, PerUser | None] = {}

    @property
    def judged(self) -> str:
        """The way in which the table is adjusted: the declared one, "none" where nothing was known before."""
        return self._declared.adjust if self._past else "none"

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways that are shown beside each other."""
        return ("none", *(("cuped",) if self._past else ()), *(("cupac",) if self.judged == "cupac" else ()))

    def before(self, metric: Metric, way: str | None = None) -> PerUser | None:
        """The covariate of all users, None without one; the judged way by default."""
        chosen = self.judged if way is None else way
        if chosen == "none":
            return None
        return self._past.of_metric(metric) if chosen == "cuped" else self._model(metric)

    def _model(self, metric: Metric) -> PerUser | None:
        if metric not in self._models:
            scores = self._outcomes.per_user(metric).scores()
            is_had = not np.isnan(scores).any()
            self._models[metric] = (
                predicted(scores, self._past.features(), self._declared.seed) if is_had else None
            )
        return self._models[metric]


def compared(
    outcomes: Outcomes,
    sums: PerUser,
    arm: int,
    *,
    before: PerUser | None = None,
    users: np.ndarray | None = None,
    level: float = 0.95,
) -> Adjusted:
    """One treatment against the control.

    Args:
        outcomes: of the test.
        sums: (U,) of a metric.
        arm: place of the treatment.
        before: (U,) its covariate; None for the plain difference.
        users: (U,) bool; None for all.
        level: of the intervals.
    """
    everyone = np.ones(outcomes.n_users, bool) if users is None else users
    sides = [everyone & (outcomes.arm == side) for side in (0, arm)]
    control, treatment = (sums.of(side) for side in sides)
    if before is None or not min(control.n_users, treatment.n_users):
        return Adjusted(contrast(control, treatment, level), 0.0, 0.0)
    return adjusted_contrast(control, treatment, before.of(sides[0]), before.of(sides[1]), level)


def estimate_rows(
    outcomes: Outcomes, metrics: Sequence[Metric], adjustment: Adjustment, level: float
) -> list[dict[str, Any]]:
    """Each difference over all users in all ways beside each other: plain, CUPED, CUPAC.

    ``variance_reduction`` is the share of the plain difference's variance that the way took; the row that is
    judged was declared and not chosen by it.
    """
    rows = []
    for at, name in enumerate(outcomes.arms[1:], start=1):
        for metric in metrics:
            for way in adjustment.ways:
                found = compared(
                    outcomes,
                    outcomes.per_user(metric),
                    at,
                    before=adjustment.before(metric, way),
                    level=level,
                )
                row: dict[str, Any] = {"arm": name, "metric": metric.name, "way": METHODS[way]}
                row |= {each: or_none(getattr(found.contrast, each)) for each in VALUES}
                row["std_error"] = or_none(found.contrast.std_error)
                row["variance_reduction"] = or_none(found.variance_reduction)
                row["is_judged"] = way == adjustment.judged
                rows.append(row)
    return rows


def table(
    outcomes: Outcomes,
    metrics: Sequence[Metric],
    adjustment: Adjustment,
    declared: Declaration,
    tell: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One row per treatment, metric and bucket; the first metric over all users is the primary.

    Definition: p in the declared order by `families.adjust`. Nothing but the primary and the guardrails
    decides.

    Args:
        outcomes: of the test.
        metrics: the primary first.
        adjustment: the covariates.
        declared: the design.
        tell: called after each row.
    """
    rows = []
    for at, _ in enumerate(outcomes.arms[1:], start=1):
        for kind, bucket, users in _places(outcomes):
            for metric in metrics:
                row = _row(
                    outcomes, metric, at, before=adjustment.before(metric), users=users, declared=declared
                )
                role = role_of(metric.name, kind, metrics[0].name)
                row |= {"bucket_kind": kind, "bucket": bucket, "role": role}
                rows.append(row)
                tell()
    adjust(rows, declared.correction)
    return rows


def guardrail_rows(
    outcomes: Outcomes, metrics: Sequence[Metric], adjustment: Adjustment, declared: Declaration
) -> list[dict[str, Any]]:
    """One row per treatment and guardrail, over all users: does it hold (`guardrail_row`)?

    Raises:
        ValueError: a guardrail whose metric is not compared, or which is the primary.
    """
    check_guardrails(declared, metrics)
    by_name = {metric.name: metric for metric in metrics}
    rows = []
    for at, name in enumerate(outcomes.arms[1:], start=1):
        for guardrail in declared.guardrails:
            metric = by_name[guardrail.metric]
            sums = outcomes.per_user(metric)
            before = adjustment.before(metric)
            found = compared(outcomes, sums, at, before=before, level=declared.level).contrast
            arms = [sums.of(outcomes.arm == side) for side in (0, at)]
            why = _flag(metric, arms, (outcomes.arms[0], name))
            rows.append({"arm": name, **guardrail_row(found, guardrail, why)})
    return rows


def check_guardrails(declared: Declaration, metrics: Sequence[Metric]) -> None:
    """Refuse a guardrail whose metric is not compared, or which is the primary, the first of the metrics.

    Raises:
        ValueError: names it.
    """
    by_name = {metric.name: metric for metric in metrics}
    for guardrail in declared.guardrails:
        if guardrail.metric not in by_name or guardrail.metric == metrics[0].name:
            raise ValueError(
                f"guardrail: expected a metric besides the primary one, as {', '.join(list(by_name)[1:])}, "
                f"got {guardrail.metric!r}. Remedy: --metric {guardrail.metric} where the file has such "
                "a column."
            )


def n_rows(outcomes: Outcomes, metrics: Sequence[Metric]) -> int:
    """How many rows `table` will have, for a progress bar."""
    return len(metrics) * (len(outcomes.arms) - 1) * sum(1 for _ in _places(outcomes))


def _places(outcomes: Outcomes) -> Iterator[tuple[str, str, np.ndarray]]:
    yield "all", "all", np.ones(outcomes.n_users, bool)
    for column, bucket in outcomes.buckets.items():
        for at, name in enumerate(bucket.names):
            yield column, name, bucket.codes == at


def _row(
    outcomes: Outcomes,
    metric: Metric,
    arm: int,
    *,
    before: PerUser | None,
    users: np.ndarray,
    declared: Declaration,
) -> dict[str, Any]:
    sums = outcomes.per_user(metric)
    adjusted = compared(outcomes, sums, arm, before=before, users=users, level=declared.level)
    found = adjusted.contrast
    arms = [sums.of(users & (outcomes.arm == side)) for side in (0, arm)]
    names = (outcomes.arms[0], outcomes.arms[arm])
    base = found.control if found.control > 0 else math.nan
    row: dict[str, Any] = {"arm": names[1], "metric": metric.name}
    row |= {each: or_none(getattr(found, each)) for each in VALUES}
    row["p_family"] = row["p_adjusted"] = None
    for side, sides in zip(("control", "treatment"), arms, strict=True):
        row[f"n_users_{side}"] = sides.n_users
        row[f"total_{side}"] = float(sides.numerator.sum())
        row[f"below_{side}"] = None if sides.denominator is None else float(sides.denominator.sum())
    row["power"] = or_none(power_at(declared.declared_lift * base, found.std_error, declared.level))
    row["mde"] = or_none(minimal_effect(found.std_error, declared.level) / base)
    row["variance_reduction"] = or_none(adjusted.variance_reduction)
    row["flag"] = _flag(metric, arms, names)
    return row


def _flag(metric: Metric, arms: Sequence[PerUser], names: Sequence[str]) -> str | None:
    """Why the row is not to be believed; a ratio without a denominator says so."""
    for sums, name in zip(arms, names, strict=True):
        if sums.n_users and sums.denominator is not None and not sums.denominator.any():
            return f"no {metric.below} in {name}: the ratio has no value"
    if not min(each.n_users for each in arms):
        return f"too few users: none in {names[0 if arms[0].n_users == 0 else 1]}"
    return flag(arms[0].scores(), arms[1].scores())
