"""What `learn-rank ab` can be given, each made into a judged result: candidates, a marketplace run, a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.read import read_untreated
from learn_rank.ab.experiment.table import check_guardrails
from learn_rank.ab.logged.estimators import OffPolicyConfig
from learn_rank.ab.logged.run import run_log
from learn_rank.ab.plan.needs import Wanted
from learn_rank.ab.plan.result import PlanResult, plan_of
from learn_rank.ab.plan.size import Arms
from learn_rank.ab.plan.traffic import LoggedTraffic, SimulatedTraffic
from learn_rank.ab.plan.until import control_traffic, days_of_power, wanted_of
from learn_rank.ab.progress import day_progress
from learn_rank.ab.report.result import ABResult
from learn_rank.ab.run import run_ab
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment, KnownEnvironment
from learn_rank.ab.statistics.analysis import AnalysisConfig
from learn_rank.ab.statistics.guards import Guard
from learn_rank.ab.worlds import n_simulated_days
from learn_rank.report_kit.words import AUTO, BASELINE, LEARN, joined
from learn_rank.run.folder import RunFolder
from learn_rank.run.trained_seeds import trained_seeds

KNOWN = "known"
TAKEN_FROM = {AUTO: (BASELINE, LEARN)}
RETRAINED = (
    "Both rankers went on learning in the night behind each day, from the marketplace's feed and from what "
    "each would have shown to everybody; new users and items have ids of their own.",
)


@dataclass(frozen=True)
class Design:
    """What is simulated and what is compared; see `run_ab`.

    ``delay_days`` None takes the mean delay that a fitted environment found in its log, else the config's.
    ``takes_all_days``: the test is as long as the candidates, whatever the config says.
    """

    config: ABConfig
    analysis: AnalysisConfig
    n_pre_days: int = 0
    n_replicas: int = 0
    n_resplits: int = 500
    delay_days: float | None = None
    takes_all_days: bool = False


@dataclass(frozen=True)
class SimulatedTest:
    """What can be simulated: candidates, the truth that answers them, the design.

    Attributes:
        source: the candidates; of several trainings, those of the first.
        truth: the environment.
        design: what is simulated.
        guards: of the environment's own gate.
        about: for the report.
        trainings: seed -> the candidates as that training of both arms scores them; empty where the
            candidates come without a seed.
    """

    source: CandidateFiles
    truth: Environment
    design: Design
    guards: list[Guard]
    about: dict[str, Any]
    trainings: Mapping[int, CandidateFiles] = field(default_factory=dict)

    @property
    def config(self) -> ABConfig:
        """Of the simulation, with the delay and the days that hold."""
        config = _with_delay(self.design.config, self.truth, self.design.delay_days)
        if not self.design.takes_all_days:
            return config
        return replace(config, n_days=max(len(self.source.days) - self.design.n_pre_days, 1))


def candidates_test(path: Path, environment: str | None, design: Design, *, command: str) -> SimulatedTest:
    """A test of the two rankers whose scores a parquet file holds.

    Args:
        path: see `CandidateFiles`.
        environment: "known", or the folder of a fitted environment.
        design: what is simulated.
        command: for the report.
    """
    truth, guards = open_environment(environment, design.config)
    about = {"title": path.name, "command": command, "source": {"candidates": str(path)}}
    return SimulatedTest(CandidateFiles(path), truth, design, guards, about)


def marketplace_test(
    run: Path,
    arms: tuple[str, str],
    design: Design,
    *,
    n_requests_per_day: int = 3000,
    retrains: bool = False,
    n_trainings: int | None = None,
    command: str,
) -> SimulatedTest:
    """A test of two arms that a marketplace run trained, in the marketplace whose truth is known.

    The candidates are written to the run's folder ``ab``; their warm-up days stand before the test.

    Args:
        run: folder of ``learn-rank run --dataset marketplace``.
        arms: names of control and treatment.
        design: what is simulated.
        n_requests_per_day: visits of the users who are there on the first day.
        retrains: both arms go on learning in the night behind each day (`live_through`).
        n_trainings: how many of the run's trainings of both arms are played, the first seeds; None for all.
        command: for the report.

    Raises:
        ValueError: fewer than 1, more than there are, or an arm that was not trained.
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
        training_seeds=seeds_of(run, arms, n_trainings),
    )
    paths = marketplace_candidates(run, run / "ab", control=control, treatments=(treatment,), test=test)
    about = {
        "title": f"{control} against {treatment} on the generated marketplace",
        "command": command,
        "source": {"run": str(run), "control": control, "treatment": treatment, "retrained daily": retrains},
        "notices": RETRAINED if retrains else (),
    }
    trainings = {seed: CandidateFiles(path) for seed, path in paths[treatment].items()}
    source = trainings[test.training_seeds[0]]
    return SimulatedTest(source, marketplace_environment(run), design, [], about, trainings)


def seeds_of(run: Path, arms: Sequence[str], n_trainings: int | None) -> tuple[int, ...]:
    """The first seeds with which a run trained all of some arms; of an arm that it lacks, the first alone.

    Raises:
        ValueError: fewer than 1 wanted, or more than there are.
    """
    found = trained_seeds(RunFolder(run), arms, (0,))
    if n_trainings is not None and not 1 <= n_trainings <= len(found):
        trained = list(dict.fromkeys(name for arm in arms for name in (TAKEN_FROM.get(arm) or (arm,))))
        raise ValueError(
            f"--training-seeds: expected 1 to {len(found)}, as many seeds as {run} trained {joined(arms)} "
            f"with, got {n_trainings}. Remedy: learn-rank train {run} --arms {','.join(trained)} --seeds "
            f"{max(n_trainings, 1)} trains more."
        )
    return found[:n_trainings]


def judge(test: SimulatedTest, *, until_power: float | None = None) -> ABResult:
    """Simulate a test and judge it.

    Args:
        test: what is simulated.
        until_power: the power at which the days end, within those of the design; None for all of them.
    """
    design, config, about = test.design, test.config, test.about
    if until_power is not None:
        wanted = wanted_of(config, design.analysis, until_power)
        config, said = days_of_power(_control(test, config), config, wanted)
        about = {**about, "notices": [*about.get("notices", ()), said], "until_power": until_power}
    n_replicas = design.n_replicas if hasattr(test.truth, "replicas") else 0
    n_trainings = max(len(test.trainings), 1)
    with day_progress(n_simulated_days(config, design.n_pre_days, n_replicas, n_trainings)) as on_day:
        return run_ab(
            test.trainings if test.trainings else test.source,
            test.truth,
            config,
            design.analysis,
            n_pre_days=design.n_pre_days,
            n_replicas=n_replicas,
            n_resplits=design.n_resplits,
            guards=test.guards,
            about=about,
            on_day=on_day,
        )


def plan(test: SimulatedTest, power: float = 0.8) -> PlanResult:
    """How large a simulated test must be, from the control's world; no treatment is played."""
    traffic = _control(test, test.config)
    notices = [
        *test.about.get("notices", ()),
        "The traffic is simulated, in one truth: people may vary more than its users do.",
    ]
    if traffic.pre is not None:
        notices.append(
            "What users did before the test is taken out of the noise, as the test will do (CUPED)."
        )
    wanted = wanted_of(test.config, test.design.analysis, power)
    return plan_of(
        traffic, wanted, about={**test.about, "title": f"Plan: {test.about['title']}", "notices": notices}
    )


def plan_of_log(
    path: Path, declared: Declaration, arms: Arms, power: float = 0.8, *, command: str
) -> PlanResult:
    """How large a real test must be, from outcomes of a time without one.

    Args:
        path: see `read_untreated`.
        declared: the design.
        arms: the designed shares.
        power: the chance wanted.
        command: for the report.
    """
    outcomes, metrics = read_untreated(path, declared)
    by_name = {metric.name: metric for metric in metrics}
    check_guardrails(declared, metrics)
    wanted = Wanted(
        tuple(by_name),
        metrics[0].name,
        arms,
        declared.guardrails,
        declared.declared_lift,
        power,
        declared.level,
    )
    notices = []
    if declared.primary is None:
        notices.append(
            f"No primary metric was declared: {metrics[0].name} comes first. Declare it: --primary."
        )
    about = {"title": f"Plan: {path.name}", "command": command, "source": {"outcomes": str(path)}}
    counts = {"counts": outcomes.counts, "notices": notices}
    return plan_of(LoggedTraffic(outcomes, by_name), wanted, about={**about, **counts})


def _control(test: SimulatedTest, config: ABConfig) -> SimulatedTraffic:
    n_pre_days = test.design.n_pre_days
    with day_progress(n_pre_days + config.n_days) as on_day:
        return control_traffic(test.source, test.truth, config, n_pre_days=n_pre_days, on_day=on_day)


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


def _with_delay(config: ABConfig, truth: Environment, delay_days: float | None) -> ABConfig:
    of_log = getattr(truth, "card", {}).get("conversion_delay_days")
    chosen = of_log if delay_days is None else delay_days
    return config if chosen is None else replace(config, conversion_delay_days=chosen)
