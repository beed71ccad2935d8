"""From the primary and the guardrails to one status, and the rule in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from learn_rank.ab import words
from learn_rank.ab.hierarchy.declaration import CORRECTIONS, Guardrail
from learn_rank.ab.hierarchy.guardrails import HARMED, HELD, OPEN
from learn_rank.report_kit.words import capitalised, joined, share_words

__all__ = [
    "BETTER",
    "LEVEL",
    "UNGUARDED",
    "WORSE",
    "answer",
    "decide",
    "guardrail_sentences",
    "rule_words",
]

BETTER, WORSE, LEVEL = "better", "worse", "no detectable difference"
UNGUARDED = "better with an open guardrail"
Row = Mapping[str, Any]


def decide(primary: str, guardrails: Iterable[Row]) -> str:
    """The status of a test whose guards passed.

    Definition: worse where the primary is worse or a guardrail is harmed; better where the primary is better
    and all guardrails hold; "better with an open guardrail" where one of them is not shown to hold; else no
    detectable difference.

    Args:
        primary: the mark of the primary row, as ``words.mark`` gives it.
        guardrails: rows of `guardrail_row`.

    Example:
        >>> decide("better", []), decide("better", [{"state": "open"}]), decide("none", [{"state": "harmed"}])
        ('better', 'better with an open guardrail', 'worse')
    """
    states = [row["state"] for row in guardrails]
    if primary == WORSE or HARMED in states:
        return WORSE
    if primary == BETTER:
        return BETTER if all(state == HELD for state in states) else UNGUARDED
    return LEVEL


def answer(sentence: str, primary: str, guardrails: Sequence[Row]) -> str:
    """The one sentence of the verdict: what the primary says, then what the guardrails add to it.

    Args:
        sentence: of the primary, with its full stop.
        primary: its mark.
        guardrails: rows of `guardrail_row`.
    """
    harmed = [row for row in guardrails if row["state"] == HARMED]
    still_open = [row for row in guardrails if row["state"] == OPEN]
    start = sentence.removesuffix(".")
    if harmed:
        link = ", and" if primary == WORSE else ", but"
        verb = "is" if len(harmed) == 1 else "are"
        return f"{start}{link} {joined(_named(row) for row in harmed)} {verb} harmed beyond the margin."
    if primary != BETTER or not guardrails:
        return sentence
    if still_open:
        verb = "is" if len(still_open) == 1 else "are"
        return f"{start}, but {joined(_named(row) for row in still_open)} {verb} not shown to hold."
    holds = "the guardrail holds" if len(guardrails) == 1 else f"all {len(guardrails)} guardrails hold"
    return f"{start}, and {holds}."


def guardrail_sentences(primary: str, guardrails: Sequence[Row]) -> Iterable[str]:
    """Where guardrails alone keep a test from being better: why, and what a test of this size could show.

    Args:
        primary: the mark of the primary row.
        guardrails: rows of `guardrail_row`.
    """
    if decide(primary, guardrails) != UNGUARDED:
        return
    still_open = [row for row in guardrails if row["state"] == OPEN]
    for row in still_open:
        if row["flag"] is not None:
            yield f"{capitalised(row['metric'])} cannot be judged as a guardrail: {row['flag']}."
    chances = [
        f"{words.short_metric_words(row['metric'])} in {share_words(row['power'], 0)}"
        for row in still_open
        if row["flag"] is None and row["power"] is not None
    ]
    if chances:
        yield (
            "Where nothing is lost at all, tests of this size show it of "
            f"{joined(chances)} of cases; a larger one, or a wider margin declared before it, in more."
        )


def rule_words(
    primary: str,
    guardrails: Sequence[Guardrail],
    *,
    level: float = 0.95,
    correction: str = "holm",
    n_treatments: int = 1,
) -> str:
    """The rule by which the verdict falls, as it was declared.

    Example:
        >>> rule_words("revenue", [Guardrail("CTR")])[:75]
        'Revenue per user over all users decides, tested at its full level of 5.0 %.'
    """
    size = share_words(1 - level)
    several = f" (by Holm over the {n_treatments} treatments)" if n_treatments > 1 else ""
    found = [
        f"{capitalised(words.short_metric_words(primary))} over all users decides, tested at its full level "
        f"of {size}{several}."
    ]
    if guardrails:
        listed = joined(f"{str(each).replace('-', '−')}" for each in guardrails)
        found.append(
            f"Guardrails have to hold: {listed}; each is shown, one-sided at {share_words((1 - level) / 2)}, "
            "to lose less than its margin."
        )
    else:
        found.append("No guardrail was declared.")
    found.append(
        "Only where the primary is found do others count: the other metrics are one family, the buckets "
        f"another, each by {CORRECTIONS[correction]}; they never decide."
    )
    return " ".join(found)


def _named(row: Row) -> str:
    name = f"{words.short_metric_words(row['metric'])} (margin {words.margin_words(row)}"
    return f"{name}, {words.lift_words(row)})" if row["relative"] is not None else f"{name}, no interval)"
