"""An experiment is read from a table and checked: what cannot be judged is refused, with every problem."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.experiment.arms import one_arm_a_user, ordered_arms
from learn_rank.ab.experiment.days import DAY_WORDS, day_names, day_numbers
from learn_rank.ab.experiment.declaration import Declaration, bucket_of
from learn_rank.ab.experiment.frozen_values import Placed, as_bucket, one_value_a_user
from learn_rank.ab.experiment.metrics import STANDARD, Metric, metric_of, metrics_of
from learn_rank.ab.experiment.outcomes import Outcomes, sums_by_user_and_day
from learn_recall.store.ids import as_id_array
from learn_recall.tables.column_checks import TableCheck
from learn_recall.tables.problems import TableError
from learn_recall.tables.read import read_table

__all__ = ["Rows", "read_outcomes", "read_rows", "read_untreated", "renamed"]

USER, ARM, DAY = "user_id", "arm", "day"
MAY_BE_NEGATIVE = "revenue"  # refunds
NEGATIVE = "rows_with_negative_"  # how a count of them begins
_COUNTS = tuple(
    dict.fromkeys(name for metric in STANDARD for name in metric.columns if name != MAY_BE_NEGATIVE)
)


@dataclass(frozen=True, eq=False)
class Rows:
    """A table whose cells are what they must be, in columns; N rows.

    Attributes:
        frame: the table, columns by the names here.
        user: (N,) ids.
        day: (N,) int64.
        are_dates: whether ``day`` counts days since 1970.
        values: outcome column -> (N,) float64.
        metrics: that can be had of it.
        counts: rows, and what is odd.
    """

    frame: pd.DataFrame
    user: np.ndarray
    day: np.ndarray
    are_dates: bool
    values: Mapping[str, np.ndarray]
    metrics: tuple[Metric, ...]
    counts: dict[str, int]


def read_outcomes(
    path: str | os.PathLike[str], declared: Declaration
) -> tuple[Outcomes, tuple[Metric, ...], bool]:
    """Read the experiment; give it with its metrics and whether its days are dates.

    Columns: user_id (integers or text), arm, day (an integer, or a date), and outcomes: impressions, clicks,
    conversions, revenue, and what ``metrics`` names. One row a user and day, or finer: finer rows are summed.
    Buckets and covariates have one value a user.

    Args:
        path: a .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz file, or a folder of parquet parts.
        declared: the design.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: everything that is wrong with the cells.
        ValueError: fewer than two arms, a control that is not there, users in two arms, a bucket or covariate
            that changes after the first exposure, a primary metric that is not there.
    """
    rows = read_rows(path, declared, needs_arm=True)
    row_user, user_ids = pd.factorize(rows.user, sort=True)
    arm_of_row = rows.frame[ARM].astype(str).to_numpy(dtype=object)
    arms = ordered_arms(arm_of_row, declared.control)
    row_arm = pd.Index(arms).get_indexer(pd.Index(arm_of_row))
    arm = one_arm_a_user(user_ids, row_user, row_arm, arms)
    outcomes = _outcomes(rows, declared, Placed(user_ids, row_user, rows.day), arm, arms)
    for at, name in enumerate(arms):
        outcomes.counts[f"users in {name}"] = int((arm == at).sum())
    return outcomes, _primary_first(rows.metrics, declared, outcomes), rows.are_dates


def read_untreated(
    path: str | os.PathLike[str], declared: Declaration
) -> tuple[Outcomes, tuple[Metric, ...]]:
    """Read outcomes of a time without a test, all users in one arm, with the metrics, the primary first.

    Columns as of `read_outcomes`; what stands in arm is not looked at.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: everything that is wrong with the cells.
        ValueError: a bucket that changes within a user, or a primary metric that is not there.
    """
    rows = read_rows(path, declared, needs_arm=False, needs_known=True)
    row_user, user_ids = pd.factorize(rows.user, sort=True)
    placed = Placed(user_ids, row_user, rows.day)
    outcomes = _outcomes(rows, declared, placed, np.zeros(user_ids.size, np.int64), ("all",))
    return outcomes, _primary_first(rows.metrics, declared, outcomes)


def _outcomes(
    rows: Rows, declared: Declaration, placed: Placed, arm: np.ndarray, arms: tuple[str, ...]
) -> Outcomes:
    user_ids, row_user = placed.user_ids, placed.row_user
    buckets, covariates = {}, {}
    for text in declared.buckets:
        name, cut = bucket_of(text)
        label = name if cut is None else text
        values = one_value_a_user(rows.frame[name], "bucket", placed)
        buckets[label] = as_bucket(values, label, cut)
    for name in declared.covariates:
        covariates[name] = one_value_a_user(rows.frame[name], "covariate", placed)
    days, row_day = np.unique(rows.day, return_inverse=True)
    user, day, sums = sums_by_user_and_day(row_user, row_day, rows.values)
    counts = {**rows.counts, "users": user_ids.size, "rows_summed_into_another": rows.day.size - user.size}
    return Outcomes(
        user_ids=user_ids,
        arm=arm,
        arms=arms,
        days=days,
        day_names=day_names(days, rows.are_dates),
        row_user=user,
        row_day=day,
        sums=sums,
        buckets=buckets,
        covariates=covariates,
        counts=counts,
    )


def read_rows(
    path: str | os.PathLike[str],
    declared: Declaration,
    *,
    needs_arm: bool,
    needs_known: bool | None = None,
) -> Rows:
    """Read a table of outcomes and check its cells; arms are needed in the test and not before it.

    Args:
        path: the table.
        declared: the design.
        needs_arm: whether each row has an arm.
        needs_known: whether buckets and covariates are there; as ``needs_arm`` by default.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: everything that is wrong with it.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"experiment: expected a table of outcomes, found nothing at {path}. Remedy: correct the path."
        )
    here_to_file = dict(declared.columns)
    at_file = {name: here_to_file.get(name, name) for name in (USER, ARM, DAY)}
    raw_buckets = [name for name, cut in map(bucket_of, declared.buckets) if cut is None]
    frame = read_table(
        path, id_columns=(at_file[USER],), as_text=(at_file[ARM], *raw_buckets), has_lists=False
    )
    frame = renamed(frame, here_to_file)
    check = TableCheck(frame, os.fspath(path))
    user = _users(frame, check, declared)
    if needs_arm and check.has(ARM, "the name of the user's arm in each row"):
        check.wrong_rows(
            ARM, frame[ARM].isna(), "the name of an arm in each row", "name it, or leave the rows out"
        )
    day, are_dates = _days(frame, check)
    metrics = metrics_of(frame.columns, declared.metrics, declared.standard)
    if not metrics:
        standard = ", ".join(f"{metric.name} ({', '.join(metric.columns)})" for metric in STANDARD)
        check.add(
            "",
            f"columns of outcomes: of {standard}, or others",
            f"columns {', '.join(map(str, frame.columns[:12]))}",
            "--metric NAME for another column, --column revenue=YOURS for a standard one",
        )
    values = {
        name: _outcome(check, name, is_below=any(metric.below == name for metric in metrics))
        for name in dict.fromkeys(name for metric in metrics for name in metric.columns)
        if check.has(name, "an outcome, a number in each row")
    }
    is_known = needs_arm if needs_known is None else needs_known
    for text in (*declared.buckets, *declared.covariates) if is_known else ():
        check.has(bucket_of(text)[0], "a value of each user, known before the test")
    if check.problems:
        raise TableError(check.problems)
    counts = {"rows": len(frame)}
    for name, numbers in values.items():
        if (numbers < 0).any():
            counts[f"{NEGATIVE}{name}"] = int((numbers < 0).sum())
    return Rows(frame, as_id_array(user, name=USER), day.astype(np.int64), are_dates, values, metrics, counts)


def renamed(frame: pd.DataFrame, here_to_file: Mapping[str, str]) -> pd.DataFrame:
    """The table with its columns by the names here.

    Raises:
        ValueError: a name that is no column of the file.
    """
    missing = [f"{here}={there}" for here, there in here_to_file.items() if there not in frame]
    if missing:
        raise ValueError(
            f"column: expected names of the file's columns ({', '.join(map(str, frame.columns[:12]))}), got "
            f"{', '.join(missing)}. Remedy: --column arm=NAME with the name that the file has."
        )
    shadowed = [here for here, there in here_to_file.items() if here in frame and here != there]
    return frame.drop(columns=shadowed).rename(columns={there: here for here, there in here_to_file.items()})


def _users(frame: pd.DataFrame, check: TableCheck, declared: Declaration) -> pd.Series:
    if declared.is_row_a_user:
        if USER in frame:
            check.add(USER, "no such column with --row-is-user", "one", "leave the option out")
        return pd.Series(np.arange(len(frame)), index=frame.index)
    if USER not in frame:
        check.add(
            USER,
            "an id in each row, integer or text",
            f"no such column; columns {', '.join(map(str, frame.columns[:12]))}",
            "--column user_id=YOURS, or --row-is-user where each row is another user",
        )
        return pd.Series(np.arange(len(frame)), index=frame.index)
    ids = check.ids(USER)
    return frame[USER] if ids is None else ids


def _days(frame: pd.DataFrame, check: TableCheck) -> tuple[np.ndarray, bool]:
    if DAY not in frame:
        return np.zeros(len(frame)), False
    days, are_dates = day_numbers(frame[DAY])
    check.wrong_rows(DAY, np.isnan(days), DAY_WORDS, "write the day of each row, or leave the column out")
    return np.nan_to_num(days), are_dates


def _outcome(check: TableCheck, name: str, *, is_below: bool) -> np.ndarray:
    numbers = check.numbers(name, "a number in each row")
    is_wrong = ~np.isfinite(numbers)
    check.wrong_rows(name, is_wrong, "a finite number in each row", "write 0 where nothing happened")
    if name in _COUNTS or is_below:
        remedy = "counts are 0 or more; only revenue may be negative (refunds)"
        check.wrong_rows(name, np.isfinite(numbers) & (numbers < 0), "a number >= 0", remedy)
    return numbers


def _primary_first(
    metrics: tuple[Metric, ...], declared: Declaration, outcomes: Outcomes
) -> tuple[Metric, ...]:
    by_name = {metric.name: metric for metric in metrics}
    wanted = metrics[0].name if declared.primary is None else declared.primary
    name = metric_of(wanted).name
    if name not in by_name:
        raise ValueError(
            f"primary: expected one of {', '.join(by_name)}, got {wanted!r}. Remedy: --metric {wanted} where "
            "the file has such a column."
        )
    primary = by_name[name]
    if primary.below is not None and not outcomes.totals(primary.below).any():
        raise ValueError(
            f"primary: expected a ratio whose denominator is not 0, got no {primary.below} for {name!r}. "
            "Remedy: choose another metric with --primary."
        )
    return (primary, *(metric for metric in metrics if metric is not primary))
