"""How long a simulated test must be: until the declared lift would be found, by the control's world alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from learn_rank.ab.candidates.day import CandidateSource
from learn_rank.ab.plan.needs import Wanted, powers
from learn_rank.ab.plan.size import Arms
from learn_rank.ab.plan.traffic import SimulatedTraffic
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.statistics.analysis import AnalysisConfig
from learn_rank.report_kit.words import share_words

__all__ = ["control_traffic", "days_of_power", "wanted_of"]


def wanted_of(config: ABConfig, analysis: AnalysisConfig, power: float = 0.8) -> Wanted:
    """What a simulated test shall find."""
    return Wanted(
        analysis.metrics,
        analysis.primary,
        Arms(config.treatment_share),
        analysis.guardrails,
        analysis.declared_lift,
        power,
        analysis.level,
    )


def control_traffic(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig,
    *,
    n_pre_days: int = 0,
    on_day: Callable[[str], None] | None = None,
) -> SimulatedTraffic:
    """The world in which everybody has the control, on the days before the test and in it.

    Args:
        source: the candidates, of n_pre_days + config.n_days days or more.
        environment: the truth.
        config: of the simulation.
        n_pre_days: first days, whose totals take noise out.
        on_day: called with the name of the world after each simulated day.

    Raises:
        ValueError: too few days.
    """
    n_needed = n_pre_days + config.n_days
    if n_pre_days < 0 or len(source.days) < n_needed:
        raise ValueError(
            f"days: expected candidates of at least {n_needed} days, got {len(source.days)}. Remedy: --days "
            f"{max(len(source.days) - n_pre_days, 1)}, or candidates of more days."
        )
    before, days = list(source.days[:n_pre_days]), list(source.days[n_pre_days:n_needed])

    def tell(*_: object) -> None:
        if on_day is not None:
            on_day("a")

    totals = simulate(source, environment, config, world="a", days=days, on_day=tell)
    pre = simulate(source, environment, config, world="a", days=before, on_day=tell) if before else None
    return SimulatedTraffic(totals, pre)


def days_of_power(traffic: SimulatedTraffic, config: ABConfig, wanted: Wanted) -> tuple[ABConfig, str]:
    """The config with the fewest days on which the primary metric shows the declared lift, and a sentence.

    Definition: the days are chosen on the control's world, before any treatment is played; what the treatment
    does has no say in them, so the test that follows keeps its level.

    Args:
        traffic: the control's world of ``config.n_days`` days, which are the limit.
        config: of the simulation.
        wanted: lift and power.
    """
    found = powers(traffic, wanted)
    enough = next((day for day, power in enumerate(found, start=1) if power >= wanted.power), None)
    lift, chance = share_words(wanted.lift), share_words(wanted.power, 0)
    if enough is None:
        last = found[-1]
        reached = "no power can be told" if math.isnan(last) else f"{share_words(last)} is reached"
        return config, (
            f"Played for all {config.n_days} days, the limit: a lift of {lift} of the primary metric would "
            f"be found in {chance} of cases only in a longer test; {reached}."
        )
    return replace(config, n_days=enough), (
        f"Played for {enough} of at most {config.n_days} days: then a lift of {lift} of the primary metric "
        f"is found in {share_words(found[enough - 1])} of cases. The days were chosen on the control's "
        "world, before the treatment was played."
    )
