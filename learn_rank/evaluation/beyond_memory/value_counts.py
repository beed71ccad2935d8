"""How often each value of a column occurs, from chunks: memory grows with the values, not with the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_PENDING = 1 << 22


class ValueCounts:
    """Counts the values of the chunks that it is given."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._n_pending = 0
        self._n_known = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Count a chunk without missing values."""
        counted = pa.table({"value": column}).group_by("value").aggregate([([], "count_all")])
        self._tables.append(counted.rename_columns(["value", "n"]))
        self._n_pending += counted.num_rows
        if self._n_pending > max(_PENDING, self._n_known):
            self._join()

    def sorted(self) -> tuple[pd.Index, np.ndarray]:
        """(V,) distinct values, ascending, and how often each occurs."""
        self._join()
        (table,) = self._tables
        table = table.sort_by("value")
        return pd.Index(table["value"].to_pandas()), table["n"].to_numpy()

    def _join(self) -> None:
        joined = pa.concat_tables(self._tables).group_by("value").aggregate([("n", "sum")])
        self._tables = [joined.select(["value", "n_sum"]).rename_columns(["value", "n"])]
        self._n_pending, self._n_known = 0, joined.num_rows


def codes_of(column: pa.ChunkedArray, values: pd.Index) -> np.ndarray:
    """(N,) position of each row's value in the distinct `values`."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    place = values.get_indexer(pd.Index(encoded.dictionary.to_pandas()))
    return place[encoded.indices.to_numpy(zero_copy_only=False)]
