"""What is declared before an experiment is looked at: arms, shares, metrics, buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from learn_rank.ab.hierarchy.declaration import Guardrail, Hierarchy

__all__ = ["ADJUSTMENTS", "COLUMNS", "Declaration", "bucket_of", "shares_of"]

ADJUSTMENTS = ("cuped", "cupac", "none")
COLUMNS = ("user_id", "arm", "day")


@dataclass(frozen=True)
class Declaration:
    """The design of an experiment.

    Args:
        control: the arm that is there today; None where one is called "control".
        shares: the designed share of users: one number for every treatment, or numbers by arm; None for equal
            shares.
        primary: the metric that decides, tested at its full level; None for the first.
        guardrails: what must hold besides (`Hierarchy`).
        correction: "holm" or "bh", of the metrics and of the buckets behind the primary.
        metrics: further metrics, as `metrics.metric_of` reads them.
        standard: names of the standard metrics that are wanted; None for all whose columns are there.
        buckets: columns, frozen before the first exposure; ``NAME=LOW..HIGH`` cuts a number in two.
        covariates: columns with what was known of a user before the test.
        adjust: "cuped", "cupac" or "none": what takes noise out of the estimate that is judged.
        columns: name here -> name in the file.
        is_row_a_user: the file has one row a user and no user_id.
        level: of the intervals.
        declared_lift: the relative lift whose power is printed, > 0.
        seed: of CUPAC's folds.

    Raises:
        ValueError: a number outside its range, or a name that is not known.
    """

    control: str | None = None
    shares: float | Mapping[str, float] | None = None
    primary: str | None = None
    guardrails: tuple[Guardrail, ...] = ()
    correction: str = "holm"
    metrics: Sequence[str] = ()
    standard: Sequence[str] | None = None
    buckets: Sequence[str] = ()
    covariates: Sequence[str] = ()
    adjust: str = "cuped"
    columns: Mapping[str, str] = field(default_factory=dict)
    is_row_a_user: bool = False
    level: float = 0.95
    declared_lift: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        Hierarchy(self.primary, self.guardrails, self.correction)
        if not 0 < self.level < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {self.level}. Remedy: use .95.")
        if not 0 < self.declared_lift < math.inf:
            raise ValueError(
                f"declared_lift: expected a number > 0, got {self.declared_lift}. Remedy: use .02."
            )
        if self.adjust not in ADJUSTMENTS:
            raise ValueError(
                f"adjust: expected one of {', '.join(ADJUSTMENTS)}, got {self.adjust!r}. Remedy: cuped."
            )
        for text in self.buckets:
            bucket_of(text)


def shares_of(given: float | Mapping[str, float] | None, arms: Sequence[str]) -> tuple[float, ...]:
    """The designed share of each arm, the control first.

    Args:
        given: see `Declaration`.
        arms: names, the control first.

    Raises:
        ValueError: shares of arms that are not there, or that leave nothing for the control.

    Example:
        >>> shares_of(None, ["control", "a", "b", "c"]), shares_of(0.2, ["control", "new"])
        ((0.25, 0.25, 0.25, 0.25), (0.8, 0.2))
        >>> shares_of({"b": 0.3, "a": 0.2}, ["control", "a", "b"])
        (0.5, 0.2, 0.3)
    """
    treatments = list(arms[1:])
    if given is None:
        return (1 / len(arms),) * len(arms)
    named = dict.fromkeys(treatments, given) if isinstance(given, int | float) else dict(given)
    unknown = [name for name in named if name not in arms]
    missing = [name for name in treatments if name not in named]
    if unknown or missing:
        raise ValueError(
            f"treatment_share: expected the share of {_listed(treatments)}, got "
            f"{_listed([f'{name}={share:g}' for name, share in named.items()])}. Remedy: "
            f'--treatment-share "{",".join(f"{name}=.2" for name in treatments)}", or leave it out for equal '
            "shares."
        )
    own = [float(named[name]) for name in treatments]
    control = float(named.get(arms[0], 1 - sum(own)))
    if min(own) <= 0 or control <= 0 or abs(control + sum(own) - 1) > 1e-3:
        raise ValueError(
            f"treatment_share: expected shares above 0 that leave some for the control {arms[0]!r}, got "
            f"{_listed([f'{name} {named[name]:g}' for name in named])} for {len(arms)} arms. Remedy: "
            "--treatment-share with the shares that the test was designed with; one number is the share of "
            "each treatment."
        )
    return (1 - sum(own), *own)


def bucket_of(text: str) -> tuple[str, tuple[float, float] | None]:
    """Column and cut of a bucket option.

    Raises:
        ValueError: a cut that is no pair of numbers.

    Example:
        >>> bucket_of("channel"), bucket_of("week=201325..201402")
        (('channel', None), ('week', (201325.0, 201402.0)))
    """
    name, sign, cut = text.partition("=")
    if not sign and name:
        return name, None
    ends = cut.split("..")
    try:
        low, high = map(float, ends)
    except ValueError:
        low, high = math.inf, -math.inf
    if not name or not low <= high:
        raise ValueError(
            f"bucket: expected a column, or NAME=LOW..HIGH, got {text!r}. Remedy: --bucket channel, or "
            "--bucket recency=0..3."
        )
    return name, (low, high)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
