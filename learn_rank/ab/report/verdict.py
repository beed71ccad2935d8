"""The verdict of an A/B simulation: one status and the sentences that say why, computed from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learn_rank.ab import words
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

if TYPE_CHECKING:
    from learn_rank.ab.statistics.guards import Guard

BETTER, WORSE, LEVEL = "better", "worse", "no detectable difference"
INVALID, DESCRIPTIVE = "invalid", "descriptive only"
STATUSES = (BETTER, WORSE, LEVEL, INVALID, DESCRIPTIVE)
HEADLINE, CONTRAST = "SNIPS", "treatment - control"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class ABVerdict:
    """What may be said about treatment against control.

    Attributes:
        status: one of ``STATUSES``.
        words: sentences; the first is the answer, the others are its grounds.

    Raises:
        ValueError: an unknown status, or no sentence.

    Example:
        >>> ABVerdict("better", ("Revenue per user rose.",)).status
        'better'
    """

    status: str
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}.")
        if not self.words or isinstance(self.words, str):
            raise ValueError(f"words: expected a tuple of sentences, got {self.words!r}.")
        object.__setattr__(self, "words", tuple(self.words))


def verdict_of(rows: Sequence[Row], guards: Iterable[Guard], *, level: float = 0.95) -> ABVerdict:
    """The verdict of a simulation (mode E).

    Definition: invalid if any guard failed, whatever the rows say. Else the first metric of the family
    (``words.METRIC_ORDER``: revenue per user where it was measured) over all users decides: better or worse
    where its interval excludes 0, its Holm-adjusted p is below ``1 - level`` and it is not flagged; no
    detectable difference otherwise. Buckets and other metrics are named, but they never decide.

    Args:
        rows: the rows of ``ABResult``.
        guards: what was checked.
        level: of the intervals.

    Returns:
        Status and sentences.

    Example:
        >>> verdict_of([], []).status
        'no detectable difference'
    """
    failed = [guard for guard in guards if guard.has_passed is False]
    if failed:
        return invalid(failed)
    row = headline(rows)
    key = words.mark(row, level)
    if row is None or key == "missing":
        return ABVerdict(LEVEL, ("Nothing could be compared: no metric has an interval over all users.",))
    name = words.short_metric_words(row["metric"])
    if key in (BETTER, WORSE):
        direction = "higher" if key == BETTER else "lower"
        answer = (
            f"In this simulation {name} is {direction} with the treatment: {words.lift_words(row)}, "
            f"adjusted p {p_words(row['p_adjusted'])}."
        )
    elif key == "flagged":
        answer = f"{capitalised(name)} cannot be judged: {row['flag']} (it reads {words.lift_words(row)})."
    elif key.startswith("hint"):
        n_family = sum(other["p_adjusted"] is not None for other in rows)
        answer = (
            f"No detectable difference in {name} after correction for {n_family} comparisons: "
            f"{words.lift_words(row)}, adjusted p {p_words(row['p_adjusted'])}."
        )
    else:
        answer = f"No detectable difference in {name}: {words.lift_words(row)}."
    status = key if key in (BETTER, WORSE) else LEVEL
    return ABVerdict(status, (answer, *_grounds(rows, row, status, level)))


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
    answer = f"On the logged traffic {reward} per decision would have been {direction}: {found}."
    others = [each for each in estimates if each["policy"] == CONTRAST and each["estimator"] != HEADLINE]
    listed = joined(f"{each['estimator']} {amount_words(each['value'])}" for each in others)
    return ABVerdict(status, (answer, f"The other estimators read {listed}."))


def invalid(failed: Sequence[Guard]) -> ABVerdict:
    """The verdict where guards failed: their names, and their words as grounds."""
    names = "; ".join(guard.name for guard in failed)
    noun = "this guard" if len(failed) == 1 else "these guards"
    answer = f"This result is invalid and must not be used for a decision: {noun} failed: {names}."
    return ABVerdict(INVALID, (answer, *(f"{capitalised(guard.name)}: {guard.words}" for guard in failed)))


def headline(rows: Sequence[Row]) -> Row | None:
    """The row that decides: the first metric of ``words.METRIC_ORDER`` over all users."""
    found = (find(rows, metric=metric, bucket_kind="all") for metric in words.METRIC_ORDER)
    return next((row for row in found if row is not None), None)


def significant(rows: Iterable[Row], direction: str, level: float = 0.95) -> list[Row]:
    """The rows, of any metric and bucket, that are "better" or "worse" after correction and not flagged."""
    return clear(rows, direction, 1 - level)


def _grounds(rows: Sequence[Row], row: Row, status: str, level: float) -> Iterable[str]:
    if status == LEVEL and row["mde"] is not None:
        yield (
            f"With this much traffic a true change of {share_words(row['mde'])} would be found in "
            "four of five cases; a smaller one may well be there."
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
    n_flagged = sum(words.mark(other, level) == "flagged" for other in rows)
    if n_flagged:
        yield f"{n_flagged} of {len(rows)} rows {'is' if n_flagged == 1 else 'are'} not judged: flagged."


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
