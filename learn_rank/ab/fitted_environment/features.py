"""Columns of a log as a matrix that trees read, the same way when fitting and when serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["FeatureCodes"]

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
            ValueError: no feature, or one that is not a column.
        """
        missing = [name for name in names if name not in rows]
        if missing or not names:
            raise ValueError(
                f"features: expected columns of the log, got {missing if missing else 'none'}. Remedy: name "
                f"some of {', '.join(map(str, rows.columns))}."
            )
        found = {}
        for name in names:
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
        """
        parts = [
            self._codes(name, columns[name])
            if name in self.categories
            else np.asarray(columns[name], np.float64)
            for name in self.names
        ]
        return np.column_stack([*parts, np.asarray(slots, np.float64)])

    def _codes(self, name: str, values: np.ndarray) -> np.ndarray:
        column = pd.Series(np.asarray(values))
        at = pd.Index(self.categories[name]).get_indexer(pd.Index(column.astype(str)))
        return np.where((at >= 0) & column.notna().to_numpy(), at.astype(np.float64), np.nan)
