"""User ids as integers: strings or integers in, codes in the order of the ids out, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.metrics.input_columns import as_column, check_length

MAX_CODES = 1 << 31  # a user code, a 32-bit score and a label share one 64-bit key


@dataclass(frozen=True, eq=False)
class UserCodes:
    """Users as integers in the order of their ids.

    Attributes:
        codes: (N,) integers in 0 .. n_codes - 1; not every code need occur.
        n_codes: the size of the code space, at most 2^31.
        first: what to add to a code to get an integer id back, or None.
        uniques: (n_codes,) sorted ids, or None where `first` is given.
    """

    codes: np.ndarray
    n_codes: int
    first: int | None
    uniques: np.ndarray | None

    def ids(self, codes: np.ndarray) -> np.ndarray:
        """The user ids behind `codes`, in the kind the caller passed."""
        if self.uniques is not None:
            return self.uniques[codes]
        first = self.first if self.first is not None else 0
        dtype = np.uint64 if first + self.n_codes > np.iinfo(np.int64).max else np.int64
        return codes.astype(dtype) + dtype(first)

    def take(self, positions: np.ndarray) -> UserCodes:
        """The users of the rows at these positions."""
        return UserCodes(self.codes[positions], self.n_codes, self.first, self.uniques)

    def compact(self) -> tuple[np.ndarray, int]:
        """Codes without gaps: (N,) int64 in 0 .. U-1, in the order of the ids, and U."""
        if self.n_codes > 4 * self.codes.size + 1024:
            present, compact = np.unique(self.codes, return_inverse=True)
            return compact, present.size
        is_present = np.bincount(self.codes, minlength=self.n_codes) > 0
        return (np.cumsum(is_present) - 1)[self.codes], int(is_present.sum())


def as_users(users: Any, n_rows: int, name: str = "users") -> UserCodes:
    """Codes user ids as integers; integer ids from a range below 2^31 need no hashing at all.

    Args:
        users: (N,) integer or string ids (numpy, pandas, list), or `UserCodes` made earlier. Floats are
            refused: an id column that passed through float32 has already merged ids above 2^24, and one with
            NaN has lost its integers.
        n_rows: the number of labels.
        name: how an error message calls the argument.

    Raises:
        ValueError: another length, floats, missing ids, or integers and strings in one column.
    """
    if isinstance(users, UserCodes):
        check_length(users.codes, n_rows, name)
        return users
    if isinstance(users, list | tuple):
        users = pd.Series(users)  # numpy would turn [7, "7"] into ["7", "7"]
    if isinstance(users, pd.Series | pd.Index) and not isinstance(users.dtype, np.dtype):
        column: Any = users.array
    else:
        column = as_column(users, name)
    check_length(column, n_rows, name)
    kind = getattr(column.dtype, "kind", "O")
    if kind == "f":
        raise ValueError(
            f"{name}: expected integer or string ids, got {column.dtype}. "
            "Remedy: read the column as integer or string; as a float, large ids fall together"
        )
    if isinstance(column, np.ndarray) and kind in "iu" and n_rows > 0:
        first, last = int(column.min()), int(column.max())
        if last - first < MAX_CODES:
            wide = column.astype(np.int64) if first < 0 else column  # -128 .. 127 would overflow int8
            return UserCodes(wide - wide.dtype.type(first) if first else wide, last - first + 1, first, None)
    if kind == "O" and (mixture := pd.api.types.infer_dtype(column, skipna=True)).startswith("mixed"):
        raise ValueError(
            f"{name}: expected ids of one kind, got {mixture}. Remedy: cast the column to string, after "
            "making sure that 7 and '7' are the same user"
        )
    codes, uniques = pd.factorize(column, sort=True)
    n_missing = int((codes < 0).sum())
    if n_missing:
        raise ValueError(
            f"{name}: expected an id in every row, got {n_missing} missing, first at row "
            f"{int(np.flatnonzero(codes < 0)[0])}. Remedy: drop these rows or give each its own id"
        )
    return UserCodes(codes, max(len(uniques), 1), None, np.asarray(uniques))
