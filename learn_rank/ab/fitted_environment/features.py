"""Columns of a log as a matrix that trees read, the same way when fitting and when serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

__all__ = ["FeatureCodes"]

_CELLS = (str, int, float, Decimal, np.number, np.bool_)
MAX_CATEGORIES = 250  # scikit-learn's histograms have 255 bins


@dataclass(frozen=True)
class FeatureCodes:
    """How each feature becomes numbers.

    Attributes:
        names: features in the order of the matrix; the slot comes behind them as the last column.
        categories: feature -> its values, the most frequent first; a feature that is absent is numeric.
    """

    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: pd.DataFrame, names: Sequence[str]) -> FeatureCodes:
        """Numeric and boolean columns stay numbers, all others become categories.

        Raises:
            ValueError: no feature, one that is not a column, empty or infinite, or one of dates, lists or the
                like.
        """
        missing = [name for name in names if name not in rows]
        if missing or not names:
            raise ValueError(
                f"--features: expected columns of the log, got {missing if missing else 'none'}. Remedy: "
                f"name some of {', '.join(map(str, rows.columns))}."
            )
        found = {}
        for name in names:
            _check_kind(rows[name], name, "the log")
            if rows[name].isna().all():
                raise _kind_error(name, "a value in some row", "none in the log", "leave it out")
            if rows[name].dtype.kind == "f" and np.isinf(rows[name].to_numpy(np.float64)).any():
                got, remedy = "infinite ones in the log", "clip them, or leave these cells empty"
                raise _kind_error(name, "finite numbers", got, remedy)
            if not pd.api.types.is_numeric_dtype(rows[name]):
                values = rows[name].dropna().astype(str).value_counts()
                found[name] = tuple(map(str, values.index[:MAX_CATEGORIES]))
        return cls(tuple(names), found)

    @property
    def is_category(self) -> list[bool]:
        """For each column of the matrix, the slot included."""
        return [*(name in self.categories for name in self.names), False]

    def matrix(self, columns: Mapping[str, np.ndarray], slots: np.ndarray) -> np.ndarray:
        """(M, features + 1) float64; an unknown or missing value is NaN, which trees send its own way.

        Args:
            columns: feature -> (M,).
            slots: (M,) 0 = top.

        Raises:
            ValueError: a feature of another kind than in the log, where nothing would be recognised.
        """
        parts = [
            self._codes(name, columns[name]) if name in self.categories else _numbers(name, columns[name])
            for name in self.names
        ]
        return np.column_stack([*parts, np.asarray(slots, np.float64)])

    def _codes(self, name: str, values: np.ndarray) -> np.ndarray:
        column = pd.Series(np.asarray(values))
        _check_kind(column, name, "the candidates")
        if column.dtype.kind == "f" and column.notna().any():
            raise _kind_error(name, "text or integers, as in the log", f"{column.dtype} in the candidates")
        at = pd.Index(self.categories[name]).get_indexer(pd.Index(column.astype(str)))
        return np.where((at >= 0) & column.notna().to_numpy(), at.astype(np.float64), np.nan)


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    """(M,) float64 of a feature that is a number in the log; NaN where it is missing."""
    column = pd.Series(np.asarray(values))
    _check_kind(column, name, "the candidates")
    if column.dtype.kind in "iufb":
        return column.to_numpy(np.float64)
    is_text = column.map(lambda cell: isinstance(cell, str)).to_numpy(bool)
    if is_text.any():
        got = f"text in the candidates, first {column[is_text].iloc[0]!r}"
        raise _kind_error(name, "numbers, as in the log", got)
    return column.astype(object).where(column.notna(), np.nan).astype(np.float64).to_numpy()


def _check_kind(column: pd.Series, name: str, where: str) -> None:
    """Refuse what is neither a number nor a category."""
    if column.dtype.kind in "mM":
        remedy = "make it a number, for example the age in days at the impression"
        raise _kind_error(name, "numbers, truth values or text", f"dates in {where}", remedy)
    if column.dtype == object:
        kinds = {type(cell) for cell in column.dropna()}
        others = sorted(kind.__name__ for kind in kinds if not issubclass(kind, _CELLS))
        if others:
            raise _kind_error(name, "numbers, truth values or text", f"{', '.join(others)} in {where}")


def _kind_error(name: str, expected: str, got: str, remedy: str = "cast it alike in both") -> ValueError:
    return ValueError(f"--features {name}: expected {expected}, got {got}. Remedy: {remedy}.")
