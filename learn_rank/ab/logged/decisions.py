"""Logged decisions with their chances, and the policies to be judged on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["LoggedBandit", "Policy", "evidence_mode"]


@dataclass(frozen=True, eq=False)
class LoggedBandit:
    """Decisions that were logged with the chance they had.

    Args:
        user: (N,) ids; rows of one user may depend on each other.
        propensity: (N,) chance with which the logging policy took the logged action, in (0, 1].
        reward: (N,) what it earned.

    Raises:
        ValueError: no rows, lengths that differ, propensities outside (0, 1], missing users, rewards
            that are not finite.
    """

    user: np.ndarray
    propensity: np.ndarray
    reward: np.ndarray

    def __post_init__(self) -> None:
        sizes = {self.user.size, self.propensity.size, self.reward.size}
        if len(sizes) != 1 or 0 in sizes:
            raise ValueError(f"log: expected one user, propensity and reward per row, got {sorted(sizes)}.")
        is_bad = ~((self.propensity > 0) & (self.propensity <= 1))
        if is_bad.any():
            raise ValueError(
                f"propensity: expected chances in (0, 1], got {int(is_bad.sum())} rows outside, the first "
                f"{self.propensity[is_bad][0]} in row {int(np.flatnonzero(is_bad)[0])}. Remedy: what "
                "was logged had a chance above 0; find out what was written instead of it."
            )
        if pd.isna(self.user).any():
            raise ValueError("user: expected an id in every row, got missing ones. Remedy: drop these rows.")
        if not np.isfinite(self.reward).all():
            raise ValueError(
                "reward: expected finite numbers, got some that are not. Remedy: drop these rows."
            )


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy as the log can see it.

    Args:
        name: as printed.
        probability: (N,) chance with which it takes the logged action of each row, in [0, 1].
        model_logged: (N,) a model's expected reward of the logged action, for DR.
        model_value: (N,) the model's expected reward under the policy: sum over actions of chance x model.

    Raises:
        ValueError: chances outside [0, 1], or one half of the model without the other.
    """

    name: str
    probability: np.ndarray
    model_logged: np.ndarray | None = None
    model_value: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not ((self.probability >= 0) & (self.probability <= 1)).all():
            n_bad = int((~((self.probability >= 0) & (self.probability <= 1))).sum())
            raise ValueError(
                f"probability: expected chances in [0, 1] for {self.name!r}, got {n_bad} outside. "
                "Remedy: give the chance of the row's own action."
            )
        if (self.model_logged is None) != (self.model_value is None):
            raise ValueError(
                f"model_value: expected it together with model_logged for {self.name!r}, got one of them. "
                "Remedy: give both, or neither for IPS and SNIPS alone."
            )


def evidence_mode(propensity: Any) -> tuple[str, str]:
    """("R", why) where a log can say what another policy would have earned, else ("D", why).

    Args:
        propensity: (N,) with NaN for missing; None where the log has no such column.

    Example:
        >>> evidence_mode(None)
        ('D', 'The log holds no propensities.')
        >>> evidence_mode([0.5, 0.25])[0], evidence_mode([1.0, 1.0])[0], evidence_mode([0.5, float("nan")])[0]
        ('R', 'D', 'D')
    """
    if propensity is None:
        return "D", "The log holds no propensities."
    values = np.asarray(propensity, np.float64)
    n_missing = int(np.isnan(values).sum())
    if n_missing:
        return (
            "D",
            f"{n_missing:,} of {values.size:,} rows have no propensity, and which ones may be no accident.",
        )
    if values.size and (values == 1).all():
        return "D", "Every propensity is 1: the logging rule was deterministic and tried nothing else."
    return "R", "Every row has the propensity of its action."
