"""The days of a file: integers or dates, as numbers that can be counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["DAY_WORDS", "day_names", "day_numbers"]

DAY_WORDS = "an integer, or a date as 2024-05-31, in each row"


def day_numbers(values: pd.Series) -> tuple[np.ndarray, bool]:
    """(N,) days as float64, NaN where there is none, and whether they are dates (days since 1970).

    Example:
        >>> day_numbers(pd.Series(["1970-01-03", "soon"]))[0].tolist()
        [2.0, nan]
    """
    if values.dtype.kind in "iuf":
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        return np.where(numbers == np.floor(numbers), numbers, np.nan), False
    if values.dtype.kind != "M":
        as_integers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
        if not np.isnan(as_integers).any():
            return np.where(as_integers == np.floor(as_integers), as_integers, np.nan), False
    dates = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
    days = (dates - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=1)
    return days.to_numpy(np.float64, na_value=np.nan), True


def day_names(numbers: np.ndarray, are_dates: bool) -> tuple[str, ...]:
    """The days as a reader knows them.

    Example:
        >>> day_names(np.array([0, 31]), True), day_names(np.array([0, 31]), False)
        (('1970-01-01', '1970-02-01'), ('0', '31'))
    """
    if are_dates:
        return tuple(str(np.datetime64(int(number), "D")) for number in numbers)
    return tuple(str(int(number)) for number in numbers)
