"""What is declared before a test is looked at: the metric that decides, the guardrails, the correction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

__all__ = [
    "ALIASES",
    "BUCKET",
    "CORRECTIONS",
    "DEFAULT_MARGIN",
    "PRIMARY",
    "SECONDARY",
    "Guardrail",
    "Hierarchy",
    "guardrail_of",
    "guardrails_from",
    "known_name",
]

PRIMARY, SECONDARY, BUCKET = "primary", "secondary", "bucket"
CORRECTIONS = {"holm": "Holm", "bh": "Benjamini and Hochberg"}
DEFAULT_MARGIN = 0.05
ALIASES = {"revenue_per_user": "revenue", "conversions_per_user": "conversions", "ctr": "CTR", "cvr": "CVR"}
_LESS = "less:"
_NONE = "none"


@dataclass(frozen=True)
class Guardrail:
    """A metric that the treatment must not harm by more than a margin.

    Args:
        metric: its name.
        margin: the relative loss over all users that would still be borne, between 0 and 1.
        is_less_better: whether a rise is the harm, as of a cost.

    Raises:
        ValueError: a margin outside 0 .. 1.

    Example:
        >>> str(Guardrail("CTR", 0.05)), str(Guardrail("complaints", 0.02, is_less_better=True))
        ('CTR -5 %', 'complaints +2 %')
    """

    metric: str
    margin: float = DEFAULT_MARGIN
    is_less_better: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1:
            raise ValueError(
                f"guardrail: expected a margin above 0 and below 1 for {self.metric!r}, got {self.margin:g}. "
                f"Remedy: --guardrail {self.metric}=.05 bears a loss of 5 %; the direction is in the metric "
                "and not in the sign."
            )

    def __str__(self) -> str:
        return f"{self.metric} {'+' if self.is_less_better else '-'}{100 * self.margin:g} %"


@dataclass(frozen=True)
class Hierarchy:
    """The order in which the metrics of a test are asked.

    Args:
        primary: the metric that decides, tested at its full level; None for the first.
        guardrails: what must hold besides; None for what the kind of test has by itself.
        correction: of the metrics and of the buckets behind it: "holm", the chance of any false alarm among
            them, or "bh", the share of false alarms among the alarms.

    Raises:
        ValueError: an unknown correction, a guardrail twice, or the primary metric as its own guardrail.
    """

    primary: str | None = None
    guardrails: tuple[Guardrail, ...] | None = None
    correction: str = "holm"

    def __post_init__(self) -> None:
        if self.correction not in CORRECTIONS:
            raise ValueError(
                f"correction: expected one of {', '.join(CORRECTIONS)}, got {self.correction!r}. "
                "Remedy: holm."
            )
        names = [each.metric for each in self.guardrails or ()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"guardrail: expected each metric once, got {twice!r} twice. Remedy: leave one out."
            )
        if self.primary is not None:
            self.check_apart(known_name(self.primary))

    def check_apart(self, primary: str) -> None:
        """Refuse a primary metric that is a guardrail as well.

        Raises:
            ValueError: it is.
        """
        if primary in (each.metric for each in self.guardrails or ()):
            raise ValueError(
                f"guardrail: expected metrics besides the primary one, got {primary!r}, which decides. "
                "Remedy: leave it out; a metric that is tested for a gain is tested for a loss as well."
            )

    def guardrails_or(self, usual: Sequence[Guardrail], primary: str) -> tuple[Guardrail, ...]:
        """The declared guardrails, else the usual ones but the primary."""
        if self.guardrails is None:
            return tuple(each for each in usual if each.metric != primary)
        self.check_apart(primary)
        return self.guardrails


def known_name(text: str) -> str:
    """The name of a metric, as it is printed.

    Example:
        >>> known_name("revenue_per_user"), known_name(" cvr "), known_name("spend")
        ('revenue', 'CVR', 'spend')
    """
    return ALIASES.get(text.strip(), text.strip())


def guardrail_of(text: str) -> Guardrail:
    """The guardrail that an option names: METRIC, METRIC=MARGIN, or less:METRIC=MARGIN where less is better.

    Raises:
        ValueError: no name, or a margin that is no number between 0 and 1.

    Example:
        >>> guardrail_of("ctr=.02"), guardrail_of("less:complaints").is_less_better
        (Guardrail(metric='CTR', margin=0.02, is_less_better=False), True)
    """
    name, sign, margin = text.strip().partition("=")
    is_less_better = name.startswith(_LESS)
    name = known_name(name.removeprefix(_LESS))
    try:
        number = float(margin) if sign else DEFAULT_MARGIN
    except ValueError:
        name = ""
    if not name:
        raise ValueError(
            f"guardrail: expected METRIC=MARGIN, got {text!r}. Remedy: --guardrail CTR=.05, or --guardrail "
            "less:complaints=.05 where less is better."
        )
    return Guardrail(name, number, is_less_better)


def guardrails_from(
    texts: Collection[str] | None, known: Sequence[Guardrail] | None = None
) -> tuple[Guardrail, ...] | None:
    """The guardrails of an option that may be repeated.

    Args:
        texts: what was given; "none" for no guardrail.
        known: those of a kind of test that has its own; others are refused, a name that begins several
            means all of them, and the direction is theirs. None where any metric may be one.

    Returns:
        None where nothing was given.

    Raises:
        ValueError: what `guardrail_of` refuses, or a name that is none of ``known``.

    Example:
        >>> usual = [Guardrail("CTR"), Guardrail("cost over target", is_less_better=True)]
        >>> [str(each) for each in guardrails_from(["cost=.1"], usual)], guardrails_from(["none"])
        (['cost over target +10 %'], ())
    """
    if not texts:
        return None
    if [text.strip() for text in texts] == [_NONE]:
        return ()
    found: list[Guardrail] = []
    for text in texts:
        one = guardrail_of(text)
        if known is None:
            found.append(one)
            continue
        exact = [each for each in known if each.metric == one.metric]
        meant = exact or [each for each in known if each.metric.startswith(f"{one.metric} ")]
        if not meant:
            raise ValueError(
                f"guardrail: expected some of {', '.join(each.metric for each in known)}, got "
                f"{one.metric!r}. Remedy: choose; cost and calibration are enough of "
                "their names, none for no guardrail."
            )
        found += [Guardrail(each.metric, one.margin, each.is_less_better) for each in meant]
    return tuple(found)
