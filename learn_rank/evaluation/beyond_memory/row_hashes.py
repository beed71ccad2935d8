"""A number for each row that tells it from others: equal rows have equal ones, in whatever chunk they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, of no pattern


def row_hashes(columns: list[pa.ChunkedArray]) -> np.ndarray:
    """(N,) uint64; different rows share one with a chance of 2^-64.

    Args:
        columns: at least one, each (N,) of values that are no lists; a missing value equals a missing value.

    Example:
        >>> column = pa.chunked_array([["a", None, "b", "a"]])
        >>> [int(number == row_hashes([column])[0]) for number in row_hashes([column])]
        [1, 0, 0, 1]
    """
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode()  # so that missing values change no type
        values = encoded.dictionary.to_pandas().to_numpy()
        of_values = np.append(pd.util.hash_array(values, categorize=False), np.uint64(1))
        places = pc.fill_null(encoded.indices.cast(pa.int64()), len(values)).to_numpy()
        found = found * _FACTOR + of_values[places]
    return found


__all__ = ["row_hashes"]
