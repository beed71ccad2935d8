"""One look at all candidates before anything is simulated: who takes part, and every problem at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from learn_rank.ab.candidates.columns import (
    ARM,
    BUDGET,
    IDS,
    OPTIONAL,
    REQUIRED,
    SCORES,
    Coded,
    coded,
    days_of,
    numbers,
    read_day,
)
from learn_rank.ab.candidates.members import Member, Members
from learn_rank.ab.candidates.problems import AN_ID, Problems
from learn_recall.columns import ITEM_BUCKET, TIMESTAMP, USER_BUCKET

_ARMS = {"a": 0, "b": 1, "0": 0, "1": 1}


@dataclass(frozen=True, eq=False)
class Scan:
    """What all days hold: the days, the members with what is fixed for each, and counts of odd rows."""

    days: list[int]
    users: Members
    items: Members
    advertisers: Members
    counts: dict[str, int]


def scan(dataset: ds.Dataset) -> Scan:
    """Read every day once and check it.

    Raises:
        ValueError: all problems of all days, with counts and the first places.
    """
    days = days_of(dataset)
    if not days:
        raise ValueError("candidates: expected rows, got none. Remedy: write candidates of at least one day")
    if days[0] < 0:
        raise ValueError(f"day: expected 0 or more, got {days[0]}. Remedy: number the days 0, 1, 2 ...")
    problems, counts = Problems(), Counter[str]()
    users, items = Member("user_id", (USER_BUCKET, ARM)), Member("item_id", (ITEM_BUCKET,))
    advertisers, requests = Member("advertiser_id", (BUDGET,)), Member("request_id", ("day",))
    names = [*REQUIRED, *(name for name in OPTIONAL if name in dataset.schema.names)]
    for day in days:
        table = read_day(dataset, day, names)
        if _has_missing(table, day, problems):
            continue
        ids = {name: coded(table.column(name)) for name in IDS}
        _check_rows(table, ids, day, problems, counts)
        _check_requests(table, ids, day, problems, counts)
        requests.add(ids["request_id"], {"day": np.full(table.num_rows, float(day))}, problems)
        users.add(ids["user_id"], _fixed(table, users.fixed, day, problems), problems)
        items.add(ids["item_id"], _fixed(table, items.fixed, day, problems), problems)
        advertisers.add(ids["advertiser_id"], _fixed(table, advertisers.fixed, day, problems), problems)
        del table, ids  # two days at once would double the memory
    requests.joined(problems)
    found = Scan(
        days, users.joined(problems), items.joined(problems), advertisers.joined(problems), dict(counts)
    )
    problems.raise_if_any()
    return found


def _has_missing(table: pa.Table, day: int, problems: Problems) -> bool:
    """Missing values stop the look at a day; a missing budget is none and stands for no limit."""
    has_missing = False
    for name in table.column_names:
        n_missing = table.column(name).null_count
        if n_missing and name != BUDGET:
            problems.add(name, "a value in every row", n_missing, [f"day {day}"], "fill in or leave out rows")
            has_missing = True
    return has_missing


def _check_rows(
    table: pa.Table, ids: dict[str, Coded], day: int, problems: Problems, counts: Counter[str]
) -> None:
    limits = {
        "bid": ("a finite number above 0", lambda bid: (bid > 0) & np.isfinite(bid)),
        **{name: ("a probability from 0 to 1", lambda score: (score >= 0) & (score <= 1)) for name in SCORES},
    }
    for name, own in ids.items():
        is_blank = own.values == "" if own.values.dtype.kind not in "iu" else np.zeros(own.values.size, bool)
        problems.add_rows(name, AN_ID, np.asarray(is_blank, bool)[own.codes], ids=ids, day=day)
    values = {name: numbers(table.column(name)) for name in limits}
    for name, (expected, is_good) in limits.items():
        is_bad = ~is_good(values[name])
        problems.add_rows(name, expected, is_bad, ids=ids, day=day, values=values[name])
    for arm in "ab":
        is_zero = values[f"pctr_{arm}"] * values[f"pcvr_{arm}"] == 0
        counts[f"candidates_with_ecpm_0_in_{arm}"] += int(is_zero.sum())
    if BUDGET in table.column_names:
        budget = numbers(table.column(BUDGET))
        problems.add_rows(
            BUDGET, "0 or more, or empty for no limit", budget < 0, ids=ids, day=day, values=budget
        )


def _check_requests(
    table: pa.Table, ids: dict[str, Coded], day: int, problems: Problems, counts: Counter[str]
) -> None:
    request, item = ids["request_id"], ids["item_id"]
    pair = request.codes * np.int64(item.values.size) + item.codes
    ordered = np.sort(pair)
    is_twice = ordered[1:] == ordered[:-1]
    if is_twice.any():
        is_bad = np.isin(pair, ordered[1:][is_twice])
        problems.add_rows("request_id, item_id", "each pair once", is_bad, ids=ids, day=day)
    n_candidates = np.bincount(request.codes)
    counts["requests"] += n_candidates.size
    counts["requests_with_one_candidate"] += int((n_candidates == 1).sum())
    fixed = {"user_id": ids["user_id"].codes}
    if TIMESTAMP in table.column_names:
        fixed[TIMESTAMP] = table.column(TIMESTAMP).to_numpy()
    for name, values in fixed.items():
        of_request = np.zeros(request.values.size, values.dtype)
        of_request[request.codes] = values
        is_other = of_request[request.codes] != values
        problems.add_rows(name, "one value within a request", is_other, ids=ids, day=day)


def _fixed(table: pa.Table, names: tuple[str, ...], day: int, problems: Problems) -> dict[str, Any]:
    """(N,) floats, or `Coded` names, of the columns that are there."""
    found: dict[str, Any] = {}
    for name in names:
        if name not in table.column_names:
            continue
        if name == BUDGET:
            budget = numbers(table.column(name))
            found[name] = np.where(np.isnan(budget), np.inf, budget)
        elif name == ARM:
            arms = coded(table.column(name))
            number = [_ARMS.get(str(value), -1) for value in arms.values.tolist()]
            unknown = [value for value, arm in zip(arms.values.tolist(), number, strict=True) if arm < 0]
            if unknown:
                problems.add(
                    name, "a or b (0 or 1)", len(unknown), [repr(unknown[0])], "name the arms a and b"
                )
            found[name] = np.array(number, np.float64)[arms.codes]
        else:
            found[name] = coded(table.column(name))
    return found


__all__ = ["Scan", "scan"]
