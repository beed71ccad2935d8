"""What a policy would have earned, from a log whose actions were drawn with known chances (mode R)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from learn_rank.ab.logged.decisions import LoggedBandit, Policy
from learn_rank.ab.statistics.guards import P_LIMIT, Guard

__all__ = ["HEADLINE", "OffPolicyConfig", "describe", "estimate", "overlap_guards"]

HEADLINE = "SNIPS"
MIN_ESS = 1000.0
MIN_ESS_SHARE = 0.01


@dataclass(frozen=True)
class OffPolicyConfig:
    """How the estimates are made.

    Args:
        level: of the intervals.
        clip: weights above it are set to it in "clipped IPS", which trades variance for a bias downwards.

    Raises:
        ValueError: a number outside its range.
    """

    level: float = 0.95
    clip: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {self.level}. Remedy: use .95.")
        if not self.clip > 0:
            raise ValueError(f"clip: expected a weight above 0, got {self.clip}. Remedy: use 10.")


@dataclass(frozen=True, eq=False)
class _Scored:
    """A value and its influence: (N,) numbers with mean 0 whose spread over users is that of the value."""

    value: float
    influence: np.ndarray


def estimate(
    log: LoggedBandit, policies: Sequence[Policy], config: OffPolicyConfig | None = None
) -> list[dict[str, Any]]:
    """Rows of every estimator for every policy, and for the second policy minus the first.

    Definition, with w = target probability / logging probability of the logged action and r the reward:
    IPS = mean(w r); clipped IPS = mean(min(w, clip) r); SNIPS = sum(w r) / sum(w), the headline;
    DR = mean(v + w (r - q)), where q is a model's reward of the logged action and v its mean reward under
    the policy, only for policies that bring both. Each is linearised in the rows, the rows are summed by
    user, and the interval is Student's with users - 1 degrees of freedom (variance with ddof 1 over users).
    The contrast takes the difference of both policies' influence on the same rows. Effective sample size =
    sum(w)^2 / sum(w^2); below 1000 or below 1 % of the rows the row says ``supported`` False.

    Args:
        log: a log with propensities.
        policies: one, or two (control and treatment; their contrast "b - a" has a p).
        config: default ``OffPolicyConfig()``.

    Returns:
        Dicts with estimator, policy, value, std_error, low, high, p (of contrasts), ess, ess_share,
        max_weight, mean_weight, n_rows, n_users, n_clipped, supported; None where undefined.

    Raises:
        ValueError: a policy of other rows, or not one or two policies.

    Source: Horvitz and Thompson (1952); Swaminathan and Joachims, "The Self-Normalized Estimator for
    Counterfactual Learning" (NeurIPS 2015); Dudik, Langford and Li, "Doubly Robust Policy Evaluation and
    Learning" (ICML 2011); Liang and Zeger (1986) for sums by cluster.

    Example:
        >>> log = LoggedBandit(np.arange(4), np.full(4, 0.5), np.array([1.0, 0, 1, 1]))
        >>> always = Policy("always the first", np.array([1.0, 0, 1, 0]))
        >>> [(row["estimator"], row["value"]) for row in estimate(log, [always])]
        [('IPS', 1.0), ('clipped IPS', 1.0), ('SNIPS', 1.0)]
    """
    chosen = OffPolicyConfig() if config is None else config
    if len(policies) not in (1, 2):
        raise ValueError(
            f"policies: expected one or two, got {len(policies)}. Remedy: compare two at a time."
        )
    scored = [_estimators(log, policy, chosen.clip) for policy in policies]
    users, _ = pd.factorize(log.user)
    rows = []
    for policy, found in zip(policies, scored, strict=True):
        about = _overlap(log, policy, chosen.clip)
        for name, one in found.items():
            rows.append({"estimator": name, "policy": policy.name} | _interval(one, users, chosen) | about)
    if len(policies) == 2:
        sides = [_overlap(log, policy, chosen.clip) for policy in policies]
        worse = min(sides, key=lambda side: side["ess"] or 0.0) | {
            "supported": all(s["supported"] for s in sides)
        }
        name = f"{policies[1].name} - {policies[0].name}"
        for estimator in [each for each in scored[0] if each in scored[1]]:
            control, treatment = scored[0][estimator], scored[1][estimator]
            both = _Scored(treatment.value - control.value, treatment.influence - control.influence)
            rows.append(
                {"estimator": estimator, "policy": name} | _interval(both, users, chosen, True) | worse
            )
    return rows


def describe(user: np.ndarray, reward: np.ndarray) -> dict[str, Any]:
    """The log's own mean as a row of `estimate`: all that a log without propensities can say (mode D)."""
    row = dict.fromkeys(("std_error", "low", "high", "p", "ess", "ess_share", "max_weight", "mean_weight"))
    about = {
        "n_rows": int(reward.size),
        "n_users": int(pd.unique(user).size),
        "n_clipped": 0,
        "supported": False,
    }
    value = float(np.mean(reward)) if reward.size else None
    return {"estimator": "mean of the log", "policy": "as logged", "value": value} | row | about


def overlap_guards(log: LoggedBandit, policies: Sequence[Policy]) -> list[Guard]:
    """Does the log speak about these policies: enough effective rows, and weights that average 1.

    Definition: effective sample size >= 1000 and >= 1 % of the rows; the mean weight is 1 (t test over users,
    p >= .001), else propensities or target probabilities are wrong, or the policy acts where the log never
    did.
    """
    users, _ = pd.factorize(log.user)
    guards = []
    for policy in policies:
        about, weights = _overlap(log, policy, math.inf), policy.probability / log.propensity
        words = (
            f"{about['ess']:,.0f} effective of {weights.size:,} rows; largest weight {weights.max():,.1f}."
        )
        limit = f">= {MIN_ESS:,.0f} and >= {MIN_ESS_SHARE:.0%} of the rows"
        guards.append(Guard(f"effective rows, {policy.name}", about["ess"], limit, about["supported"], words))
        mean = _interval(
            _Scored(float(weights.mean()) - 1, weights - weights.mean()), users, OffPolicyConfig(), True
        )
        p, is_exact = mean["p"], abs(float(weights.mean()) - 1) < 1e-9
        words = f"The weights average {weights.mean():.3f}; right propensities give 1 up to chance."
        has_passed = is_exact if p is None else p >= P_LIMIT
        name = f"mean weight, {policy.name}"
        guards.append(Guard(name, float(weights.mean()), f"1, p >= {P_LIMIT}", has_passed, words))
    return guards


def _estimators(log: LoggedBandit, policy: Policy, clip: float) -> dict[str, _Scored]:
    if policy.probability.shape != log.reward.shape:
        raise ValueError(
            f"policies: expected {log.reward.size} probabilities of {policy.name!r}, one per logged row, got "
            f"{policy.probability.size}. Remedy: give the chance of each row's own action."
        )
    w, r = policy.probability / log.propensity, log.reward
    found = {"IPS": _mean(w * r), "clipped IPS": _mean(np.minimum(w, clip) * r)}
    if w.sum() > 0:
        value = float((w * r).sum() / w.sum())
        found["SNIPS"] = _Scored(value, w * (r - value) / w.mean())
    if policy.model_logged is not None and policy.model_value is not None:
        found["DR"] = _mean(policy.model_value + w * (r - policy.model_logged))
    return found


def _mean(terms: np.ndarray) -> _Scored:
    value = float(terms.mean())
    return _Scored(value, terms - value)


def _interval(
    one: _Scored, users: np.ndarray, config: OffPolicyConfig, is_contrast: bool = False
) -> dict[str, Any]:
    by_user = np.bincount(users, one.influence)
    n_users, n_rows = by_user.size, one.influence.size
    row: dict[str, Any] = {"value": one.value, "std_error": None, "low": None, "high": None, "p": None}
    row |= {"n_rows": n_rows, "n_users": n_users}
    if n_users < 2 or not (by_user != 0).any():
        return row
    std_error = math.sqrt(float((by_user**2).sum()) * n_users / (n_users - 1)) / n_rows
    reach = float(stats.t.ppf((1 + config.level) / 2, n_users - 1)) * std_error
    row |= {"std_error": std_error, "low": one.value - reach, "high": one.value + reach}
    if is_contrast:
        row["p"] = float(2 * stats.t.sf(abs(one.value) / std_error, n_users - 1))
    return row


def _overlap(log: LoggedBandit, policy: Policy, clip: float) -> dict[str, Any]:
    w = policy.probability / log.propensity
    ess = float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0
    return {
        "ess": ess,
        "ess_share": ess / w.size,
        "max_weight": float(w.max()),
        "mean_weight": float(w.mean()),
        "n_clipped": int((w > clip).sum()),
        "supported": bool(ess >= MIN_ESS and ess >= MIN_ESS_SHARE * w.size),
    }
