"""What was known of the users before the test: a pre-period, and covariates of the file itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.read import ARM, read_rows
from learn_rank.ab.statistics.delta_method import PerUser

__all__ = ["Past", "past_of"]


@dataclass(frozen=True, eq=False)
class Past:
    """What was known of U users.

    Attributes:
        sums: column -> (U,) its sum before the test, 0 for a user who was not there.
        n_days: (U,) on how many days of the pre-period each was there.
        covariates: column -> (U,) numbers (NaN for empty cells) or text.
        counts: what was counted.
    """

    sums: dict[str, np.ndarray]
    n_days: np.ndarray | None
    covariates: dict[str, pd.Series]
    counts: dict[str, int]

    def __bool__(self) -> bool:
        return bool(self.sums or self.covariates)

    def of_metric(self, metric: Metric) -> PerUser | None:
        """The covariate of CUPED: the metric before the test, else the first covariate with numbers."""
        if set(metric.columns) <= set(self.sums):
            below = None if metric.below is None else self.sums[metric.below]
            return PerUser(self.sums[metric.above], below)
        for values in self.covariates.values():
            if pd.api.types.is_numeric_dtype(values):
                numbers = values.to_numpy(np.float64, na_value=np.nan)
                return PerUser(np.where(np.isnan(numbers), np.nanmean(numbers), numbers))
        return None

    def features(self) -> pd.DataFrame:
        """(U, F) everything that a model may predict from; text as categories."""
        found: dict[str, pd.Series] = {
            f"before: {name}": pd.Series(values) for name, values in self.sums.items()
        }
        if self.n_days is not None:
            found["before: days"] = pd.Series(self.n_days)
        for name, values in self.covariates.items():
            is_number = pd.api.types.is_numeric_dtype(values)
            found[name] = values.astype("float64") if is_number else values.astype("category")
        return pd.DataFrame(found)


def past_of(
    outcomes: Outcomes,
    declared: Declaration,
    metrics: Sequence[Metric],
    path: str | os.PathLike[str] | None,
    *,
    are_dates: bool,
) -> Past:
    """The past of the users of an experiment.

    Args:
        outcomes: of the test.
        declared: the design.
        metrics: of the test.
        path: a table as that of the test, of days before it; arm may be left out. None without one.
        are_dates: whether the days of the test are dates.

    Raises:
        TableError: what is wrong with the cells of the pre-period.
        ValueError: a pre-period that overlaps the test, that has none of its users or other arms, or a
            covariate without a single number or text.
    """
    covariates, counts = {}, {}
    for name, values in outcomes.covariates.items():
        n_empty = int(values.isna().sum())
        if n_empty == len(values):
            raise ValueError(f"covariate: expected values in {name!r}, got none. Remedy: leave it out.")
        if n_empty:
            counts[f"users_without_{name}"] = n_empty
        covariates[name] = values
    if path is None:
        has_numbers = any(map(pd.api.types.is_numeric_dtype, covariates.values()))
        if covariates and declared.adjust == "cuped" and not has_numbers:
            raise ValueError(
                f"covariate: expected a number among {', '.join(covariates)} for CUPED, got text alone. "
                "Remedy: --adjust cupac, whose model takes text."
            )
        return Past({}, None, covariates, counts)
    rows = read_rows(path, declared, needs_arm=False)
    last, first = int(rows.day.max()), int(outcomes.days[0])
    if rows.are_dates != are_dates:
        raise ValueError(
            "pre_period: expected days as the test writes them, got dates in one and integers in the other. "
            "Remedy: write both in one way."
        )
    if last >= first:
        n_late = int((rows.day >= first).sum())
        raise ValueError(
            f"pre_period: expected days before the first day of the test ({outcomes.day_names[0]}), got "
            f"{n_late:,} rows on that day or later. Remedy: cut the pre-period before the first exposure; "
            "what overlaps the test may be a result of it."
        )
    place = pd.Index(outcomes.user_ids).get_indexer(pd.Index(rows.user))
    is_known = place >= 0
    if not is_known.any():
        raise ValueError(
            "pre_period: expected users of the test, got none of them. Remedy: write user_id the same way in "
            "both files."
        )
    _check_arms(rows.frame, outcomes, place)
    known = place[is_known]
    sums = {
        name: np.bincount(known, values[is_known], outcomes.n_users)
        for name, values in rows.values.items()
        if any(name in metric.columns for metric in metrics)
    }
    pairs = np.unique(known * (last - int(rows.day.min()) + 1) + (rows.day[is_known] - rows.day.min()))
    n_days = np.bincount(pairs // (last - int(rows.day.min()) + 1), minlength=outcomes.n_users)
    counts["pre_period_rows"] = len(rows.frame)
    counts["pre_period_rows_of_others"] = int((~is_known).sum())
    counts["users_without_a_past"] = int((n_days == 0).sum())
    return Past(sums, n_days.astype(np.float64), covariates, counts)


def _check_arms(frame: pd.DataFrame, outcomes: Outcomes, place: np.ndarray) -> None:
    if ARM not in frame:
        return
    is_told = (place >= 0) & frame[ARM].notna().to_numpy()
    told = frame[ARM].astype(str).to_numpy(dtype=object)[is_told]
    own = np.array(outcomes.arms, dtype=object)[outcomes.arm[place[is_told]]]
    n_other = int((told != own).sum())
    if n_other:
        at = np.flatnonzero(told != own)[0]
        raise ValueError(
            f"pre_period: expected each user's arm of the test, or no arm, got {n_other:,} rows with "
            f"another, as {told[at]!r} for {own[at]!r}. Remedy: drop the column where nobody was split yet."
        )
