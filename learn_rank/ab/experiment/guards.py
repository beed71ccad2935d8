"""What must hold before an experiment may be read: its arms are as designed, alike, and whole."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.past import Past
from learn_rank.ab.experiment.table import PRIMARY
from learn_rank.ab.statistics.guards import P_LIMIT, Guard

__all__ = ["balance_guards", "days_guard", "experiment_guards", "interval_guard", "share_guard"]

_LIMIT = f"p >= {P_LIMIT}"
_LEAST_EXPECTED = 5.0
_MISSED = 15.0


def experiment_guards(
    outcomes: Outcomes, past: Past, rows: Sequence[Mapping[str, Any]], shares: Sequence[float]
) -> list[Guard]:
    """All guards of an experiment, in the order of the report."""
    return [
        share_guard(outcomes, shares),
        *balance_guards(outcomes, past),
        days_guard(outcomes, shares),
        interval_guard(rows),
    ]


def share_guard(outcomes: Outcomes, shares: Sequence[float]) -> Guard:
    """Do the arms have the users that the design gave them? Chi-square against the designed shares.

    Source: Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments" (KDD 2019).
    """
    observed = np.bincount(outcomes.arm, minlength=len(outcomes.arms))
    p = float(stats.chisquare(observed, np.array(shares) * observed.sum()).pvalue)
    words = "; ".join(
        f"{name} {n:,} of {share * observed.sum():,.0f} designed"
        for name, n, share in zip(outcomes.arms, observed, shares, strict=True)
    )
    words = f"Users: {words}."
    if p < P_LIMIT:
        words += (
            " Look for what loses users of one arm; where they were split like that, say so with "
            "--treatment-share."
        )
    return Guard("sample ratio", p, _LIMIT, p >= P_LIMIT, words)


def balance_guards(outcomes: Outcomes, past: Past) -> list[Guard]:
    """Are the arms alike in what was there before the test? What differs was not frozen.

    Definition: chi-square of a bucket or text by arm; one-way analysis of variance of a number.
    """
    found = [
        _of_codes(f"balance of {name}", bucket.codes, outcomes.arm)
        for name, bucket in outcomes.buckets.items()
    ]
    numbers: dict[str, pd.Series] = {f"{name} before": pd.Series(each) for name, each in past.sums.items()}
    for name, values in {**past.covariates, **numbers}.items():
        if name in outcomes.buckets:
            continue  # told already
        if pd.api.types.is_numeric_dtype(values):
            found.append(_of_numbers(f"balance of {name}", values.to_numpy(np.float64), outcomes.arm))
        else:
            codes = pd.factorize(values, use_na_sentinel=False)[0]
            found.append(_of_codes(f"balance of {name}", codes, outcomes.arm))
    return found


def days_guard(outcomes: Outcomes, shares: Sequence[float]) -> Guard:
    """Has every arm rows on every day that another has? A day that one arm lacks is a log that was lost."""
    name, limit = "days", "every arm on every day"
    per_arm = np.zeros((len(outcomes.arms), outcomes.days.size))
    np.add.at(per_arm, (outcomes.arm[outcomes.row_user], outcomes.row_day), 1)
    expected = np.array(shares)[:, None] * per_arm.sum(axis=0)
    lost = np.argwhere((per_arm == 0) & (expected >= _MISSED))
    n_gaps = int(outcomes.days[-1] - outcomes.days[0] + 1 - outcomes.days.size)
    if lost.size:
        arm, day = lost[0]
        words = (
            f"{outcomes.arms[arm]} has no row on {len(lost)} of {outcomes.days.size} days, as "
            f"{outcomes.day_names[day]}, where others have."
        )
        return Guard(name, float(len(lost)), limit, False, words)
    words = f"{outcomes.days.size} days, all arms on each." if outcomes.days.size > 1 else "One day."
    if n_gaps:
        words += f" {n_gaps} days between the first and the last have no row in any arm."
    return Guard(name, 0.0, limit, True, words)


def interval_guard(rows: Sequence[Mapping[str, Any]]) -> Guard:
    """Can the intervals of the primary metric be trusted?"""
    primary = [row for row in rows if row["role"] == PRIMARY]
    flagged = [row for row in primary if row["flag"] is not None]
    n_others = sum(row["flag"] is not None for row in rows) - len(flagged)
    words = f"{n_others} of {len(rows) - len(primary)} secondary rows are flagged."
    if flagged:
        words = f"The primary metric of {flagged[0]['arm']}: {flagged[0]['flag']}. {words}"
    return Guard("skewness", float(len(flagged)), "no primary row is flagged", not flagged, words)


def _of_codes(name: str, codes: np.ndarray, arm: np.ndarray) -> Guard:
    counts = pd.crosstab(codes, arm).to_numpy(np.float64)
    few = counts.sum(axis=1) * counts.sum(axis=0).min() / counts.sum() < _LEAST_EXPECTED
    if few.sum() > 1:  # small values together
        counts = np.vstack([counts[~few], counts[few].sum(axis=0)])
    elif few.any():
        counts = counts[~few]
    if counts.shape[0] < 2:
        return Guard(name, None, _LIMIT, None, "One value only, or too few users of others.")
    p = float(stats.chi2_contingency(counts, correction=False).pvalue)
    return Guard(name, p, _LIMIT, p >= P_LIMIT, _words(p))


def _of_numbers(name: str, values: np.ndarray, arm: np.ndarray) -> Guard:
    groups = [values[(arm == at) & ~np.isnan(values)] for at in np.unique(arm)]
    if min(group.size for group in groups) < 2 or np.ptp(np.concatenate(groups)) == 0:
        return Guard(name, None, _LIMIT, None, "Nothing varies, or too few users.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of a constant group, which is an answer here
        p = float(stats.f_oneway(*groups).pvalue)
    return Guard(name, p, _LIMIT, p >= P_LIMIT, _words(p))


def _words(p: float) -> str:
    if p >= P_LIMIT:
        return "The arms are alike."
    return (
        "The arms differ in what should be older than the test: it was not frozen before the first exposure, "
        "or the users were not split at random."
    )
