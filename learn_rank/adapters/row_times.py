"""When the oldest row happened, in unix seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.store import StoreError
from learn_recall.store.card import check_unix_seconds

_ROWS_AT_ONCE = 1 << 18


def first_time(files: tuple[Path, ...], column: str) -> float | None:
    """The smallest time of a column over all files, None where there are no rows.

    Args:
        files: parquet files that hold the column.
        column: unix seconds as integers or floats, or a timestamp or date type.

    Raises:
        StoreError: another type, rows without a time, or one that is no unix seconds.
    """
    found = []
    for file in files:
        with pq.ParquetFile(file) as reader:
            for batch in reader.iter_batches(_ROWS_AT_ONCE, columns=[column]):
                if len(batch):
                    first = float(_seconds(batch.column(0), f"{file}, column {column}").min())
                    check_unix_seconds(f"{file}, column {column}", first)
                    found.append(first)
    return min(found) if found else None


def _seconds(times: pa.Array, name: str) -> np.ndarray:
    kind = times.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        seconds = times.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        values = seconds.to_numpy(zero_copy_only=False) / 1e6
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = times.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        raise StoreError.of(
            name, expected="unix seconds or a timestamp type", got=kind, remedy="cast the column"
        )
    n_missing = int(np.isnan(values).sum())
    if n_missing:
        raise StoreError.of(
            name,
            expected="a time in every row",
            got=f"{n_missing} rows without one",
            remedy="drop those rows, or pass timestamp_column=None and check the times by hand",
        )
    return values


__all__ = ["first_time"]
