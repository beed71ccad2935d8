"""From candidates and an environment to a judged result: simulate, analyse, guard, decide."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from learn_rank.ab.about import about_run
from learn_rank.ab.candidates.day import CandidateSource
from learn_rank.ab.hierarchy.decision import rule_words
from learn_rank.ab.report.result import ABResult
from learn_rank.ab.report.verdict import headline, verdict_of
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.analysis import AnalysisConfig, analyse
from learn_rank.ab.statistics.analysis import guardrails as judged_guardrails
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
from learn_rank.ab.statistics.retraining import Training
from learn_rank.ab.statistics.score_inflation import calibration_rows
from learn_rank.ab.worlds import OnDay, Played, play

__all__ = ["run_ab"]

TRAINING_KEYS = (
    *("metric", "bucket_kind", "bucket", "control", "treatment", "delta", "low", "high"),
    *("relative", "relative_low", "relative_high", "launch", "flag"),
)


def run_ab(
    source: CandidateSource | Mapping[int, CandidateSource],
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
        source: the candidates, n_pre_days + config.n_days consecutive days or more; or those of several
            trainings of both arms, seed -> the same candidates with that training's scores. Values are then
            means over trainings, and intervals hold both the traffic and the training (`over_trainings`).
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
        Rows, guards, daily lift, calibration, each training and the verdict.

    Raises:
        ValueError: too few days, input that the simulation refuses, trainings of other requests, or several
            trainings and refitted truths too.
    """
    started = time.monotonic()
    config = ABConfig() if config is None else config
    analysis = AnalysisConfig() if analysis is None else analysis
    played = play(source, environment, config, n_pre_days=n_pre_days, n_replicas=n_replicas, on_day=on_day)
    worlds, trainings = played.mean, played.trainings
    analysed = partial(
        analyse, worlds.ab, analysis, launch=(worlds.a, worlds.b), pre=worlds.pre, replicas=worlds.replicas
    )
    rows = analysed(trainings=trainings)
    held = judged_guardrails(
        worlds.ab, analysis, pre=worlds.pre, replicas=worlds.replicas, trainings=trainings
    )
    # the launch is of the same trainings, so that their choice is no part of its gap
    over_users = analysed() if len(trainings) > 1 else rows
    checked = [
        sample_ratio_guard(worlds.ab, config.treatment_share),
        *resplit_guards(worlds.a, config, analysis, n_resplits),
        *guards,
        *worst_calibration(played),
        immature_guard(worlds.ab),
        skewness_guard(rows),
        interference_guard(headline(over_users), analysis.level),
    ]
    seconds = time.monotonic() - started
    known = about_run(source, environment, config, analysis, played=played, seconds=seconds)
    return ABResult(
        mode="E",
        verdict=verdict_of(
            rows, checked, level=analysis.level, guardrails=held, rule=declared_rule(analysis)
        ),
        rows=rows,
        guards=checked,
        daily=daily_rows(worlds.ab, analysis, trainings=[each.ab for each in trainings]),
        calibration=calibration_rows(worlds.ab),
        about={**known, **(about or {}), "notices": [*known["notices"], *(about or {}).get("notices", ())]},
        guardrails=held,
        trainings=training_rows(trainings, analysis),
    )


def training_rows(trainings: Sequence[Training], analysis: AnalysisConfig) -> list[dict[str, Any]]:
    """What each training says alone: seed, metric, bucket, values, lift, and its interval over users."""
    return [
        {"seed": each.seed, **{key: row[key] for key in TRAINING_KEYS}}  # type: ignore[literal-required]
        for each in trainings
        for row in analyse(each.ab, analysis, launch=each.launch, pre=each.pre)
    ]


def worst_calibration(played: Played) -> list[Guard]:
    """Do the scores come true: of the mean over trainings, and of each of them; one that fails is named."""
    found = calibration_guards(played.mean.ab)
    if len(played.trainings) < 2:
        return found
    alone = [(each.seed, calibration_guards(each.ab)) for each in played.trainings]
    for at, guard in enumerate(found):
        failed = [(seed, guards[at]) for seed, guards in alone if guards[at].has_passed is False]
        if failed and guard.has_passed is not False:
            seed, worst = failed[0]
            found[at] = replace(worst, words=f"Training {seed}: {worst.words}")
    return found


def declared_rule(analysis: AnalysisConfig) -> str:
    """The order of tests in words."""
    correction = analysis.hierarchy.correction
    return rule_words(analysis.primary, analysis.guardrails, level=analysis.level, correction=correction)


def resplit_guards(
    control: UserTotals, config: ABConfig, analysis: AnalysisConfig, n_resplits: int
) -> list[Guard]:
    """The A/A guards on the world where everybody has the control; one that says so where they are off."""
    if n_resplits == 0:
        return [Guard("A/A rejections", None, "5 %", None, "Switched off (--no-aa).")]
    return aa_guards(control, config.treatment_share, n_splits=n_resplits, metrics=analysis.metrics)
