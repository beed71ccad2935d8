"""The log that an environment is fitted on: read, checked, and kept apart from what the arms learned from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.metrics.buckets import ITEM_RULE, USER_RULE, assign_buckets, training_counts
from learn_recall.columns import CLICK, CONVERSION, ITEM_BUCKET, ITEM_ID, TIMESTAMP, USER_BUCKET, USER_ID
from learn_recall.store.ids import as_id_array
from learn_recall.tables.column_checks import TableCheck
from learn_recall.tables.problems import TableError
from learn_recall.tables.read import read_table
from learn_recall.tables.schemas import inspect_impressions

__all__ = ["LogParts", "check_no_overlap", "read_log", "row_hashes", "split_log"]

SLOT = "position"  # 0 = top of the page
ROW = [USER_ID, ITEM_ID, TIMESTAMP]
DELAY = "conversion_delay_days"
_EXPECTED = {
    USER_ID: "an id in each row, integer or string",
    ITEM_ID: "an id in each row, integer or string",
    TIMESTAMP: "unix seconds",
    SLOT: "an integer >= 0 in each row, 0 = top of the page",
    CLICK: "0 or 1 in each row",
    CONVERSION: "0 or 1 where clicked, else empty",
}
NEEDED = tuple(_EXPECTED)
_LOG = logging.getLogger("learn_recall.tables")
_DAY_SECONDS = 86_400


@dataclass(frozen=True, eq=False)
class LogParts:
    """The log, cut by day and user: rows to fit, to calibrate and to judge, each a frame."""

    fit: pd.DataFrame
    calibrate: pd.DataFrame
    judge: pd.DataFrame


def read_log(log: str | Path | pd.DataFrame) -> pd.DataFrame:
    """A log of impressions, read and checked by the rules of `learn_recall.tables`.

    Columns: user_id, item_id, timestamp (unix seconds), position (0 = top), click (0 or 1), conversion
    (0 or 1, anything where not clicked); optional user_bucket, item_bucket, conversion_delay_days; features.

    Args:
        log: a file, a folder of parquet parts, or a frame.

    Returns:
        The rows in order of time; click int8, conversion float64 with NaN where not clicked, position int64.

    Raises:
        TableError: everything that is wrong with the log.
    """
    name = "log" if isinstance(log, pd.DataFrame) else str(log)
    rows = log if isinstance(log, pd.DataFrame) else read_table(log, as_text=(USER_BUCKET, ITEM_BUCKET))
    numbers = _checked(rows, name)
    typed: dict[str, Any] = {column: as_id_array(rows[column], name=column) for column in (USER_ID, ITEM_ID)}
    typed |= {CLICK: numbers[CLICK].astype(np.int8), SLOT: numbers[SLOT].astype(np.int64)}
    typed |= {CONVERSION: np.where(numbers[CLICK] == 1, numbers[CONVERSION], np.nan)}
    typed |= {column: numbers[column] for column in (TIMESTAMP, DELAY) if column in numbers}
    rows = rows.assign(**typed)
    return rows.sort_values(TIMESTAMP, kind="stable").reset_index(drop=True)


def _checked(rows: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    """The columns of numbers as float64, after every problem of the log has been told."""
    check = TableCheck(rows, name)
    for column, expected in _EXPECTED.items():
        check.has(column, expected)
    if check.problems:
        raise TableError(check.problems)
    judged = rows[list(NEEDED)].drop(columns=SLOT)
    judged = judged.assign(
        **{CONVERSION: rows[CONVERSION].where((rows[CLICK] == 1).fillna(False).astype(bool))}
    )
    report = inspect_impressions(judged, table=name)
    places = check.numbers(SLOT, _EXPECTED[SLOT])
    is_wrong = ~np.isnan(places) & ((places < 0) | (places != np.floor(places)) | np.isinf(places))
    check.wrong_rows(SLOT, is_wrong, _EXPECTED[SLOT], "count from 0 at the top of the page")
    first = np.min(places[np.isfinite(places)], initial=np.inf)
    if np.isfinite(first) and first >= 1:  # the simulated page has a slot 0, of which nothing would be known
        expected = "rows at the top of the page, which is position 0"
        check.add(SLOT, expected, f"none before position {first:g}", f"subtract {first:g} from each position")
    check.wrong_rows(SLOT, rows[SLOT].isna(), _EXPECTED[SLOT], "drop these rows, and say so")
    check.amounts(DELAY)
    for column in (USER_BUCKET, ITEM_BUCKET):
        if column in rows:
            check.wrong_rows(column, rows[column].isna(), "a bucket in each row", "name one, as unknown")
    if report.problems or check.problems:
        raise TableError([*report.problems, *check.problems])
    for warning in report.warnings:
        _LOG.warning("%s", warning)
    named = [column for column in (TIMESTAMP, CLICK, CONVERSION, DELAY) if column in rows]
    typed = TableCheck(rows.assign(**{CONVERSION: judged[CONVERSION]}), name)
    found = {column: typed.numbers(column, "a number") for column in named}
    return {SLOT: places, **found}


def split_log(rows: pd.DataFrame, held_out_share: float = 0.25) -> LogParts:
    """The last days are held out; half of their users calibrate, the other half judge.

    Rows get user_bucket and item_bucket by the counts of the days that are fitted, where the log has none.

    Args:
        rows: of `read_log`.
        held_out_share: share of the days, at least one day, and all but one at most.

    Raises:
        ValueError: fewer than three days, or no share.
    """
    if not 0 < held_out_share < 1:
        raise ValueError(
            f"--held-out-share: expected a share between 0 and 1, got {held_out_share}. Remedy: use .25"
        )
    day = (rows[TIMESTAMP] // _DAY_SECONDS).astype(np.int64)
    days = np.unique(day)
    if len(days) < 3:
        raise ValueError(
            f"log: expected at least 3 days, two to fit and one to judge, got {len(days)}. "
            "Remedy: a longer log."
        )
    first_held_out = days[-min(len(days) - 1, max(1, round(held_out_share * len(days))))]
    is_held_out = (day >= first_held_out).to_numpy()
    counts = training_counts(rows.loc[~is_held_out, [USER_ID, ITEM_ID, CLICK]])
    if USER_BUCKET not in rows:
        rows = rows.assign(**{USER_BUCKET: assign_buckets(rows[USER_ID], counts.users, USER_RULE)})
    if ITEM_BUCKET not in rows:
        rows = rows.assign(**{ITEM_BUCKET: assign_buckets(rows[ITEM_ID], counts.items, ITEM_RULE)})
    is_judge = pd.util.hash_array(rows[USER_ID].to_numpy()) % 2 == 0
    return LogParts(
        *(
            rows[chosen].reset_index(drop=True)
            for chosen in (~is_held_out, is_held_out & ~is_judge, is_held_out & is_judge)
        )
    )


def row_hashes(rows: pd.DataFrame) -> np.ndarray:
    """(N,) uint64 of user, item and time, whatever their types."""
    text = pd.DataFrame(
        {
            USER_ID: rows[USER_ID].astype(str),
            ITEM_ID: rows[ITEM_ID].astype(str),
            TIMESTAMP: rows[TIMESTAMP].astype(np.float64),
        }
    )
    return pd.util.hash_pandas_object(text, index=False).to_numpy()


def _comparable(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """User, item and time of a training table; times of another unit would hide what it has in common."""
    check = TableCheck(rows, name)
    for column in ROW:
        check.has(column, "a column of this name, to compare the rows with those of the log")
    if not check.problems:
        for column in (USER_ID, ITEM_ID):
            check.ids(column)
        check.times(TIMESTAMP, None)
    if check.problems:
        raise TableError(check.problems)
    times = check.numbers(TIMESTAMP, _EXPECTED[TIMESTAMP])
    ids = {column: as_id_array(rows[column], name=column) for column in (USER_ID, ITEM_ID)}
    return pd.DataFrame({**ids, TIMESTAMP: times})


def check_no_overlap(known: np.ndarray, training: Sequence[str | Path | pd.DataFrame]) -> int:
    """Refuse an environment fitted on rows that an arm was trained on: it would repeat the arm's own answers.

    Args:
        known: hashes of the environment's rows, of `row_hashes`.
        training: tables that the arms were trained on, with user_id, item_id and timestamp.

    Returns:
        How many training rows were compared.

    Raises:
        TableError: a table without its times, or with times in another unit than seconds.
        ValueError: rows in common, with their count.
    """
    n_rows = 0
    for number, table in enumerate(training):
        name = f"training table {number + 1}" if isinstance(table, pd.DataFrame) else str(table)
        rows = table if isinstance(table, pd.DataFrame) else read_table(table)
        rows = _comparable(rows, name)
        n_common = int(np.isin(row_hashes(rows), known).sum())
        if n_common:
            raise ValueError(
                f"{name}: expected no row that the environment was fitted on, got {n_common:,} of "
                f"{len(rows):,} in common. Remedy: fit the environment on other days or other users."
            )
        n_rows += len(rows)
    return n_rows
