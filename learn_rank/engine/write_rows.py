"""Encoded rows as parquet: the way from a ranking dataset in memory to a `RowStream` on many processes."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_rank.data.batch import CONVERTED_FEATURE
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.engine.batch_columns import BatchColumns
from learn_recall.columns import CLICK, CONVERSION
from learn_recall.files.whole_files import atomic_path

_USER, _ITEM, _HISTORY = "learn_user", "learn_item", "learn_history"
_DENSE = "dense_"


def write_rows(rows: EncodedRows, path: str | os.PathLike[str], *, rows_per_group: int = 4096) -> None:
    """Write rows of `encode_dataset` so that a `RowStream` can read them by `columns_of_rows`.

    Args:
        rows: train, valid or test.
        path: parquet file, replaced as a whole.
        rows_per_group: of a row group, the unit that a `RowStream` reads and shuffles.
    """
    columns: dict[str, pa.Array] = {name: pa.array(codes) for name, codes in rows.codes.items()}
    columns |= {name: _lists(table[row], table[row] >= 0) for name, (row, table) in rows.lists.items()}
    columns |= {f"{_DENSE}{at}": pa.array(column) for at, column in enumerate(rows.dense.T)}
    history, lengths = rows.history_keys[rows.history_row], rows.history_lengths[rows.history_row]
    has_slot = np.arange(history.shape[1]) < lengths[:, None]
    is_clicked = rows.click > 0
    columns |= {
        _USER: pa.array(rows.user_key),
        _ITEM: pa.array(rows.item_key),
        _HISTORY: _lists(history, has_slot),
        CLICK: pa.array(rows.click),
        CONVERSION: pa.array(rows.conversion, mask=~is_clicked | np.isnan(rows.conversion)),
    }
    if rows.history_converted is not None:
        columns[CONVERTED_FEATURE] = _lists(rows.history_converted[rows.history_row], has_slot)
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary, row_group_size=rows_per_group)


def columns_of_rows(path: str | os.PathLike[str]) -> BatchColumns:
    """The columns of a file that `write_rows` wrote; categorical features keep their names.

    Conversions that are null in every row are those of data that records none.
    """
    others = {_USER, _ITEM, _HISTORY, CONVERTED_FEATURE, CLICK, CONVERSION}
    present = pq.read_schema(path).names
    names = [name for name in present if name not in others]
    return BatchColumns(
        categorical=tuple(name for name in names if not name.startswith(_DENSE)),
        dense=tuple(name for name in names if name.startswith(_DENSE)),
        user=_USER,
        item=_ITEM,
        history=_HISTORY,
        history_converted=CONVERTED_FEATURE if CONVERTED_FEATURE in present else None,
        conversion=CONVERSION if _has_values(path, CONVERSION) else None,
    )


def _has_values(path: str | os.PathLike[str], name: str) -> bool:
    """Whether a column holds anything but nulls."""
    with pq.ParquetFile(path) as file:
        return any(batch.column(0).null_count < len(batch) for batch in file.iter_batches(columns=[name]))


def _lists(values: np.ndarray, has_slot: np.ndarray) -> pa.Array:
    """(N, W) values and where they count -> N lists."""
    offsets = np.concatenate([[0], has_slot.sum(1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[has_slot]))
