"""What the page says first: a plain sentence, and how far it carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learn_rank.report_kit.rules import clear, find, says_nothing
from learn_rank.report_kit.words import (
    DASH,
    bare_metric,
    bucket_words,
    count_words,
    interval_name,
    interval_words,
    joined,
    points_words,
    share_words,
    value_words,
)

Found = Mapping[str, Any]
ALL_ROWS = {"bucket_kind": "all", "bucket": "all"}
MAX_NAMED = 6


@dataclass(frozen=True)
class Headline:
    """The verdict.

    Attributes:
        answer: yes, worse, mixed, none, unknown, or plain where nothing was compared.
        headline: one sentence.
        findings: what was found.
        limits: how far it carries.
    """

    answer: str
    headline: str
    findings: tuple[str, ...]
    limits: tuple[str, ...]


def headline(found: Found) -> Headline:
    """Read a judgement of `judgement.compare` with its details."""
    return _compared(found) if found["about"].get("baseline") is not None else _single(found)


def _compared(found: Found) -> Headline:
    deltas, level = found["deltas"], found["about"]["level"]
    gains, losses = (clear(deltas, word, 1 - level) for word in ("better", "worse"))
    tested = [row for row in deltas if row["p_adjusted"] is not None]
    limits = (_coverage(found), _family(len(tested), level))
    whole = [row for row in tested if _is_whole(row)]
    if not whole:
        sentence = "The candidate cannot be compared with the baseline: no difference over all rows has an "
        return Headline("unknown", f"{sentence}interval.", (), limits[:1])
    findings = [
        f"{row['metric']} over all rows: {points_words(row['delta'])} points, {interval_name(level)} "
        f"{interval_words(row['low'], row['high'], points_words)}."
        for row in whole
    ]
    findings += [
        f"Clearly {word} in {len(rows)} of {len(tested)} comparisons: {_names(rows)}."
        for word, rows in (("better", gains), ("worse", losses))
        if rows
    ]
    answer, sentence = _answer(whole, gains, losses)
    if all(row["delta"] in (0, None) for row in deltas):
        sentence = "The two files rank alike: every difference is exactly 0."
    return Headline(answer, sentence, tuple(findings), limits)


def _answer(whole: Sequence[Found], gains: Sequence[Found], losses: Sequence[Found]) -> tuple[str, str]:
    """The answer and its sentence: first all rows, then the buckets that do not follow them."""
    up, down = ([bare_metric(row["metric"]) for row in whole if row in rows] for rows in (gains, losses))
    level = [bare_metric(row["metric"]) for row in whole if row not in gains and row not in losses]
    unclear = f", with no clear difference in {joined(level)}" if level else ""
    if up and down:
        sentence = f"Mixed: over all rows the candidate gains in {joined(up)} and loses in {joined(down)}."
    elif up:
        word = "Partly" if level else "Yes"
        sentence = f"{word}: over all rows the candidate ranks better in {joined(up)}{unclear}."
    elif down:
        sentence = f"No: over all rows the candidate ranks worse in {joined(down)}{unclear}."
    elif all(map(says_nothing, whole)):
        sentence = (
            "Too few users to say anything: every interval over all rows spans half of what is possible."
        )
    else:
        sentence = "No clear difference over all rows between the candidate and the baseline."
    gaining, losing = _buckets(gains), _buckets(losses)
    if losing and not down:
        sentence += f" But it loses for {_listed(losing)}."
    if gaining and not up:
        sentence += f" {'But it' if down else 'It'} gains for {_listed(gaining)}."
    if gains and losses:
        return "mixed", sentence
    return "worse" if losses else "yes" if up and not level else "partly" if gains else "none", sentence


def _single(found: Found) -> Headline:
    about = found["about"]
    auc, uauc, wuauc = (find(found["rows"], metric=name, **ALL_ROWS) for name in about["metrics"])
    if uauc is None or auc is None or wuauc is None or uauc["value"] is None:
        sentence = f"UAUC is not defined: no user has rows with and without {about['task']}."
        beside = () if auc is None or auc["value"] is None else (_value(auc, about["level"]),)
        return Headline("unknown", sentence, beside, (_coverage(found),))
    share = share_words(uauc["value"])
    sentence = f"Within a user's own rows, {share} of the pairs are in the right order."
    findings = (
        f"That is UAUC: one row with {about['task']} against one without, both of the same user, averaged "
        f"over users; a coin would get {share_words(0.5, 0)}.",
        *(_value(row, about["level"]) for row in (uauc, wuauc, auc)),
    )
    return Headline("plain", sentence, findings, (_coverage(found),))


def _is_whole(row: Found) -> bool:
    return all(row[key] == value for key, value in ALL_ROWS.items())


def _buckets(rows: Sequence[Found]) -> list[str]:
    """The buckets of comparisons, all rows left out, each once."""
    own = [row for row in rows if not _is_whole(row)]
    return list(dict.fromkeys(bucket_words(row["bucket_kind"], row["bucket"]) for row in own))


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more buckets"
    return joined(names)


def _coverage(found: Found) -> str:
    counts = found["counts"][0]
    if counts["n_rows"] == 0 or counts["n_scored_users"] == 0:
        return f"None of the {count_words(counts['n_users'])} users can be scored by UAUC."
    share = counts["n_scored_rows"] / counts["n_rows"]
    words = (
        f"UAUC and WUAUC speak for {share_words(share, 0)} of the {count_words(counts['n_rows'])} rows: "
        f"{count_words(counts['n_scored_users'])} of {count_words(counts['n_users'])} users are scored. "
        f"{count_words(counts['n_one_class_users'])} have rows of one kind only and no order to get right"
    )
    if counts["n_few_rows_users"]:
        words += f"; {count_words(counts['n_few_rows_users'])} have too few rows"
    return f"{words}."


def _family(n_tested: int, level: float) -> str:
    return (
        f"Clear means an adjusted p below {1 - level:.2g} (Holm, over all {n_tested} comparisons of this "
        "run): the chance of any false alarm among them stays below that."
    )


def _value(row: Found, level: float) -> str:
    if row["low"] is None:
        return f"{row['metric']} {value_words(row['value'])}, without an interval."
    interval = interval_words(row["low"], row["high"])
    return f"{row['metric']} {value_words(row['value'])}, {interval_name(level)} {interval}."


def _names(rows: Sequence[Found]) -> str:
    """The comparisons, by bucket: `all rows (AUC, UAUC) and cold-start users (AUC)`."""
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(bucket_words(row["bucket_kind"], row["bucket"]), []).append(row["metric"])
    named = [f"{bucket} ({', '.join(names)})" for bucket, names in metrics.items()]
    if len(named) > MAX_NAMED:
        return f"{', '.join(named[:MAX_NAMED])} and {len(named) - MAX_NAMED} more buckets"
    return joined(named) or DASH
