"""What an experiment showed: plain rows, the same in memory, on the page and as JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learn_rank.ab.experiment.report.verdict import overall
from learn_rank.ab.report.result import plain_value, verdict_dict
from learn_rank.ab.report.verdict import ABVerdict
from learn_rank.ab.statistics.guards import Guard
from learn_recall.files.whole_files import read_json, write_json

__all__ = ["FORMAT", "MODE", "ExperimentResult", "read_experiment", "write_experiment"]

FORMAT, MODE = "learn_rank.experiment/2", "O"


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """A real experiment, judged (mode O). Undefined numbers are None.

    Args:
        verdicts: treatment -> what may be said of it.
        rows: of `table`, with the always-valid ends of the primary and other rows over all users.
        guards: what was checked.
        estimates: each difference in all ways of taking noise out, of `estimate_rows`.
        daily: of `look_rows`.
        novelty: of `novelty_rows`.
        wear: of `wear_rows`.
        about: design, counts, notices, provenance.
        guardrails: what must hold besides the primary, of `guardrail_rows`.
    """

    verdicts: Mapping[str, ABVerdict]
    rows: Sequence[Mapping[str, Any]] = ()
    guards: Sequence[Guard] = ()
    estimates: Sequence[Mapping[str, Any]] = ()
    daily: Sequence[Mapping[str, Any]] = ()
    novelty: Sequence[Mapping[str, Any]] = ()
    wear: Sequence[Mapping[str, Any]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    guardrails: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        for name in ("rows", "estimates", "daily", "novelty", "wear", "about", "guardrails"):
            object.__setattr__(self, name, plain_value(getattr(self, name), name))
        guards = tuple(
            dataclasses.replace(guard, **plain_value(dataclasses.asdict(guard), guard.name))
            for guard in self.guards
        )
        object.__setattr__(self, "guards", guards)

    @property
    def status(self) -> str:
        """One status for all treatments."""
        return overall(self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values, in the order of the page."""
        return {
            "format": FORMAT,
            "mode": MODE,
            "verdicts": {arm: verdict_dict(each) for arm, each in self.verdicts.items()},
            "guardrails": self.guardrails,
            "rows": self.rows,
            "guards": [dataclasses.asdict(guard) for guard in self.guards],
            "estimates": self.estimates,
            "daily": self.daily,
            "novelty": self.novelty,
            "wear": self.wear,
            "about": self.about,
        }


def write_experiment(path: str | os.PathLike[str], result: ExperimentResult) -> None:
    """Write a result as strict JSON, whole or not at all; undefined numbers are null."""
    write_json(path, result.as_dict())


def read_experiment(path: str | os.PathLike[str]) -> ExperimentResult:
    """Read a result back.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no result of this format.
    """
    content = read_json(path)
    got = content.get("format") if isinstance(content, dict) else type(content).__name__
    if got != FORMAT:
        raise ValueError(
            f"{path}: expected the format {FORMAT!r}, got {got!r}. Remedy: run `learn-rank ab --experiment`."
        )
    verdicts = {arm: ABVerdict(**each) for arm, each in content["verdicts"].items()}
    names = ("rows", "estimates", "daily", "novelty", "wear", "about", "guardrails")
    parts = {name: content[name] for name in names}
    return ExperimentResult(verdicts, guards=[Guard(**guard) for guard in content["guards"]], **parts)
