"""Arms that score alike ask one question, however many names they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from learn_rank.evaluation.compare import DeltaRow, adjust

_PLACE = ("task", "metric", "bucket_kind", "bucket")


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


def adjust_once(
    deltas: Sequence[DeltaRow],
    first: Mapping[str, Mapping[str, str]],
    baseline: str,
    family: Sequence[str],
) -> list[DeltaRow]:
    """Holm's adjustment over distinct scores; arms with equal scores get equal p values.

    An arm such as `auto` serves LEARN's scores or the baseline's. Then its differences are the numbers of
    LEARN, or 0: they are no further chance of a false alarm, so they are not counted as comparisons, and
    what they are equal to must not get another mark than they.

    Args:
        deltas: differences to the baseline.
        first: task -> arm -> the first arm with the same scores (`first_of_equals`).
        baseline: what the arms are compared with.
        family: as in `adjust`.
    """
    counted = [row for row in deltas if first[row["task"]][row["model"]] == row["model"]]
    adjusted = {_key(row, row["model"]): row for row in adjust(counted, family)}
    found = []
    for row in deltas:
        twin = first[row["task"]][row["model"]]
        # scores of the baseline itself: a difference of 0, of which nothing was tested
        p = row["p"] if twin == baseline else adjusted[_key(row, twin)]["p_adjusted"]
        filled = row.copy()
        filled["p_adjusted"] = p
        found.append(filled)
    return found


def _key(row: DeltaRow, model: str) -> tuple[object, ...]:
    return (model, *(row[name] for name in _PLACE))  # type: ignore[literal-required]


def _are_equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))
