"""Users, items and advertisers over all days, and what must not change about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.ab.candidates.columns import ARM, BUDGET, Coded, stable_keys
from learn_rank.ab.candidates.problems import Problems
from learn_recall.columns import ITEM_BUCKET, USER_BUCKET

_FROZEN = "a treatment after the fact; freeze the buckets before the first day"
_REMEDIES = {
    USER_BUCKET: _FROZEN,
    ITEM_BUCKET: _FROZEN,
    ARM: "a user has one arm in the whole test; leave out users with two, and count them",
    BUDGET: "write one daily budget per advertiser",
    "day": "a request happens on one day; make request ids unique",
}


@dataclass(frozen=True, eq=False)
class Members:
    """M ids and what is fixed for each.

    Attributes:
        ids: (M,) sorted.
        fixed: name -> (M,) float64 numbers, or positions in `names[name]`, for the columns that were there.
        names: name -> the values of a column of names, sorted.
    """

    ids: np.ndarray
    fixed: Mapping[str, np.ndarray]
    names: Mapping[str, tuple[str, ...]]

    def positions(self, column: Coded) -> np.ndarray:
        """(N,) int64 positions of a column's ids, all of which are members."""
        keys, order = self._by_key
        return order[np.searchsorted(keys, column.keys())][column.codes]

    @cached_property
    def _by_key(self) -> tuple[np.ndarray, np.ndarray]:
        keys = stable_keys(self.ids)
        order = np.argsort(keys)
        return keys[order], order


class Member:
    """Gathers the members of one kind, day by day.

    Args:
        kind: the column of ids.
        fixed: columns that have one value per id in all days.
    """

    def __init__(self, kind: str, fixed: tuple[str, ...]) -> None:
        self.kind, self.fixed = kind, fixed
        self._ids: list[np.ndarray] = []
        self._fixed: dict[str, list[np.ndarray]] = {}
        self._names: dict[str, dict[str, int]] = {}

    def add(self, ids: Coded, fixed: Mapping[str, Any], problems: Problems) -> None:
        """The ids of a day, with (N,) numbers or `Coded` names by column."""
        self._ids.append(ids.values)
        for name, column in fixed.items():
            numbers = self._numbered(name, column) if isinstance(column, Coded) else column
            of_id = np.zeros(ids.values.size)
            of_id[ids.codes] = numbers
            self._tell(name, ids.values, np.unique(ids.codes[of_id[ids.codes] != numbers]), problems)
            self._fixed.setdefault(name, []).append(of_id)

    def joined(self, problems: Problems) -> Members:
        """All days together."""
        if not self._ids:
            return Members(np.zeros(0, np.int64), {}, {})
        member, ids = pd.factorize(np.concatenate(self._ids), sort=True)
        first = np.zeros(ids.size, np.int64)
        first[member[::-1]] = np.arange(member.size)[::-1]
        fixed, names = {}, {}
        for name, parts in self._fixed.items():
            values = np.concatenate(parts)
            self._tell(name, ids, np.unique(member[values != values[first][member]]), problems)
            fixed[name] = values[first]
            if name in self._names:
                names[name] = tuple(sorted(self._names[name]))
                new = {self._names[name][text]: place for place, text in enumerate(names[name])}
                fixed[name] = np.array([new[code] for code in range(len(new))])[fixed[name].astype(np.int64)]
        return Members(ids, fixed, names)

    def _numbered(self, name: str, column: Coded) -> np.ndarray:
        known = self._names.setdefault(name, {})
        codes = [known.setdefault(str(value), len(known)) for value in column.values.tolist()]
        return np.array(codes, np.float64)[column.codes]

    def _tell(self, name: str, ids: np.ndarray, bad: np.ndarray, problems: Problems) -> None:
        if bad.size:
            places = [f"{self.kind} {ids[place]}" for place in bad[:3]]
            problems.add(name, f"one value for each {self.kind}", bad.size, places, _REMEDIES[name])


__all__ = ["Member", "Members"]
