"""Arms that score alike, and buckets of the same rows, ask one question, however many names they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from learn_rank.evaluation.compare import ALL, DeltaRow, Partition, adjust
from learn_rank.metrics.buckets import bucket_codes

Place = tuple[str, str]
"""Kind and name of a bucket."""


def first_of_equals(scores: Mapping[str, Sequence[np.ndarray]]) -> dict[str, str]:
    """The first arm that has the same scores in every seed, for every arm: itself where there is none before.

    Args:
        scores: arm -> one column per training seed.
    """
    first: dict[str, str] = {}
    for arm, columns in scores.items():
        alike = (other for other in first if first[other] == other and _are_equal(columns, scores[other]))
        first[arm] = next(alike, arm)
    return first


def first_of_buckets(partitions: Sequence[Partition], n_rows: int) -> dict[Place, Place]:
    """The first bucket that holds the same rows, for every bucket; all rows come before any.

    An empty bucket is its own: there is nothing to be equal in.

    Args:
        partitions: as in `learn_rank.evaluation.compare.compare_models`.
        n_rows: rows that they divide.
    """
    first: dict[Place, Place] = {(ALL, ALL): (ALL, ALL)}
    members: dict[Place, np.ndarray] = {}
    for partition in partitions:
        code, names = bucket_codes(partition.buckets, n_rows, partition.names)
        for at, name in enumerate(names):
            place, own = (partition.kind, name), np.flatnonzero(code == at)
            if len(own) == n_rows > 0:
                first[place] = (ALL, ALL)
                continue
            alike = (other for other in members if len(own) and np.array_equal(own, members[other]))
            first[place] = next(alike, place)
            if first[place] == place:
                members[place] = own
    return first


def adjust_once(
    deltas: Sequence[DeltaRow],
    first: Mapping[str, Mapping[str, str]],
    places: Mapping[str, Mapping[Place, Place]],
    baseline: str,
    family: Sequence[str],
) -> list[DeltaRow]:
    """Holm's adjustment over distinct questions; those that are one question get equal p values.

    An arm such as `auto` serves LEARN's scores or the baseline's. Then its differences are the numbers of
    LEARN, or 0: they are no further chance of a false alarm, so they are not counted as comparisons, and
    what they are equal to must not get another mark than they. So it is with a bucket that holds all rows,
    or those of another one.

    Args:
        deltas: differences to the baseline.
        first: task -> arm -> the first arm with the same scores (`first_of_equals`).
        places: task -> bucket -> the first bucket with the same rows (`first_of_buckets`).
        baseline: what the arms are compared with.
        family: as in `adjust`.
    """
    twins = [
        (first[row["task"]][row["model"]], places[row["task"]][row["bucket_kind"], row["bucket"]])
        for row in deltas
    ]
    is_first = [twin == (row["model"], _place(row)) for row, twin in zip(deltas, twins, strict=True)]
    counted = [row for row, counts in zip(deltas, is_first, strict=True) if counts]
    adjusted = {_key(row, row["model"], _place(row)): row for row in adjust(counted, family)}
    found = []
    for row, (twin, place) in zip(deltas, twins, strict=True):
        # scores of the baseline itself: a difference of 0, of which nothing was tested
        p = row["p"] if twin == baseline else adjusted[_key(row, twin, place)]["p_adjusted"]
        filled = row.copy()
        filled["p_adjusted"] = p
        found.append(filled)
    return found


def _place(row: DeltaRow) -> Place:
    return row["bucket_kind"], row["bucket"]


def _key(row: DeltaRow, model: str, place: Place) -> tuple[object, ...]:
    return model, row["baseline"], row["task"], row["metric"], place


def _are_equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))
