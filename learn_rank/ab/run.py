"""From candidates and an environment to a judged result: simulate, analyse, guard, decide."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from learn_rank.ab.candidates.day import CandidateSource
from learn_rank.ab.hierarchy.decision import rule_words
from learn_rank.ab.report.result import ABResult
from learn_rank.ab.report.verdict import headline, verdict_of
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.analysis import (
    AnalysisConfig,
    analyse,
    variance_reductions,
)
from learn_rank.ab.statistics.analysis import (
    guardrails as judged_guardrails,
)
from learn_rank.ab.statistics.daily import daily_rows
from learn_rank.ab.statistics.guards import (
    Guard,
    aa_guards,
    calibration_guards,
    immature_guard,
    sample_ratio_guard,
    skewness_guard,
)
from learn_rank.ab.statistics.interference import interference_guard
from learn_rank.ab.statistics.score_inflation import calibration_rows
from learn_rank.ab.statistics.spend import spend_rows
from learn_rank.ab.words import short_metric_words
from learn_rank.report_kit.provenance import provenance
from learn_rank.report_kit.words import joined

PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "pyarrow")
OnDay = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Worlds:
    """What was simulated.

    Attributes:
        ab: users split between the arms.
        a: everybody has the control.
        b: everybody has the treatment.
        pre: everybody has the control, in the days before; None without such days.
        replicas: the split under refitted truths.
    """

    ab: UserTotals
    a: UserTotals
    b: UserTotals
    pre: UserTotals | None
    replicas: tuple[UserTotals, ...]


def run_ab(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig | None = None,
    analysis: AnalysisConfig | None = None,
    *,
    n_pre_days: int = 0,
    n_replicas: int = 0,
    n_resplits: int = 500,
    guards: Sequence[Guard] = (),
    about: Mapping[str, Any] | None = None,
    on_day: OnDay | None = None,
) -> ABResult:
    """Simulate the test and both launches, and judge them (mode E).

    Args:
        source: the candidates, n_pre_days + config.n_days consecutive days or more.
        environment: the truth, known or fitted.
        config: of the simulation; default ``ABConfig()``.
        analysis: level, metrics, their order and declared lift; default ``AnalysisConfig()``.
        n_pre_days: first days on which everybody has the control; their totals per user take noise out of
            the comparison (CUPED).
        n_replicas: refitted truths whose disagreement goes into the intervals, where the environment
            offers them.
        n_resplits: A/A re-splits of the control world; 0 leaves that guard out, and says so.
        guards: further guards, as the calibration gate of a fitted environment.
        about: what the caller knows, e.g. title, command, names of files.
        on_day: called with the name of the world after each simulated day.

    Returns:
        Rows, guards, daily lift, calibration and the verdict.

    Raises:
        ValueError: too few days, or input that the simulation refuses.
    """
    started = time.monotonic()
    config = ABConfig() if config is None else config
    analysis = AnalysisConfig() if analysis is None else analysis
    worlds = simulate_worlds(
        source, environment, config, n_pre_days=n_pre_days, n_replicas=n_replicas, on_day=on_day
    )
    rows = analyse(worlds.ab, analysis, launch=(worlds.a, worlds.b), pre=worlds.pre, replicas=worlds.replicas)
    held = judged_guardrails(worlds.ab, analysis, pre=worlds.pre, replicas=worlds.replicas)
    checked = [
        sample_ratio_guard(worlds.ab, config.treatment_share),
        *resplit_guards(worlds.a, config, analysis, n_resplits),
        *guards,
        *calibration_guards(worlds.ab),
        immature_guard(worlds.ab),
        skewness_guard(rows),
        interference_guard(headline(rows), analysis.level),
    ]
    seconds = time.monotonic() - started
    known = about_run(source, environment, config, analysis, worlds=worlds, seconds=seconds)
    return ABResult(
        mode="E",
        verdict=verdict_of(
            rows, checked, level=analysis.level, guardrails=held, rule=declared_rule(analysis)
        ),
        rows=rows,
        guards=checked,
        daily=daily_rows(worlds.ab, analysis),
        calibration=calibration_rows(worlds.ab),
        about={**known, **(about or {}), "notices": [*known["notices"], *(about or {}).get("notices", ())]},
        guardrails=held,
    )


def declared_rule(analysis: AnalysisConfig) -> str:
    """The order of tests in words."""
    correction = analysis.hierarchy.correction
    return rule_words(analysis.primary, analysis.guardrails, level=analysis.level, correction=correction)


def n_simulated_days(config: ABConfig, n_pre_days: int, n_replicas: int) -> int:
    """How often ``on_day`` will be called, for a progress bar."""
    return n_pre_days + config.n_days * (3 + n_replicas)


def simulate_worlds(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig,
    *,
    n_pre_days: int,
    n_replicas: int,
    on_day: OnDay | None,
) -> Worlds:
    """The split, both launches, the days before, and the split under refitted truths."""
    n_needed = n_pre_days + config.n_days
    if n_pre_days < 0 or len(source.days) < n_needed:
        raise ValueError(
            f"days: expected candidates of at least {n_needed} days ({n_pre_days} before the test and "
            f"{config.n_days} of it), got {len(source.days)}. Remedy: --days {len(source.days) - n_pre_days}"
            ", or candidates of more days."
        )
    before, days = list(source.days[:n_pre_days]), list(source.days[n_pre_days:n_needed])

    def world(name: str, truth: Environment, served: Sequence[int] = days, label: str = "") -> UserTotals:
        def tell(*_: Any) -> None:
            if on_day is not None:
                on_day(label if label else name)

        return simulate(source, truth, config, world=name, days=served, on_day=tell)

    return Worlds(
        ab=world("ab", environment),
        a=world("a", environment),
        b=world("b", environment),
        pre=world("a", environment, before, "pre") if before else None,
        replicas=tuple(
            world("ab", replica, label="replica") for replica in replicas_of(environment, n_replicas)
        ),
    )


def resplit_guards(
    control: UserTotals, config: ABConfig, analysis: AnalysisConfig, n_resplits: int
) -> list[Guard]:
    """The A/A guards on the world where everybody has the control; one that says so where they are off."""
    if n_resplits == 0:
        return [Guard("A/A rejections", None, "5 %", None, "Switched off (--no-aa).")]
    return aa_guards(control, config.treatment_share, n_splits=n_resplits, metrics=analysis.metrics)


def replicas_of(environment: Environment, n: int) -> Sequence[Environment]:
    """Refitted truths, none where the environment has no such method or n is 0."""
    make = getattr(environment, "replicas", None)
    return () if make is None or n == 0 else tuple(make(n))


def about_run(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig,
    analysis: AnalysisConfig,
    *,
    worlds: Worlds,
    seconds: float,
) -> dict[str, Any]:
    """Everything that stands beside the numbers."""
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
        "excluded": {**source.excluded, **_not_served(source, config, worlds)},
        "spend": spend_rows(worlds.ab),
        "variance_reduction": reductions,
        "n_replicas": len(worlds.replicas),
        "notices": [*undeclared(analysis), *notices(worlds)],
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


def notices(worlds: Worlds) -> list[str]:
    """What a reader must know of how the intervals came about."""
    found = []
    if worlds.replicas:
        found.append(
            f"The intervals contain the disagreement of {len(worlds.replicas) + 1} fits of the environment."
        )
    else:
        found.append(
            "The intervals contain the chance of who came and what they did in one truth. That truth's own "
            "error is not in them."
        )
    if worlds.pre is not None:
        days = "day" if len(worlds.pre.days) == 1 else f"{len(worlds.pre.days)} days"
        found.append(
            f"What users did in the {days} before the test was taken out of the noise (CUPED); control and "
            "treatment are the adjusted values."
        )
    return found
