"""What was shown in a day, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Impressions:
    """The impressions of a day in the order of requests, then slots; M of them.

    Attributes:
        row: (M,) int64, position among the day's candidates.
        request: (M,) int64, position among the day's requests.
        slot: (M,) int64, from 0.
        arm: (M,) uint8, the arm that served.
        price: (M,) float64, of a click or a conversion, whichever is billed.
        bill: (M,) float64, what was charged: 0 without the billed event, less than the price where a budget
            ended.
        is_click, is_conversion: (M,) bool; a conversion may come after the last day.
        is_mature: (M,) bool, the conversion came in time to be counted.
        p_click, p_conversion: (M,) the environment's probabilities.
        predicted_click: (M,) pCTR of the arm x slot effect.
        predicted_conversion: (M,) pCVR of the arm.
        n_capped: bills that a budget cut short.
    """

    row: np.ndarray
    request: np.ndarray
    slot: np.ndarray
    arm: np.ndarray
    price: np.ndarray
    bill: np.ndarray
    is_click: np.ndarray
    is_conversion: np.ndarray
    is_mature: np.ndarray
    p_click: np.ndarray
    p_conversion: np.ndarray
    predicted_click: np.ndarray
    predicted_conversion: np.ndarray
    n_capped: int

    def first(self, n_kept: int, bill: np.ndarray, n_capped: int) -> Impressions:
        """The first `n_kept`, with these (n_kept,) bills."""
        kept = {name: getattr(self, name)[:n_kept] for name in _COLUMNS}
        return replace(self, **{**kept, "bill": bill, "n_capped": n_capped})


def concatenated(parts: Sequence[Impressions]) -> Impressions:
    """Several stretches of one day after each other."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return Impressions(**columns, n_capped=sum(part.n_capped for part in parts))


_COLUMNS = [field.name for field in fields(Impressions) if field.name != "n_capped"]

__all__ = ["Impressions", "concatenated"]
