"""Arms that were counted: one row an arm of a test, with impressions and clicks and no users."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.experiment.declaration import bucket_of
from learn_rank.ab.experiment.frozen_values import as_bucket
from learn_rank.ab.experiment.outcomes import Bucket
from learn_rank.ab.experiment.read import renamed
from learn_recall.tables.column_checks import TableCheck
from learn_recall.tables.problems import TableError
from learn_recall.tables.read import read_table

__all__ = ["Series", "read_series"]

ARM, SHOWN, CLICKS = "arm", "impressions", "clicks"
MIXED = "(several)"


@dataclass(frozen=True, eq=False)
class Series:
    """T tests with A arms in all, the arms of a test beside each other.

    Attributes:
        tests: (T,) names.
        test: (A,) place of the test, ascending.
        arms: (A,) names, of a row without one its number in the test, from 1.
        shown: (A,) impressions.
        clicks: (A,).
        buckets: column -> the value of each test; "(several)" where its rows differ.
        counts: what was counted while reading.
    """

    tests: np.ndarray
    test: np.ndarray
    arms: np.ndarray
    shown: np.ndarray
    clicks: np.ndarray
    buckets: Mapping[str, Bucket]
    counts: Mapping[str, int]

    @property
    def starts(self) -> np.ndarray:
        """(T,) the first arm of each test."""
        return np.searchsorted(self.test, np.arange(self.tests.size))


def read_series(
    path: str | os.PathLike[str],
    test_column: str,
    *,
    columns: Mapping[str, str] | None = None,
    buckets: Sequence[str] = (),
) -> Series:
    """Read a file of tests.

    Columns: the test, impressions, clicks, and arm where the arms have names (rows of one arm are summed);
    without it each row is an arm. Buckets tell of tests and not of users.

    Args:
        path: a .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz file, or a folder of parquet parts.
        test_column: the column that names the test, as the file has it.
        columns: name here -> name in the file.
        buckets: columns, or ``NAME=LOW..HIGH``.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: everything that is wrong with the cells.
        ValueError: a name that is no column.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"experiment: expected a table of tests, found nothing at {path}. Remedy: correct the path."
        )
    here_to_file = dict(columns or {})
    raw_buckets = [name for name, cut in map(bucket_of, buckets) if cut is None]
    texts = (here_to_file.get(ARM, ARM), test_column, *raw_buckets)
    frame = renamed(read_table(path, as_text=texts, has_lists=False), here_to_file)
    check = TableCheck(frame, os.fspath(path))
    if check.has(test_column, "the test of each row"):
        check.wrong_rows(test_column, frame[test_column].isna(), "the test of each row", "name it")
    numbers = {
        name: _count(check, name) for name in (SHOWN, CLICKS) if check.has(name, "a count in each row")
    }
    if ARM in frame:
        check.wrong_rows(ARM, frame[ARM].isna(), "the name of an arm in each row", "name it")
    for text in buckets:
        check.has(bucket_of(text)[0], "a value of each test")
    if len(numbers) == 2:
        is_more = numbers[CLICKS] > numbers[SHOWN]
        check.wrong_rows(CLICKS, is_more, "no more clicks than impressions", "count a click once")
    if check.problems:
        raise TableError(check.problems)
    test, tests = pd.factorize(frame[test_column].astype(str), sort=True)
    if ARM in frame:
        arm = frame[ARM].astype(str)
    else:
        arm = (pd.Series(test).groupby(test).cumcount() + 1).astype(str)
    keyed = pd.DataFrame({"test": test, "arm": arm.to_numpy(), **numbers})
    summed = keyed.groupby(["test", "arm"], sort=True, as_index=False).sum()
    return Series(
        tests=np.asarray(tests, dtype=object),
        test=summed["test"].to_numpy(),
        arms=summed["arm"].to_numpy(dtype=object),
        shown=summed[SHOWN].to_numpy(np.float64),
        clicks=summed[CLICKS].to_numpy(np.float64),
        buckets=dict(_bucket(frame, text, test) for text in buckets),
        counts={
            "rows": len(frame),
            "tests": len(tests),
            "arms": len(summed),
            "rows_summed_into_another": len(frame) - len(summed),
            "impressions": int(numbers[SHOWN].sum()),
            "clicks": int(numbers[CLICKS].sum()),
        },
    )


def _count(check: TableCheck, name: str) -> np.ndarray:
    numbers = check.numbers(name, "a whole number >= 0")
    is_wrong = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    check.wrong_rows(name, is_wrong, "a whole number >= 0 in each row", "write the count of the arm")
    return numbers


def _bucket(frame: pd.DataFrame, text: str, test: np.ndarray) -> tuple[str, Bucket]:
    name, cut = bucket_of(text)
    of_rows = as_bucket(frame[name], name, cut)
    low = pd.Series(of_rows.codes).groupby(test).min().to_numpy()
    high = pd.Series(of_rows.codes).groupby(test).max().to_numpy()
    is_mixed = low != high
    names = (*of_rows.names, MIXED) if is_mixed.any() else of_rows.names
    return (name if cut is None else text), Bucket(names, np.where(is_mixed, len(of_rows.names), low))
