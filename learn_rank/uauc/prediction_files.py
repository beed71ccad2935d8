"""Reading prediction files: only the columns asked for, and a clear word about what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.evaluation.beyond_memory import ParquetRows, is_parquet
from learn_rank.metrics.input_columns import check_same_column, check_same_length


def read_predictions(path: Path, columns: Sequence[str], user: str, score: str) -> pd.DataFrame:
    """Read columns of a parquet or csv(.gz) file, or of several parquet files.

    Args:
        path: the file; .parquet, .csv or .csv.gz; or a folder or a glob of parquet files, in order of names.
        columns: the columns to read besides `user` and `score`.
        user: the column of user ids; from csv they are read as strings, so that 007 stays 007 and a long
            integer beside an empty field does not become a float.
        score: the column of scores; from csv it is parsed to the nearest float64, whatever the pandas.

    Raises:
        ValueError: no such file, an unknown ending, missing columns, or no rows.
    """
    wanted = list(dict.fromkeys([user, score, *columns]))
    if is_parquet(path):
        return ParquetRows.at(path).read(wanted).to_pandas()
    if path.name.endswith((".csv", ".csv.gz")):
        try:
            offered = list(pd.read_csv(path, nrows=0).columns)
        except pd.errors.EmptyDataError:
            raise ValueError(f"{path}: expected a header and rows, got an empty file") from None
    else:
        raise ValueError(
            f"{path}: expected .parquet, .csv or .csv.gz, got {path.suffix!r}. Remedy: convert it"
        )
    missing = [column for column in wanted if column not in offered]
    if missing:
        raise ValueError(f"{path}: expected the columns {wanted}, got no {missing}. It holds {offered}")
    table = pd.read_csv(path, usecols=wanted, dtype={user: str, score: str})
    table[score] = np.array([float(text) for text in table[score]])
    if len(table) == 0:
        raise ValueError(f"{path}: expected rows, got none. Remedy: check the job that wrote the file")
    return table


def check_same_rows(table: pd.DataFrame, baseline: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse two files that do not hold the same rows in the same order.

    Ids are compared as text where one file holds integers and the other strings.
    """
    check_same_length(len(table), len(baseline), "baseline")
    for column in columns:
        check_same_column(table[column], baseline[column], column, "baseline")
