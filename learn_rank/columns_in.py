"""Columns as they come in: one-dimensional arrays of the expected length, with honest complaints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def as_column(values: Any, name: str) -> np.ndarray:
    """One dimension, numbers as numbers even in an object column. pandas Series are read by position."""
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
    """Raises ValueError where a column has another length than the labels."""
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
