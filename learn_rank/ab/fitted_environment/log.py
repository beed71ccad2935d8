"""The log that an environment is fitted on: read, checked, and kept apart from what the arms learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.metrics.buckets import ITEM_RULE, USER_RULE, assign_buckets, training_counts
from learn_recall.columns import CLICK, CONVERSION, ITEM_BUCKET, ITEM_ID, TIMESTAMP, USER_BUCKET, USER_ID

__all__ = ["LogParts", "check_no_overlap", "read_log", "row_hashes", "split_log"]

SLOT = "position"  # 0 = top of the page
ROW = [USER_ID, ITEM_ID, TIMESTAMP]
DELAY = "conversion_delay_days"
NEEDED = (*ROW, SLOT, CLICK, CONVERSION)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, eq=False)
class LogParts:
    """The log, cut by day and user: rows to fit, to calibrate and to judge, each a frame."""

    fit: pd.DataFrame
    calibrate: pd.DataFrame
    judge: pd.DataFrame


def read_log(log: str | Path | pd.DataFrame) -> pd.DataFrame:
    """A log of impressions, checked.

    Columns: user_id, item_id, timestamp (unix seconds), position (0 = top), click (0 or 1), conversion
    (0 or 1, anything where not clicked); optional user_bucket, item_bucket, conversion_delay_days; features.

    Raises:
        ValueError: a missing column, an empty cell, labels other than 0 and 1, positions below 0.
    """
    rows = log if isinstance(log, pd.DataFrame) else pd.read_parquet(log)
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise ValueError(
            f"log: expected the columns {', '.join(NEEDED)}, got none of the name {', '.join(missing)}. "
            "Remedy: rename or add them; docs/ab.md says what they hold."
        )
    for name in (*ROW, SLOT, CLICK):
        if rows[name].isna().any():
            raise ValueError(
                f"{name}: expected a value in every row, got {int(rows[name].isna().sum())} empty ones. "
                "Remedy: drop these rows, and say so."
            )
    is_clicked = rows[CLICK] == 1
    for name, labels in ((CLICK, rows[CLICK]), (CONVERSION, rows.loc[is_clicked, CONVERSION])):
        is_bad = ~labels.isin([0, 1])
        if is_bad.any():
            raise ValueError(
                f"{name}: expected 0 or 1{' where clicked' if name == CONVERSION else ''}, got "
                f"{int(is_bad.sum())} others, first {labels[is_bad].iloc[0]!r}. Remedy: correct the column."
            )
    if (rows[SLOT] < 0).any():
        raise ValueError(
            f"{SLOT}: expected 0 for the top of the page and up, got {rows[SLOT].min()}. "
            "Remedy: count from 0."
        )
    return rows.sort_values(TIMESTAMP, kind="stable").reset_index(drop=True)


def split_log(rows: pd.DataFrame, held_out_share: float = 0.25) -> LogParts:
    """The last days are held out; half of their users calibrate, the other half judge.

    Rows get user_bucket and item_bucket by the counts of the days that are fitted, where the log has none.

    Args:
        rows: of `read_log`.
        held_out_share: share of the days, at least one day.

    Raises:
        ValueError: fewer than three days.
    """
    day = (rows[TIMESTAMP] // _DAY_SECONDS).astype(np.int64)
    days = np.unique(day)
    if len(days) < 3:
        raise ValueError(
            f"log: expected at least 3 days, two to fit and one to judge, got {len(days)}. "
            "Remedy: a longer log."
        )
    first_held_out = days[-max(1, round(held_out_share * len(days)))]
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


def check_no_overlap(known: np.ndarray, training: Sequence[str | Path | pd.DataFrame]) -> int:
    """Refuse an environment fitted on rows that an arm was trained on: it would repeat the arm's own answers.

    Args:
        known: hashes of the environment's rows, of `row_hashes`.
        training: tables that the arms were trained on, with user_id, item_id and timestamp.

    Returns:
        How many training rows were compared.

    Raises:
        ValueError: rows in common, with their count.
    """
    n_rows = 0
    for number, table in enumerate(training):
        name = f"training table {number + 1}" if isinstance(table, pd.DataFrame) else str(table)
        rows = table if isinstance(table, pd.DataFrame) else pd.read_parquet(table)
        missing = [column for column in ROW if column not in rows]
        if missing:
            raise ValueError(
                f"{name}: expected {', '.join(ROW)} to compare it with the log, got none of the name "
                f"{', '.join(missing)}. Remedy: give the table with its times."
            )
        n_common = int(np.isin(row_hashes(rows), known).sum())
        if n_common:
            raise ValueError(
                f"{name}: expected no row that the environment was fitted on, got {n_common:,} of "
                f"{len(rows):,} in common. Remedy: fit the environment on other days or other users."
            )
        n_rows += len(rows)
    return n_rows
