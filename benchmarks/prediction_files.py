"""Reading prediction files: only the columns asked for, and a clear word about what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.columns_in import plain


def read_predictions(path: Path, columns: Sequence[str], user: str, score: str) -> pd.DataFrame:
    """Reads columns of a parquet or csv(.gz) file.

    Args:
        path: the file; .parquet, .csv or .csv.gz.
        columns: the columns to read besides `user` and `score`.
        user: the column of user ids; from csv they are read as strings, so that 007 stays 007 and a long
            integer beside an empty field does not become a float.
        score: the column of scores; from csv it is parsed to the nearest float64, whatever the pandas.

    Raises:
        ValueError: no such file, an unknown ending, missing columns, or no rows.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got nothing there. Remedy: check the path")
    wanted = list(dict.fromkeys([user, score, *columns]))
    is_parquet = path.suffix == ".parquet"
    if is_parquet:
        import pyarrow.parquet

        offered = list(pyarrow.parquet.read_schema(path).names)
    elif path.name.endswith((".csv", ".csv.gz")):
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
    if is_parquet:
        table = pd.read_parquet(path, columns=wanted)
    else:
        table = pd.read_csv(path, usecols=wanted, dtype={user: str, score: str})
        table[score] = np.array([float(text) for text in table[score]])
    if len(table) == 0:
        raise ValueError(f"{path}: expected rows, got none. Remedy: check the job that wrote the file")
    return table


def check_same_rows(table: pd.DataFrame, baseline: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raises ValueError where two files do not hold the same rows in the same order.

    Ids are compared as text where one file holds integers and the other strings.
    """
    remedy = "Remedy: score the same table with both models and keep the order"
    if len(table) != len(baseline):
        raise ValueError(
            f"baseline: expected the candidate's {len(table)} rows, got {len(baseline)}. {remedy}"
        )
    for column in columns:
        here, there = table[column], baseline[column]
        if here.dtype != there.dtype and not (_is_number(here) and _is_number(there)):
            here, there = here.astype(str), there.astype(str)
        is_other = here.to_numpy() != there.to_numpy()
        if is_other.any():
            row = int(np.flatnonzero(is_other)[0])
            raise ValueError(
                f"baseline: expected the candidate's rows, got {column} = {plain(there.iloc[row])!r} "
                f"instead of {plain(here.iloc[row])!r} in row {row}, {int(is_other.sum()) - 1} more. {remedy}"
            )


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))
