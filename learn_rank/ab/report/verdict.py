"""The verdict of an A/B simulation: one status and the sentences that say why, computed from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learn_rank.ab import words
from learn_rank.ab.hierarchy.decision import (
    BETTER,
    LEVEL,
    UNGUARDED,
    WORSE,
    answer,
    decide,
    guardrail_sentences,
)
from learn_rank.ab.hierarchy.declaration import PRIMARY
from learn_rank.ab.statistics.interference import gap_words
from learn_rank.report_kit.rules import clear, find
from learn_rank.report_kit.words import (
    amount_words,
    capitalised,
    interval_words,
    joined,
    ordered_buckets,
    p_words,
    percent_words,
    share_words,
)

__all__ = [
    "BETTER",
    "CONTRAST",
    "DESCRIPTIVE",
    "HEADLINE",
    "INVALID",
    "LEVEL",
    "STATUSES",
    "UNGUARDED",
    "WORSE",
    "ABVerdict",
    "headline",
    "invalid",
    "significant",
    "significant_apart",
    "verdict_of",
    "verdict_of_log",
]

if TYPE_CHECKING:
    from learn_rank.ab.statistics.guards import Guard

INVALID, DESCRIPTIVE = "invalid", "descriptive only"
STATUSES = (BETTER, UNGUARDED, WORSE, LEVEL, INVALID, DESCRIPTIVE)
HEADLINE, CONTRAST = "SNIPS", "treatment - control"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class ABVerdict:
    """What may be said about treatment against control.

    Attributes:
        status: one of ``STATUSES``.
        words: sentences; the first is the answer, the others are its grounds.
        rule: by which it fell, as it was declared; empty where there is none, as in mode D.

    Raises:
        ValueError: an unknown status, or no sentence.

    Example:
        >>> ABVerdict("better", ("Revenue per user rose.",)).status
        'better'
    """

    status: str
    words: tuple[str, ...]
    rule: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}.")
        if not self.words or isinstance(self.words, str):
            raise ValueError(f"words: expected a tuple of sentences, got {self.words!r}.")
        object.__setattr__(self, "words", tuple(self.words))


def verdict_of(
    rows: Sequence[Row],
    guards: Iterable[Guard],
    *,
    level: float = 0.95,
    guardrails: Sequence[Row] = (),
    rule: str = "",
) -> ABVerdict:
    """The verdict of a simulation (mode E).

    Definition: invalid if any guard failed, whatever the rows say. Else the primary row and the guardrails
    decide (`decide`); the primary is better or worse where its interval excludes 0, its p is below
    ``1 - level`` and it is not flagged. Buckets and other metrics are named where the primary was found, and
    apart from the answer where it was not; they never decide.

    Args:
        rows: the rows of ``ABResult``.
        guards: what was checked.
        level: of the intervals.
        guardrails: rows of `guardrail_row`.
        rule: the declared one in words.

    Returns:
        Status and sentences.

    Example:
        >>> verdict_of([], []).status
        'no detectable difference'
    """
    failed = [guard for guard in guards if guard.has_passed is False]
    if failed:
        return invalid(failed, rule)
    row = headline(rows)
    key = words.mark(row, level)
    if row is None or key == "missing":
        said = "Nothing could be compared: no metric has an interval over all users."
        return ABVerdict(LEVEL, (said,), rule)
    name = words.short_metric_words(row["metric"])
    if key in (BETTER, WORSE):
        direction = "higher" if key == BETTER else "lower"
        said = (
            f"In this simulation {name} is {direction} with the treatment: {words.lift_words(row)}, "
            f"p {p_words(row['p_adjusted'])}."
        )
    elif key == "flagged":
        said = f"{capitalised(name)} cannot be judged: {row['flag']} (it reads {words.lift_words(row)})."
    else:
        said = f"No detectable difference in {name}: {words.lift_words(row)}."
    status = decide(key, guardrails)
    grounds = (*_edge(key, row), *guardrail_sentences(key, guardrails), *_grounds(rows, row, level))
    return ABVerdict(status, (answer(said, key, guardrails), *grounds), rule)


def verdict_of_log(
    estimates: Sequence[Row], guards: Iterable[Guard], *, reward: str = "reward", level: float = 0.95
) -> ABVerdict:
    """The verdict of a randomised log (mode R).

    Definition: invalid if any guard failed, as too few effective rows. Else the SNIPS difference of
    treatment and control on the same rows decides, at ``1 - level``; one comparison, so nothing is adjusted.

    Args:
        estimates: the rows of `estimators.estimate` for the policies control and treatment.
        guards: the overlap guards.
        reward: what was averaged, for the words.
        level: of the intervals.
    """
    failed = [guard for guard in guards if guard.has_passed is False]
    if failed:
        return invalid(failed)
    row = find(estimates, estimator=HEADLINE, policy=CONTRAST)
    if row is None or row["p"] is None:
        return ABVerdict(LEVEL, ("The log gives no interval for the difference of the two rankers.",))
    found = f"{amount_words(row['value'])} {interval_words(row['low'], row['high'], amount_words)}"
    found = f"treatment minus control {found}, p {p_words(row['p'])} ({HEADLINE})"
    if row["p"] >= 1 - level:
        return ABVerdict(LEVEL, (f"No detectable difference in {reward} per decision: {found}.",))
    status, direction = (BETTER, "higher") if row["value"] > 0 else (WORSE, "lower")
    said = f"On the logged traffic {reward} per decision would have been {direction}: {found}."
    others = [each for each in estimates if each["policy"] == CONTRAST and each["estimator"] != HEADLINE]
    listed = joined(f"{each['estimator']} {amount_words(each['value'])}" for each in others)
    return ABVerdict(status, (said, f"The other estimators read {listed}."))


def invalid(failed: Sequence[Guard], rule: str = "") -> ABVerdict:
    """The verdict where guards failed: their names, and their words as grounds."""
    names = "; ".join(guard.name for guard in failed)
    noun = "this guard" if len(failed) == 1 else "these guards"
    said = f"This result is invalid and must not be used for a decision: {noun} failed: {names}."
    grounds = (f"{capitalised(guard.name)}: {guard.words}" for guard in failed)
    return ABVerdict(INVALID, (said, *grounds), rule)


def headline(rows: Sequence[Row]) -> Row | None:
    """The row that decides: that of the primary metric over all users."""
    return find(rows, role=PRIMARY)


def significant(rows: Iterable[Row], direction: str, level: float = 0.95) -> list[Row]:
    """The rows, of any metric and bucket, that are "better" or "worse" in the declared order."""
    return clear(rows, direction, 1 - level)


def significant_apart(rows: Sequence[Row], direction: str, level: float = 0.95) -> list[Row]:
    """The same by each row's own family, whether or not the primary was found."""
    return [row for row in rows if clear([{**row, "p_adjusted": row["p_family"]}], direction, 1 - level)]


def _grounds(rows: Sequence[Row], row: Row, level: float) -> Iterable[str]:
    is_found = words.mark(row, level) in (BETTER, WORSE)
    if row["mde"] is not None:
        smaller = "" if is_found else "; a smaller one may well be there"
        yield (
            f"With this much traffic a true change of {share_words(row['mde'])} would be found in "
            f"four of five cases{smaller}."
        )
    if row["launch"] is not None:
        yield gap_words(row)
    for direction in (BETTER, WORSE):
        found = [other for other in significant(rows, direction, level) if other is not row]
        overall = [other for other in found if other["bucket_kind"] == "all"]
        if overall:
            yield f"Also {direction} over all users: {joined(_named(other) for other in overall)}."
        inside = [other for other in found if other["bucket_kind"] != "all"]
        if inside:
            yield f"{capitalised(direction)} in single buckets: {_by_bucket(inside)}."
    for direction in () if is_found else (BETTER, WORSE):
        found = [other for other in significant_apart(rows, direction, level) if other is not row]
        overall = [other for other in found if other["bucket_kind"] == "all"]
        inside = [other for other in found if other["bucket_kind"] != "all"]
        named = [_named(other) for other in overall] + ([_by_bucket(inside)] if inside else [])
        if named:
            yield (
                f"Not counted, as no difference in {words.short_metric_words(row['metric'])} was found; "
                f"corrected in their own family these are {direction}: {joined(named)}."
            )
    n_flagged = sum(words.mark(other, level) == "flagged" for other in rows)
    if n_flagged:
        yield f"{n_flagged} of {len(rows)} rows {'is' if n_flagged == 1 else 'are'} not judged: flagged."


def _edge(key: str, row: Row) -> Iterable[str]:
    """Where the test of the difference finds something and the interval of the lift still holds 0."""
    low, high = row["relative_low"], row["relative_high"]
    if key in (BETTER, WORSE) and low is not None and high is not None and low <= 0 <= high:
        delta, *ends = (amount_words(row[name]) for name in ("delta", "low", "high"))
        yield (
            f"This is a result at the edge: p is of the difference itself, {delta} [{', '.join(ends)}], and "
            "the interval of the relative lift, taken for its logarithm, still holds 0. Repeat the test "
            "before you act on it."
        )


def _named(row: Row) -> str:
    return f"{words.short_metric_words(row['metric'])} ({words.lift_words(row)})"


def _by_bucket(rows: Sequence[Row]) -> str:
    parts = []
    for kind, bucket in ordered_buckets(rows):
        own = [row for row in rows if (row["bucket_kind"], row["bucket"]) == (kind, bucket)]
        lifts = joined(
            f"{words.short_metric_words(row['metric'])} {percent_words(row['relative'])}" for row in own
        )
        parts.append(f"{words.place_words(kind, bucket)} ({lifts})")
    return joined(parts)
