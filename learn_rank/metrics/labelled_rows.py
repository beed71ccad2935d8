"""The rows that are judged: labels, users, weights, further columns; checked once for any number of scores.

Every check returns a plain array and leaves its argument alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from learn_rank.metrics.input_columns import as_column, check_length, examples
from learn_rank.metrics.user_codes import UserCodes, as_users


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """What a metric is asked about, without the scores. Make it with `LabelledRows.of`, which checks.

    Attributes:
        labels: (N,) uint8, 0 or 1.
        users: the users of the rows, or None where nobody asked.
        weights: (N,) float64 or None for all 1.
        columns: name -> (N,) float64, columns that a metric's settings may name.
    """

    labels: np.ndarray
    users: UserCodes | None = None
    weights: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls, labels: Any, users: Any = None, weights: Any = None, columns: Mapping[str, Any] | None = None
    ) -> LabelledRows:
        """Check the columns.

        Args:
            labels: (N,) 0/1.
            users: (N,) integer or string ids, or None.
            weights: (N,) row weights >= 0; a row of weight 2 counts like the same row twice. None: all 1.
            columns: further (N,) columns >= 0.

        Raises:
            ValueError: naming the argument, what was expected, what came, and the remedy.
        """
        label = as_labels(labels)
        return cls(
            label,
            None if users is None else as_users(users, label.size),
            None if weights is None else as_weights(weights, label.size),
            {name: as_weights(values, label.size, name) for name, values in (columns or {}).items()},
        )

    def __len__(self) -> int:
        return self.labels.size

    def take(self, positions: np.ndarray) -> LabelledRows:
        """The rows at these positions."""
        return LabelledRows(
            self.labels[positions],
            None if self.users is None else self.users.take(positions),
            None if self.weights is None else self.weights[positions],
            {name: values[positions] for name, values in self.columns.items()},
        )

    def pooled(self) -> LabelledRows:
        """The same rows as if nobody knew whose they are."""
        return replace(self, users=None)

    def known_users(self, why: str) -> UserCodes:
        """The users, or ValueError where they were not passed."""
        if self.users is None:
            raise ValueError(f"users: {why} needs the user id of every row, got None. Remedy: pass users=")
        return self.users


def as_labels(labels: Any, name: str = "labels", first_row: int = 0) -> np.ndarray:
    """The labels as uint8, one row each, all 0 or 1.

    Args:
        labels: (N,) bool, integer or float, holding 0 and 1 only. NaN is refused.
        name: how an error message calls the argument.
        first_row: number of the first row in an error message, for rows that come a part at a time.

    Raises:
        ValueError: not one-dimensional, or any other value than 0 and 1.
    """
    array = as_column(labels, name)
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected 0/1 or bool, got dtype {array.dtype}. Remedy: convert the column")
    if array.dtype.kind in "iu":
        is_bad = (
            None if array.size == 0 or (array.min() >= 0 and array.max() <= 1) else (array < 0) | (array > 1)
        )
    else:
        is_bad = (array != 0) & (array != 1)
    if is_bad is not None and is_bad.any():
        raise ValueError(
            f"{name}: expected only 0 and 1, got {examples(array, is_bad, first_row)}. "
            "Remedy: drop the rows without a label (learn-rank uauc: --where 'click == 1'), or turn grades "
            "into 0/1"
        )
    return array.astype(np.uint8)


def as_scores(scores: Any, n_rows: int, name: str = "scores", first_row: int = 0) -> np.ndarray:
    """The scores in the dtype they came in, finite, one per label.

    Args:
        scores: (N,) any real dtype: float16/32/64, longdouble, integers, bool. Probabilities or logits alike.
        n_rows: the number of labels.
        name: how an error message calls the argument.
        first_row: number of the first row in an error message, for rows that come a part at a time.

    Raises:
        ValueError: another length, NaN or infinity (with count and first rows), or a dtype that is no number.
    """
    array = as_column(scores, name)
    check_length(array, n_rows, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}: expected real numbers, got dtype {array.dtype}. Remedy: convert the column"
        )
    if array.dtype.kind == "f":
        is_finite = np.isfinite(array)
        if not is_finite.all():
            raise ValueError(
                f"{name}: expected finite numbers, got {examples(array, ~is_finite, first_row)}. "
                "Remedy: find out why the model wrote them; a metric over the rest would hide it"
            )
    return array.astype(np.uint8) if array.dtype == np.bool_ else array


def as_weights(weights: Any, n_rows: int, name: str = "weights", first_row: int = 0) -> np.ndarray:
    """Row weights or any other column to be summed by user, as float64, finite and not negative.

    `name` and `first_row` are for error messages, as in `as_scores`.
    """
    array = as_column(weights, name)
    check_length(array, n_rows, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}: expected numbers >= 0, got dtype {array.dtype}. Remedy: convert the column"
        )
    array = array.astype(np.float64)
    is_bad = ~(np.isfinite(array) & (array >= 0))
    if is_bad.any():
        raise ValueError(
            f"{name}: expected finite numbers >= 0, got {examples(array, is_bad, first_row)}. "
            "Remedy: clean the column"
        )
    return array
