"""The worlds of a simulated test: users split, both launches, the days before; of one training or several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from learn_rank.ab.candidates.day import CandidateSource
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.retraining import Training, mean_world

__all__ = ["OnDay", "Played", "Worlds", "n_simulated_days", "play", "simulate_worlds"]

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


@dataclasses.dataclass(frozen=True)
class Played:
    """The worlds of all trainings.

    Attributes:
        mean: of the worlds, over trainings; those of the one training where there is one.
        trainings: each of them; empty where candidates came without a seed.
    """

    mean: Worlds
    trainings: tuple[Training, ...]


def play(
    sources: CandidateSource | Mapping[int, CandidateSource],
    environment: Environment,
    config: ABConfig,
    *,
    n_pre_days: int,
    n_replicas: int,
    on_day: OnDay | None,
) -> Played:
    """Every training's worlds, and their mean; arguments as of `learn_rank.ab.run.run_ab`.

    Raises:
        ValueError: no training; several, and refitted truths too; or other users, arms or requests in them.
    """
    given = sources if isinstance(sources, Mapping) else {0: sources}
    replicas = replicas_of(environment, n_replicas)
    if not given or (replicas and len(given) > 1):
        raise ValueError(
            "trainings: expected at least one, and only one where refits of the environment count, got "
            f"{len(given)} and {len(replicas)} refits. Remedy: n_replicas=0, or one training."
        )
    played = {
        seed: simulate_worlds(
            source, environment, config, n_pre_days=n_pre_days, replicas=replicas, on_day=on_day
        )
        for seed, source in given.items()
    }
    every = list(played.values())
    before = [worlds.pre for worlds in every if worlds.pre is not None]
    mean = Worlds(
        ab=mean_world([worlds.ab for worlds in every]),
        a=mean_world([worlds.a for worlds in every]),
        b=mean_world([worlds.b for worlds in every]),
        pre=mean_world(before) if before else None,
        replicas=every[0].replicas,
    )
    trainings = tuple(
        Training(seed, worlds.ab, worlds.pre, (worlds.a, worlds.b)) for seed, worlds in played.items()
    )
    return Played(mean, trainings if isinstance(sources, Mapping) else ())


def n_simulated_days(config: ABConfig, n_pre_days: int, n_replicas: int, n_trainings: int = 1) -> int:
    """How often ``on_day`` will be called, for a progress bar."""
    return n_trainings * (n_pre_days + config.n_days * (3 + n_replicas))


def simulate_worlds(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig,
    *,
    n_pre_days: int,
    replicas: Sequence[Environment],
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
        replicas=tuple(world("ab", replica, label="replica") for replica in replicas),
    )


def replicas_of(environment: Environment, n: int) -> Sequence[Environment]:
    """Refitted truths, none where the environment has no such method or n is 0."""
    make = getattr(environment, "replicas", None)
    return () if make is None or n == 0 else tuple(make(n))
