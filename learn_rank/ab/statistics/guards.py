"""Guards: what must hold before a number of the experiment may be read; one failed guard makes it invalid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from learn_rank.ab.hierarchy.declaration import PRIMARY
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.analysis import ABRow
from learn_rank.ab.statistics.delta_method import PerUser, contrast
from learn_rank.ab.statistics.per_user import METRICS, metric_sums
from learn_rank.ab.statistics.resplits import rejection_band, resplit
from learn_rank.ab.statistics.skewness import flag

__all__ = [
    "P_LIMIT",
    "Guard",
    "aa_guards",
    "calibration_guards",
    "immature_guard",
    "sample_ratio_guard",
    "simulation_guards",
    "skewness_guard",
]

P_LIMIT = 0.001
RATIO_LIMITS = (0.8, 1.25)
GAP_LIMITS = (0.85, 1.18)
MIN_EVENTS = 50
MAX_IMMATURE = 0.1


@dataclass(frozen=True)
class Guard:
    """One check and its outcome.

    Attributes:
        name: short, unique in a report.
        value: the measured number; None where it is undefined.
        limit: in words, what the value has to meet.
        has_passed: None where the check does not apply; ``words`` then says why.
        words: a sentence for the reader of the report.
    """

    name: str
    value: float | None
    limit: str
    has_passed: bool | None
    words: str


def simulation_guards(
    ab: UserTotals,
    rows: Sequence[ABRow],
    treatment_share: float,
    *,
    same_arm: UserTotals | None = None,
    n_splits: int = 500,
    seed: int = 0,
) -> list[Guard]:
    """All guards of a simulated experiment, in the order of the report.

    Args:
        ab: the world in which users are split.
        rows: its table.
        treatment_share: as designed.
        same_arm: a world in which everybody was served by the control, for the A/A re-splits; default: the
            control users of ``ab``.
        n_splits: A/A re-splits.
        seed: of the re-splits.
    """
    return [
        sample_ratio_guard(ab, treatment_share),
        *aa_guards(ab if same_arm is None else same_arm, treatment_share, n_splits=n_splits, seed=seed),
        *calibration_guards(ab),
        immature_guard(ab),
        skewness_guard(rows),
    ]


def sample_ratio_guard(ab: UserTotals, treatment_share: float) -> Guard:
    """Do the arms have the users that the design gave them? Chi-square against the designed ratio.

    Source: Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments" (KDD 2019).
    """
    is_present, limit = ab.requests() > 0, f"p >= {P_LIMIT}"
    n_treatment = int((is_present & (ab.arm == 1)).sum())
    n_users = int(is_present.sum())
    if n_users == 0:
        return Guard("sample ratio", None, limit, None, "No user has a request.")
    designed = np.array([1 - treatment_share, treatment_share]) * n_users
    p = float(stats.chisquare([n_users - n_treatment, n_treatment], designed).pvalue)
    words = f"{n_treatment:,} of {n_users:,} users are in the treatment, {designed[1]:,.0f} were designed."
    if p < P_LIMIT:
        words += (
            f" The design is --treatment-share {treatment_share:g}, {n_treatment / n_users:.3g} came: look "
            "for what loses users of one arm; where they were split like that, say so with the option."
        )
    return Guard("sample ratio", p, limit, p >= P_LIMIT, words)


def aa_guards(
    totals: UserTotals,
    treatment_share: float,
    *,
    n_splits: int = 500,
    seed: int = 0,
    metrics: Sequence[str] = tuple(METRICS),
) -> list[Guard]:
    """Rejections and evenness of p among re-splits of users who were all served by the control.

    Definition: the share of p < .05 lies in the exact binomial band of 99.9 %, and a Kolmogorov-Smirnov test
    of uniform p has p >= .001. Not applied where the interval is flagged anyway.

    Args:
        totals: its users of arm 0 are re-split.
        treatment_share: as designed.
        n_splits: how many; 0 leaves the check out and says so.
        seed: of the re-splits.
        metrics: keys of ``METRICS``.
    """
    if n_splits == 0:
        return [
            Guard("A/A rejections", None, "inside the band of chance", None, "No re-splits were asked for.")
        ]
    users = (totals.requests() > 0) & (totals.arm == 0)
    sums = {metric: metric_sums(totals, metric, users) for metric in metrics}
    found = resplit(sums, treatment_share, n_splits, seed)
    low, high = rejection_band(n_splits)
    guards = []
    for metric, p in found.items():
        limits = f"{low:.1%} .. {high:.1%}", f"p >= {P_LIMIT}"
        why = _unfit(sums[metric], p, treatment_share)
        if why is not None:
            guards.append(Guard(f"A/A rejections, {metric}", None, limits[0], None, f"Not tried: {why}."))
            continue
        rate, even = float((p < 0.05).mean()), float(stats.kstest(p, "uniform").pvalue)
        words = f"{rate:.1%} of {n_splits} re-splits of {int(users.sum()):,} control users reject at 5 %."
        guards.append(Guard(f"A/A rejections, {metric}", rate, limits[0], low <= rate <= high, words))
        words = "Kolmogorov-Smirnov test: p values of the re-splits against the uniform distribution."
        guards.append(Guard(f"A/A evenness, {metric}", even, limits[1], even >= P_LIMIT, words))
    return guards


def calibration_guards(ab: UserTotals) -> list[Guard]:
    """Did the scores come true, in each arm and in one arm as in the other?

    Definition: observed over expected clicks and conversions within .8 .. 1.25 per arm, and the treatment's
    ratio over the control's within .85 .. 1.18: an arm that promises more than the other pays more per click
    and looks like revenue. A ratio outside its limits that chance explains (99.9 % interval over users
    contains 1) decides nothing.
    """
    is_present = ab.requests() > 0
    guards = []
    for events in ("clicks", "conversions"):
        observed = ab.total(events) + (ab.total("immature") if events == "conversions" else 0.0)
        expected = ab.total(f"predicted_{events}")
        arms = [PerUser(observed, expected).of(is_present & (ab.arm == arm)) for arm in (0, 1)]
        is_enough = [float(arm.numerator.sum()) >= MIN_EVENTS for arm in arms]
        for name, arm, enough in zip(("control", "treatment"), arms, is_enough, strict=True):
            error = (
                float(arm.scores().std(ddof=1)) / math.sqrt(arm.n_users) / arm.value if enough else math.nan
            )
            guards.append(_ratio_guard(f"calibration of {events}, {name}", arm.value, error, RATIO_LIMITS))
        both = contrast(*arms)  # type: ignore[arg-type]
        error = both.log_std_error if all(is_enough) else math.nan
        name = f"calibration of {events}, treatment over control"
        guards.append(_ratio_guard(name, 1 + both.relative, error, GAP_LIMITS))
    return guards


def immature_guard(ab: UserTotals) -> Guard:
    """Is the experiment long enough for the delay: at most a tenth of the conversions come after its end."""
    limit, late = f"at most {MAX_IMMATURE:.0%}", float(ab.total("immature").sum())
    all_conversions = late + float(ab.total("conversions").sum())
    if all_conversions < MIN_EVENTS:
        words = f"{all_conversions:.0f} conversions, {MIN_EVENTS} are needed to say."
        return Guard("immature conversions", None, limit, None, words)
    share = late / all_conversions
    words = f"{late:,.0f} of {all_conversions:,.0f} conversions come after the last day and are not counted."
    return Guard("immature conversions", share, limit, share <= MAX_IMMATURE, words)


def skewness_guard(rows: Sequence[ABRow]) -> Guard:
    """Can the interval of the deciding row be trusted: the primary metric over all users is not flagged."""
    limit = "the deciding row is not flagged"
    n_flagged = float(sum(row["flag"] is not None for row in rows))
    deciding = next((row for row in rows if row["role"] == PRIMARY), None)
    if deciding is None:
        return Guard("skewness", None, limit, None, "No row covers all users.")
    why = deciding["flag"]
    words = f"{n_flagged:.0f} of {len(rows)} rows are flagged" + (
        "." if why is None else f"; this one is {why}."
    )
    return Guard("skewness", n_flagged, limit, why is None, words)


def _ratio_guard(name: str, ratio: float, log_error: float, limits: tuple[float, float]) -> Guard:
    limit = f"{limits[0]} .. {limits[1]}"
    if math.isnan(ratio) or math.isnan(log_error):
        value = None if math.isnan(ratio) else ratio
        return Guard(name, value, limit, None, f"Fewer than {MIN_EVENTS} events, too few to say.")
    reach = float(stats.norm.ppf(1 - P_LIMIT / 2)) * log_error
    is_inside, is_chance = limits[0] <= ratio <= limits[1], abs(math.log(ratio)) <= reach
    low, high = ratio * math.exp(-reach), ratio * math.exp(reach)
    words = f"Observed over expected is {ratio:.2f} (99.9 % interval {low:.2f} .. {high:.2f})."
    if is_inside:
        return Guard(name, ratio, limit, True, words)
    return Guard(name, ratio, limit, None if is_chance else False, words)


def _unfit(sums: PerUser, p: np.ndarray, treatment_share: float) -> str | None:
    scores = sums.scores()
    if np.isnan(p).any() or scores.size == 0:
        return "some re-splits leave nothing to compare"
    cut = round(scores.size * (1 - treatment_share))
    return flag(scores[:cut], scores[cut:])
