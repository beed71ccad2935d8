"""What stands beside the numbers of a simulated test: settings, counts, and what a reader must know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from learn_rank.ab.candidates.day import CandidateSource
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.statistics.analysis import AnalysisConfig, variance_reductions
from learn_rank.ab.statistics.spend import spend_rows
from learn_rank.ab.words import short_metric_words
from learn_rank.ab.worlds import Played, Worlds
from learn_rank.report_kit.provenance import provenance
from learn_rank.report_kit.words import joined

__all__ = ["ONE_TRAINING", "PACKAGES", "about_run"]

ONE_TRAINING = (
    "Each ranker was trained once: how much the lift would change if both were trained again cannot be known "
    "from one training, and no interval holds it."
)
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "pyarrow")


def about_run(
    source: CandidateSource | Mapping[int, CandidateSource],
    environment: Environment,
    config: ABConfig,
    analysis: AnalysisConfig,
    *,
    played: Played,
    seconds: float,
) -> dict[str, Any]:
    """Everything that stands beside the numbers; counts are means over trainings."""
    worlds = played.mean
    first = next(iter(source.values())) if isinstance(source, Mapping) else source
    reductions = {} if worlds.pre is None else variance_reductions(worlds.ab, worlds.pre, analysis)
    return {
        "title": "A/B simulation",
        **provenance(PACKAGES),
        "seconds": round(seconds, 1),
        "level": analysis.level,
        "declared_lift": analysis.declared_lift,
        "primary": analysis.primary,
        "config": {**dataclasses.asdict(config), **_order(analysis)},
        "source": {},
        "environment": {"environment": environment.name},
        "counts": {
            "users": int((worlds.ab.requests() > 0).sum()),
            "users_without_a_request": int((worlds.ab.requests() == 0).sum()),
            "requests": int(worlds.ab.requests().sum()),
            **worlds.ab.counts,
        },
        "excluded": {**first.excluded, **_not_served(first, config, worlds)},
        "spend": spend_rows(worlds.ab),
        "variance_reduction": reductions,
        "n_replicas": len(worlds.replicas),
        "training_seeds": [each.seed for each in played.trainings],
        "notices": [*undeclared(analysis), *notices(played)],
    }


def _order(analysis: AnalysisConfig) -> dict[str, Any]:
    return {
        "metrics": list(analysis.metrics),
        "primary": analysis.primary,
        "guardrails": [str(each) for each in analysis.guardrails] or ["none"],
        "correction": analysis.hierarchy.correction,
        "declared_lift": analysis.declared_lift,
    }


def undeclared(analysis: AnalysisConfig) -> list[str]:
    """What decides without having been declared."""
    given, found = analysis.hierarchy, []
    if given.primary is None:
        found.append(
            f"No primary metric was declared: {short_metric_words(analysis.primary)} decides because it "
            "comes first. Declare it before the run: --primary."
        )
    if given.guardrails is None and analysis.guardrails:
        found.append(
            f"No guardrails were declared: {joined(map(str, analysis.guardrails))} have to hold. Declare "
            "your own: --guardrail CTR=.02, or --guardrail none."
        )
    return found


def _not_served(source: CandidateSource, config: ABConfig, worlds: Worlds) -> dict[str, int]:
    """Days of the candidates that lie behind the test."""
    n_before = 0 if worlds.pre is None else len(worlds.pre.days)
    return {"days_behind_the_test": len(source.days) - n_before - config.n_days}


def notices(played: Played) -> list[str]:
    """What a reader must know of how the intervals came about."""
    worlds, found = played.mean, []
    if worlds.replicas:
        found.append(
            f"The intervals contain the disagreement of {len(worlds.replicas) + 1} fits of the environment."
        )
    else:
        found.append(
            "The intervals contain the chance of who came and what they did in one truth. That truth's own "
            "error is not in them."
        )
    n_trainings = max(len(played.trainings), 1)
    if n_trainings > 1:
        few = " Two are very few to tell that from." if n_trainings == 2 else ""
        found.append(
            f"Values are means over {n_trainings} trainings of both rankers in the same traffic; the "
            f"intervals hold how much the trainings differ, and how few of them there are.{few}"
        )
    else:
        found.append(ONE_TRAINING)
    if worlds.pre is not None:
        days = "day" if len(worlds.pre.days) == 1 else f"{len(worlds.pre.days)} days"
        found.append(
            f"What users did in the {days} before the test was taken out of the noise (CUPED); control and "
            "treatment are the adjusted values."
        )
    return found
