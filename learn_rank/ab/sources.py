"""What `learn-rank ab` can be given, each made into a judged result: candidates, a marketplace run, a log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.logged.estimators import OffPolicyConfig
from learn_rank.ab.logged.run import run_log
from learn_rank.ab.progress import day_progress
from learn_rank.ab.report.result import ABResult
from learn_rank.ab.run import n_simulated_days, run_ab
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment, KnownEnvironment
from learn_rank.ab.statistics.analysis import AnalysisConfig
from learn_rank.ab.statistics.guards import Guard

KNOWN = "known"
RETRAINED = (
    "Both rankers went on learning in the night behind each day, from the marketplace's feed and from what "
    "each would have shown to everybody; new users and items have ids of their own.",
)


@dataclass(frozen=True)
class Design:
    """What is simulated and what is compared; see `run_ab`.

    ``delay_days`` None takes the mean delay that a fitted environment found in its log, else the config's.
    """

    config: ABConfig
    analysis: AnalysisConfig
    n_pre_days: int = 0
    n_replicas: int = 0
    n_resplits: int = 500
    delay_days: float | None = None


def from_candidates(path: Path, environment: str | None, design: Design, *, command: str) -> ABResult:
    """A test of the two rankers whose scores a parquet file holds.

    Args:
        path: see `CandidateFiles`.
        environment: "known", or the folder of a fitted environment.
        design: what is simulated.
        command: for the report.
    """
    truth, guards = open_environment(environment, design.config)
    about = {"title": path.name, "command": command, "source": {"candidates": str(path)}}
    return _run(CandidateFiles(path), truth, design, guards, about)


def from_marketplace(
    run: Path,
    arms: tuple[str, str],
    design: Design,
    *,
    n_requests_per_day: int = 3000,
    retrains: bool = False,
    command: str,
) -> ABResult:
    """A test of two arms that a marketplace run trained, in the marketplace whose truth is known.

    The candidates are written to the run's folder ``ab``; their warm-up days stand before the test.

    Args:
        run: folder of ``learn-rank run --dataset marketplace``.
        arms: names of control and treatment.
        design: what is simulated.
        n_requests_per_day: visits of the users who are there on the first day.
        retrains: both arms go on learning in the night behind each day (`live_through`).
        command: for the report.
    """
    from learn_rank.ab.marketplace.candidates import (  # noqa: PLC0415 - torch, for the marketplace alone
        MarketplaceTest,
        marketplace_candidates,
        marketplace_environment,
    )

    control, treatment = arms
    test = MarketplaceTest(
        n_days=design.config.n_days,
        n_requests_per_day=n_requests_per_day,
        retrains=retrains,
        seed=design.config.seed,
    )
    paths = marketplace_candidates(run, run / "ab", control=control, treatments=(treatment,), test=test)
    about = {
        "title": f"{control} against {treatment} on the generated marketplace",
        "command": command,
        "source": {"run": str(run), "control": control, "treatment": treatment, "retrained daily": retrains},
        "notices": RETRAINED if retrains else (),
    }
    return _run(CandidateFiles(paths[treatment]), marketplace_environment(run), design, [], about)


def from_log(path: Path, reward: str, level: float, *, command: str) -> ABResult:
    """Mode R or D, from a log of decisions; see `run_log`."""
    return run_log(path, reward, OffPolicyConfig(level), about={"title": path.name, "command": command})


def open_environment(name: str | None, config: ABConfig) -> tuple[Environment, list[Guard]]:
    """The environment of that name, and the guards of its own gate.

    Raises:
        ValueError: none was named, or one whose gate failed.
        FileNotFoundError: neither "known" nor such a folder.
    """
    if name is None:
        raise ValueError(
            "--environment: expected known or the folder of a fitted environment, got none. Remedy: "
            "--environment known where the candidates have p_click and p_conversion; else learn-rank "
            "fit-environment LOG --out FOLDER first."
        )
    if name == KNOWN:
        return KnownEnvironment(config.slot_effect), []
    from learn_rank.ab.fitted_environment.fit import open_fitted_environment  # noqa: PLC0415 - scikit-learn

    fitted = open_fitted_environment(name)
    return fitted, [fitted.guard]


def _run(
    source: CandidateFiles, truth: Environment, design: Design, guards: list[Guard], about: dict[str, Any]
) -> ABResult:
    n_replicas = design.n_replicas if hasattr(truth, "replicas") else 0
    config = _with_delay(design.config, truth, design.delay_days)
    with day_progress(n_simulated_days(config, design.n_pre_days, n_replicas)) as on_day:
        return run_ab(
            source,
            truth,
            config,
            design.analysis,
            n_pre_days=design.n_pre_days,
            n_replicas=n_replicas,
            n_resplits=design.n_resplits,
            guards=guards,
            about=about,
            on_day=on_day,
        )


def _with_delay(config: ABConfig, truth: Environment, delay_days: float | None) -> ABConfig:
    of_log = getattr(truth, "card", {}).get("conversion_delay_days")
    chosen = of_log if delay_days is None else delay_days
    return config if chosen is None else replace(config, conversion_delay_days=chosen)
