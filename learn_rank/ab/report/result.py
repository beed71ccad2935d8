"""What an offline A/B run found: plain rows, checked once, the same in memory, on the page and as JSON."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learn_rank.ab.report.verdict import ABVerdict
from learn_recall.files.whole_files import read_json, write_json

if TYPE_CHECKING:
    from learn_rank.ab.statistics.guards import Guard

FORMAT = "learn_rank.ab/2"
MODES = ("R", "E", "D")
ROW_KEYS = (
    *("metric", "bucket_kind", "bucket", "role", "control", "treatment", "delta", "low", "high"),
    *("relative", "relative_low", "relative_high", "p", "p_family", "p_adjusted"),
    *("n_users_control", "n_users_treatment", "clicks_control", "clicks_treatment"),
    *("conversions_control", "conversions_treatment", "power", "mde", "launch", "flag"),
)
_INFERENCE = ("p", "p_family", "p_adjusted", "power", "mde")


@dataclass(frozen=True, eq=False)
class ABResult:
    """An A/B simulation, judged.

    Definition: control is arm "a", treatment is arm "b". Undefined numbers are None: NaN that was given
    becomes None, an infinite number is refused. The rows are copies; what was given is left as it was.

    Args:
        mode: the kind of evidence: "R" randomised log, "E" calibrated environment, "D" deterministic log.
        verdict: what may be said.
        rows: one dict per metric and bucket with the keys ``ROW_KEYS``.
        guards: what was checked, with value and limit.
        daily: lift per day and cumulated, per metric.
        calibration: observed against expected per arm and bucket.
        estimates: rows of the off-policy estimators (mode R).
        about: config, source, environment, counts, exclusions, spend, versions.
        guardrails: what must hold besides the primary metric, rows of `guardrail_row`.
        trainings: what each training of both arms says alone, one row per seed, metric and bucket; its
            interval holds the traffic alone.

    Raises:
        ValueError: an unknown mode, a row with missing or unknown keys, an infinite number, two rows for one
            metric and bucket, or a p-value, power or MDE in mode D, where none exists.

    Example:
        >>> result = ABResult("D", ABVerdict("descriptive only", ("No propensities.",)), about={"n_rows": 3})
        >>> result.mode, result.rows, result.about
        ('D', (), {'n_rows': 3})
    """

    mode: str
    verdict: ABVerdict
    rows: Sequence[Mapping[str, Any]] = ()
    guards: Sequence[Guard] = ()
    daily: Sequence[Mapping[str, Any]] = ()
    calibration: Sequence[Mapping[str, Any]] = ()
    estimates: Sequence[Mapping[str, Any]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    guardrails: Sequence[Mapping[str, Any]] = ()
    trainings: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {self.mode!r}.")
        for name in ("rows", "daily", "calibration", "estimates", "guardrails", "trainings"):
            rows = tuple(
                plain_value(dict(row), f"{name}[{at}]") for at, row in enumerate(getattr(self, name))
            )
            object.__setattr__(self, name, rows)
        object.__setattr__(self, "guards", tuple(_plain_guard(guard) for guard in self.guards))
        object.__setattr__(self, "about", plain_value(dict(self.about), "about"))
        self._check_rows()
        if self.mode == "D":
            self._check_that_nothing_is_inferred()

    def _check_rows(self) -> None:
        seen: set[tuple[str, ...]] = set()
        for at, row in enumerate(self.rows):
            missing, unknown = sorted(set(ROW_KEYS) - set(row)), sorted(set(row) - set(ROW_KEYS))
            if missing or unknown:
                raise ValueError(f"rows[{at}]: expected the keys ROW_KEYS, got {missing=}, {unknown=}.")
            place = (row["metric"], row["bucket_kind"], row["bucket"])
            if place in seen:
                raise ValueError(f"rows[{at}]: expected one row per metric and bucket, got {place} twice.")
            seen.add(place)

    def _check_that_nothing_is_inferred(self) -> None:
        for name in ("rows", "estimates", "daily"):
            for at, row in enumerate(getattr(self, name)):
                found = [key for key in _INFERENCE if row.get(key) is not None]
                if found:
                    raise ValueError(
                        f"{name}[{at}]: expected no {', '.join(found)} in mode D, because a deterministic "
                        "log identifies no effect. Remedy: log propensities and use mode R."
                    )

    @property
    def failed(self) -> tuple[Guard, ...]:
        """The guards that failed; one is enough to make the verdict invalid."""
        return tuple(guard for guard in self.guards if guard.has_passed is False)

    @property
    def training_seeds(self) -> list[int]:
        """Of the trainings, in their order."""
        return list(dict.fromkeys(row["seed"] for row in self.trainings))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values, the keys in the order of the page."""
        verdict = verdict_dict(self.verdict)
        return {
            "format": FORMAT,
            "mode": self.mode,
            "verdict": verdict,
            "guardrails": list(self.guardrails),
            "rows": list(self.rows),
            "trainings": list(self.trainings),
            "guards": [dataclasses.asdict(guard) for guard in self.guards],
            "daily": list(self.daily),
            "calibration": list(self.calibration),
            "estimates": list(self.estimates),
            "about": dict(self.about),
        }


def write_result(path: str | os.PathLike[str], result: ABResult) -> None:
    """Write a result as strict JSON, whole or not at all; undefined numbers are null."""
    write_json(path, result.as_dict())


def read_result(path: str | os.PathLike[str]) -> ABResult:
    """Read a result back, so that its page and table can be made anew.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no result of this format.
    """
    from learn_rank.ab.statistics.guards import (  # noqa: PLC0415 - statistics are needed by nobody who only writes
        Guard,
    )

    content = read_json(path)
    got = content.get("format") if isinstance(content, dict) else type(content).__name__
    if got != FORMAT:
        raise ValueError(f"{path}: expected the format {FORMAT!r}, got {got!r}. Remedy: run `learn-rank ab`.")
    return ABResult(
        content["mode"],
        ABVerdict(**content["verdict"]),
        content["rows"],
        [Guard(**guard) for guard in content["guards"]],
        content["daily"],
        content["calibration"],
        content["estimates"],
        content["about"],
        content["guardrails"],
        content.get("trainings", ()),  # older files have none
    )


def verdict_dict(verdict: ABVerdict) -> dict[str, Any]:
    """A verdict as plain JSON values."""
    return {"status": verdict.status, "words": list(verdict.words), "rule": verdict.rule}


def _plain_guard(guard: Guard) -> Guard:
    return dataclasses.replace(guard, **plain_value(dataclasses.asdict(guard), f"guard {guard.name!r}"))


def plain_value(value: Any, where: str) -> Any:
    """The value as JSON knows it, NaN as None; ``where`` names it in an error.

    Raises:
        ValueError: an infinite number, or something that JSON does not know.

    Example:
        >>> plain_value({"p": float("nan"), "days": (1, 2)}, "row")
        {'p': None, 'days': [1, 2]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner, f"{where}[{str(key)!r}]") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(inner, f"{where}[{at}]") for at, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f"{where}: expected a finite number, NaN or None, got {value}.")
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{where}: expected strings, numbers, lists and dicts, got {type(value).__name__}.")
