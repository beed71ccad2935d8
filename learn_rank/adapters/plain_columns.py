"""`JoinedRows` as plain columns: vectors as lists of fixed size, similarities as one number a column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from learn_rank.adapters.joined_rows import JoinedRows


def plain_columns(
    rows: JoinedRows, similarities: Sequence[str], *, dtype: str, has_vectors: bool
) -> dict[str, pa.Array]:
    """Columns that any reader of parquet understands.

    Args:
        rows: of `join_rows`, B rows.
        similarities: names of their similarity features.
        dtype: "float32" or "float16", of the vectors and of the similarities.
        has_vectors: False leaves the vectors out and keeps presence and similarities.

    Returns:
        ``user_vector`` and ``item_vector`` (fixed-size lists), ``has_user_vector`` and ``has_item_vector``
        (bool), and one column per similarity.

    Raises:
        ValueError: a component is too large for the dtype.
    """
    columns: dict[str, pa.Array] = {}
    if has_vectors:
        for name, vectors in (("user_vector", rows.user), ("item_vector", rows.item)):
            with np.errstate(over="ignore"):
                cast = vectors.astype(dtype)
            if not np.isfinite(cast).all():
                raise ValueError(
                    f"dtype: expected one that holds components up to {np.abs(vectors).max():g}, "
                    f"got {dtype}. "
                    'Remedy: "float32", or normalise the vectors before they are stored.'
                )
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(cast.reshape(-1)), vectors.shape[1])
    columns["has_user_vector"] = pa.array(rows.has_user)
    columns["has_item_vector"] = pa.array(rows.has_item)
    for place, name in enumerate(similarities):
        columns[name] = pa.array(np.ascontiguousarray(rows.similarities[:, place], dtype))
    return columns


__all__ = ["plain_columns"]
