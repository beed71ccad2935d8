"""The verdict on each treatment: the primary metric decides, and the sentences say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from learn_rank.ab import words
from learn_rank.ab.experiment.table import PRIMARY
from learn_rank.ab.hierarchy.decision import (
    BETTER,
    LEVEL,
    UNGUARDED,
    WORSE,
    answer,
    decide,
    guardrail_sentences,
)
from learn_rank.ab.report.verdict import INVALID, ABVerdict, invalid, significant_apart
from learn_rank.ab.statistics.guards import Guard
from learn_rank.report_kit.words import (
    amount_words,
    capitalised,
    interval_words,
    joined,
    p_words,
    percent_words,
    share_words,
)

__all__ = ["overall", "verdicts"]

Row = Mapping[str, Any]


def verdicts(
    rows: Sequence[Row],
    guards: Iterable[Guard],
    wear: Sequence[Row] = (),
    *,
    level: float = 0.95,
    guardrails: Sequence[Row] = (),
    rule: str = "",
) -> dict[str, ABVerdict]:
    """Treatment -> what may be said of it.

    Definition: invalid where any guard failed. Else the primary row and the guardrails decide (`decide`): the
    primary is better or worse where its interval excludes 0 and its p (over several treatments: by Holm) is
    below 1 - level. Rows behind it are named, apart from the answer where it was not found, and never decide.

    Args:
        rows: of `table`.
        guards: what was checked.
        wear: rows of `wear_rows`.
        level: of the intervals.
        guardrails: of `guardrail_rows`.
        rule: the declared one in words.
    """
    failed = [guard for guard in guards if guard.has_passed is False]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    if failed:
        return dict.fromkeys(arms, invalid(failed, rule))
    found = {}
    for arm in arms:
        own, held = ([row for row in each if row["arm"] == arm] for each in (rows, guardrails))
        found[arm] = replace(_of(arm, own, held, wear, level), rule=rule)
    return found


def overall(found: Mapping[str, ABVerdict]) -> str:
    """One status for all treatments: invalid, else better where one is, else worse where one is."""
    statuses = [verdict.status for verdict in found.values()]
    order = (INVALID, BETTER, UNGUARDED, WORSE)
    return next((status for status in order if status in statuses), LEVEL)


def _of(
    arm: str,
    rows: Sequence[Row],
    guardrails: Sequence[Row],
    wear: Sequence[Row],
    level: float,
) -> ABVerdict:
    row = next(row for row in rows if row["role"] == PRIMARY)
    key, name = words.mark(row, level), words.short_metric_words(row["metric"])
    found = f"{_lift(row)}, p {p_words(row['p_adjusted'])}"
    if key in (BETTER, WORSE):
        direction = "higher" if key == BETTER else "lower"
        said = f"{capitalised(name)} is {direction} in {arm}: {found}."
    elif key == "flagged":
        said = f"{capitalised(name)} of {arm} cannot be judged: {row['flag']} (it reads {_lift(row)})."
    elif key == "missing":
        said = f"{capitalised(name)} of {arm} has no interval: nothing varies, or too few users."
    else:
        said = f"No detectable difference in {name} in {arm}: {found}."
    grounds = (*guardrail_sentences(key, guardrails), *_grounds(rows, row, wear, level))
    return ABVerdict(decide(key, guardrails), (answer(said, key, guardrails), *grounds))


def _grounds(rows: Sequence[Row], row: Row, wear: Sequence[Row], level: float) -> Iterable[str]:
    is_found = words.mark(row, level) in (BETTER, WORSE)
    if row["mde"] is not None:
        smaller = "" if is_found else "; a smaller one may well be there"
        yield (
            f"A test of this size finds a true change of {share_words(row['mde'])} in four of five cases"
            f"{smaller}."
        )
    if row["always_delta_low"] is not None:
        is_clear = row["always_delta_low"] > 0 or row["always_delta_high"] < 0
        yield (
            "The interval that may be looked at every day "
            f"{'excludes 0 as well' if is_clear else 'contains 0'}: "
            f"{interval_words(row['always_low'], row['always_high'], percent_words)}."
        )
    for direction in (BETTER, WORSE):
        found = [each for each in rows if each is not row and words.mark(each, level) == direction]
        for is_inside in (False, True):
            own = [each for each in found if (each["bucket_kind"] != "all") == is_inside]
            if own:
                where = "in single buckets" if is_inside else "over all users"
                yield f"Secondary, {direction} {where}: {joined(_named(each) for each in own)}."
        apart = [] if is_found else significant_apart(rows, direction, level)
        apart = [each for each in apart if each is not row]
        if apart:
            yield (
                f"Not counted, as no difference in {words.short_metric_words(row['metric'])} was found; "
                f"corrected in their own family these are {direction}: "
                f"{joined(_named(each) for each in apart)}."
            )
    for each in wear:
        is_own = (each["arm"], each["metric"]) == (row["arm"], row["metric"])
        if is_own and each["p"] is not None and each["p"] < 1 - level:
            yield (
                f"The lift changes with days since the first exposure: {percent_words(each['early'])} on the "
                f"first {each['n_early']} days of a user, {percent_words(each['late'])} on the later ones "
                f"(p {p_words(each['p'])}): the whole test's lift is not what is to be expected later."
            )


def _lift(row: Row) -> str:
    if row["relative"] is not None:
        return words.lift_words(row)
    amounts = interval_words(row["low"], row["high"], amount_words)
    return f"difference {amount_words(row['delta'])} {amounts}"


def _named(row: Row) -> str:
    place = (
        "" if row["bucket_kind"] == "all" else f" of {words.place_words(row['bucket_kind'], row['bucket'])}"
    )
    return f"{words.short_metric_words(row['metric'])}{place} ({_lift(row)})"
