"""Columns as they come in: one-dimensional arrays of the expected length, with honest complaints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_SAME_ROWS_REMEDY = "Remedy: score the same table with both models and keep the order"


def as_column(values: Any, name: str) -> np.ndarray:
    """One dimension, numbers as numbers even in an object column. pandas Series are read by position.

    A torch tensor is read wherever it lies, with or without gradients; bfloat16, which numpy does not have,
    as float32, which holds every value of it.
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(
            f"{name}: expected one dimension (N,), got shape {array.shape}. Remedy: pass one column"
        )
    if array.dtype == object and array.size and not isinstance(array[0], str):
        inferred = pd.Series(array).infer_objects().to_numpy()
        return inferred if inferred.dtype != object else array
    return array


def check_length(column: Any, n_rows: int, name: str) -> None:
    """Refuse a column of another length than the labels."""
    if len(column) != n_rows:
        raise ValueError(f"{name}: expected {n_rows} rows, as many as labels, got {len(column)}")


def examples(array: np.ndarray, is_bad: np.ndarray, first_row: int = 0) -> str:
    """The first bad values and their rows, counted from `first_row`, for an error message."""
    rows = np.flatnonzero(is_bad)
    shown = ", ".join(f"{array[row]} in row {first_row + row}" for row in rows[:3])
    return f"{rows.size} other row(s): {shown}"


def plain(value: Any) -> Any:
    """A numpy scalar as Python's own, so that a message says 999 and not np.int64(999)."""
    return value.item() if isinstance(value, np.generic) else value


def check_same_length(expected: int, found: int, name: str) -> None:
    """Refuse another number of rows in `name` than in the candidate."""
    if expected != found:
        raise ValueError(
            f"{name}: expected the candidate's {expected} rows, got {found}. {_SAME_ROWS_REMEDY}"
        )


def check_same_column(here: pd.Series, there: pd.Series, column: str, name: str, first_row: int = 0) -> None:
    """Refuse a column of `name` that does not hold the candidate's values.

    Args:
        here: (N,) the candidate's values.
        there: (N,) the other's; compared as text where one side holds integers and the other strings. Two
            missing values agree.
        column: its name.
        name: how an error message calls the other.
        first_row: number of the first row in an error message, for rows that come a part at a time.
    """
    if here.dtype != there.dtype and not all(map(pd.api.types.is_numeric_dtype, (here.dtype, there.dtype))):
        here, there = here.astype(str), there.astype(str)
    is_other = (here.to_numpy() != there.to_numpy()) & ~(here.isna().to_numpy() & there.isna().to_numpy())
    if is_other.any():
        row = int(np.flatnonzero(is_other)[0])
        found, expected = plain(there.iloc[row]), plain(here.iloc[row])
        raise ValueError(
            f"{name}: expected the candidate's rows, got {column} = {found!r} instead of {expected!r} in "
            f"row {first_row + row}, {int(is_other.sum()) - 1} more. {_SAME_ROWS_REMEDY}"
        )
