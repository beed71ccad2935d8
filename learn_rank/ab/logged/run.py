"""From a log of decisions to a judged result: mode R with propensities, mode D without."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from learn_rank.ab.about import PACKAGES
from learn_rank.ab.logged.estimators import OffPolicyConfig, estimate, overlap_guards
from learn_rank.ab.logged.files import DecisionLog, read_decision_log
from learn_rank.ab.report.result import ABResult
from learn_rank.ab.report.verdict import DESCRIPTIVE, ABVerdict, verdict_of_log
from learn_rank.report_kit.provenance import provenance

__all__ = ["run_log"]


def run_log(
    path: str | os.PathLike[str],
    reward: str = "click",
    config: OffPolicyConfig | None = None,
    *,
    about: Mapping[str, Any] | None = None,
) -> ABResult:
    """Judge two rankers on a log of decisions that a third one took.

    Args:
        path: the log, see `read_decision_log`.
        reward: the column that is averaged.
        config: level and clip; default ``OffPolicyConfig()``.
        about: what the caller knows, e.g. title and command.

    Returns:
        Mode R: the estimators of both arms and of their difference on the same rows, with overlap guards.
        Mode D: counts, and why there is no more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what `read_decision_log` refuses.
    """
    started = time.monotonic()
    config = OffPolicyConfig() if config is None else config
    log = read_decision_log(path, reward)
    known = {
        "title": "Log of decisions",
        **provenance(PACKAGES),
        "level": config.level,
        "config": {"reward": reward, "level": config.level, "clip": config.clip},
        "source": {"log": os.fspath(path)},
        "counts": log.counts,
        **(about or {}),
    }
    if log.bandit is None:
        return ABResult("D", _descriptive(log, reward), about=known)
    estimates, guards = estimate(log.bandit, log.policies, config), overlap_guards(log.bandit, log.policies)
    seconds = round(time.monotonic() - started, 1)
    return ABResult(
        mode="R",
        verdict=verdict_of_log(estimates, guards, reward=reward, level=config.level),
        guards=guards,
        estimates=estimates,
        about={**known, "seconds": seconds},
    )


def _descriptive(log: DecisionLog, reward: str) -> ABVerdict:
    return ABVerdict(
        DESCRIPTIVE,
        (
            f"This log cannot say which ranker is better. {log.why}",
            "To find out, log the chance of every action that is taken and let the rule try more than one "
            "(column propensity), or simulate with an environment.",
            f"Counted: {log.counts['rows']:,} rows, mean {reward} {log.counts[f'mean_{reward}']:.4g}.",
        ),
    )
