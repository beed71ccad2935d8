"""A plan as plain rows and sentences, the same on the page, in the terminal and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learn_rank.ab import words
from learn_rank.ab.hierarchy.declaration import PRIMARY
from learn_rank.ab.plan.needs import LIMIT_DAYS, Wanted, guardrail_needs, need_rows
from learn_rank.ab.plan.traffic import Traffic
from learn_rank.ab.report.result import plain_value
from learn_rank.report_kit.provenance import provenance
from learn_rank.report_kit.words import capitalised, count_words, joined, share_words
from learn_recall.files.whole_files import write_json

__all__ = ["FORMAT", "PlanResult", "answer", "days_words", "plan_of", "write_plan"]

FORMAT = "learn_rank.plan/1"
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "pyarrow")


@dataclass(frozen=True, eq=False)
class PlanResult:
    """What a test needs. Undefined numbers are None.

    Args:
        words: sentences; the first is the answer.
        rows: one per metric and bucket, of `need_rows`.
        curve: one per metric, bucket and day, of `need_rows`.
        guardrails: of `guardrail_needs`.
        about: what was wanted, of what traffic, provenance.
    """

    words: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    curve: Sequence[Mapping[str, Any]] = ()
    guardrails: Sequence[Mapping[str, Any]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("words", "rows", "curve", "guardrails", "about"):
            object.__setattr__(self, name, plain_value(getattr(self, name), name))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        names = ("words", "rows", "curve", "guardrails", "about")
        return {"format": FORMAT, **{name: getattr(self, name) for name in names}}


def write_plan(path: str | os.PathLike[str], result: PlanResult) -> None:
    """Write a plan as strict JSON, whole or not at all; undefined numbers are null."""
    write_json(path, result.as_dict())


def plan_of(traffic: Traffic, wanted: Wanted, *, about: Mapping[str, Any] | None = None) -> PlanResult:
    """What a test on this traffic needs to find what is wanted.

    Args:
        traffic: without a treatment.
        wanted: lift, power, level and design.
        about: what the caller knows, as title, command and source.
    """
    rows, curve = need_rows(traffic, wanted)
    held = guardrail_needs(traffic, wanted)
    known = {
        "title": "Plan of a test",
        **provenance(PACKAGES),
        "level": wanted.level,
        "power": wanted.power,
        "declared_lift": wanted.lift,
        "n_days": traffic.n_days,
        "limit_days": LIMIT_DAYS,
        "config": {
            "primary": wanted.primary,
            "metrics": list(wanted.metrics),
            "guardrails": [str(each) for each in wanted.guardrails] or ["none"],
            "declared_lift": wanted.lift,
            "power": wanted.power,
            "level": wanted.level,
            "treatment_share": wanted.arms.treatment,
        },
    }
    return PlanResult(
        list(answer(rows, held, wanted, traffic.n_days)), rows, curve, held, {**known, **(about or {})}
    )


def answer(
    rows: Sequence[Mapping[str, Any]], guardrails: Sequence[Mapping[str, Any]], wanted: Wanted, n_days: int
) -> Iterable[str]:
    """The sentences of a plan."""
    row = next(row for row in rows if row["role"] == PRIMARY)
    name, lift = words.short_metric_words(wanted.primary), share_words(wanted.lift)
    chance = share_words(wanted.power, 0)
    seen = f"the {n_days} days" if n_days > 1 else "the one day"
    if row["users_needed"] is None or row["mde"] is None:
        yield f"{capitalised(name)} has no variance in {seen} of this traffic: it gives no plan."
        return
    yield (
        f"To find a lift of {lift} in {name} in {chance} of cases it takes "
        f"{count_words(row['users_needed'])} users who are there as long as those of {seen}, or "
        f"{days_words(row)} of this traffic."
    )
    yield (
        f"{capitalised(seen)} with {count_words(row['n_users'])} users find a lift of "
        f"{share_words(row['mde'])} with that chance, and one of {lift} in {share_words(row['power'])} "
        "of cases."
    )
    if row["flag"] is not None:
        yield f"The number is a rough one: {row['flag']}."
    if row["is_beyond"] and row["days_needed"] is None and row["more_than_days"] == n_days:
        yield "So few days do not say how many more it takes; five do."
    elif row["is_beyond"]:
        yield (
            "Days beyond those that were seen follow how the smallest lift fell over the last half of them; "
            "they hold if users go on arriving and coming back like that."
        )
    if guardrails:
        listed = joined(
            f"{words.short_metric_words(each['metric'])} (margin {words.margin_words(each)}) "
            f"{'no number' if each['users_needed'] is None else count_words(each['users_needed']) + ' users'}"
            for each in guardrails
        )
        yield f"To show with that chance that a guardrail holds where nothing is lost: {listed}."


def days_words(row: Mapping[str, Any]) -> str:
    """``12 days``, ``about 40 days``, ``more than 365 days``; ``more than 3 days``: what was seen."""
    days = row["days_needed"]
    if days is None:
        return f"more than {row['more_than_days']} days"
    about = "about " if row["is_beyond"] else ""
    return f"{about}{count_words(days)} day{'' if days == 1 else 's'}"
