"""Buckets and covariates: one value a user, frozen before the first exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.experiment.outcomes import Bucket
from learn_recall.tables.problems import counted

__all__ = ["MOST_BUCKETS", "Placed", "as_bucket", "one_value_a_user"]

MOST_BUCKETS = 50


@dataclass(frozen=True, eq=False)
class Placed:
    """Whose each row is and when.

    Attributes:
        user_ids: (U,).
        row_user: (N,) place of the user.
        row_day: (N,) the day.
    """

    user_ids: np.ndarray
    row_user: np.ndarray
    row_day: np.ndarray


def one_value_a_user(column: pd.Series, what: str, placed: Placed) -> pd.Series:
    """(U,) the value of each user on the first day.

    Args:
        column: (N,) as the file has it.
        what: "bucket" or "covariate", for the message.
        placed: the rows.

    Raises:
        ValueError: users whose value changes.
    """
    row_user, order = placed.row_user, np.argsort(placed.row_day, kind="stable")
    codes, _ = pd.factorize(column, use_na_sentinel=False)
    _, first_place = np.unique(row_user[order], return_index=True)
    first_row = order[first_place]
    changed = codes != codes[first_row][row_user]
    n_users = np.unique(row_user[changed]).size
    if n_users:
        at = order[np.flatnonzero(changed[order])[0]]
        before = first_row[row_user[at]]
        raise ValueError(
            f"{what}: expected one value of {column.name!r} a user, frozen before the first exposure, got "
            f"{counted(n_users, 'user')} whose value changes, as {placed.user_ids[row_user[at]]}: "
            f"{column.iloc[before]!s}, then {column.iloc[at]!s}. Remedy: take the value of before the test; "
            "what changes after exposure may be a result of it."
        )
    return column.iloc[first_row].reset_index(drop=True)


def as_bucket(values: pd.Series, name: str, cut: tuple[float, float] | None) -> Bucket:
    """The values of a column as a bucket; empty cells are one of their own, "(empty)".

    Raises:
        ValueError: more than 50 values, or a cut through what is no number.
    """
    if cut is not None:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if np.isnan(numbers[values.notna().to_numpy()]).any():
            raise ValueError(
                f"bucket: expected numbers to cut in {name!r}, got text. Remedy: leave the cut out."
            )
        inside = (numbers >= cut[0]) & (numbers <= cut[1])
        texts = np.where(np.isnan(numbers), "(empty)", np.where(inside, "inside", "outside"))
    else:
        texts = values.astype(object).where(values.notna(), "(empty)").astype(str).to_numpy(dtype=object)
    names, codes = np.unique(texts.astype(str), return_inverse=True)
    if names.size > MOST_BUCKETS:
        raise ValueError(
            f"bucket: expected at most {MOST_BUCKETS} values of {name!r}, got {names.size:,}. Remedy: put "
            f"them together beforehand, or cut a number in two: --bucket {name}=LOW..HIGH."
        )
    return Bucket(tuple(names.tolist()), codes)
