"""`BatchColumns`: which columns of an impression table are what, and the batch that their rows make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import CONVERTED_FEATURE, Batch
from learn_recall.columns import CLICK, CONTEXT_ID, CONVERSION, HISTORY, ITEM_ID
from learn_recall.store import id_keys


@dataclass(frozen=True)
class BatchColumns:
    """Column names of rows that are encoded already: codes for the ranker's tables, ids for the plugin.

    Attributes:
        categorical: integer codes, or lists of them; the ranker's features.
        dense: numbers, standardised; may be none.
        user: id of the user (or context) vector, integer or string.
        item: id of the item vector.
        history: list of the user's recent item ids, oldest first; None leaves it out.
        history_converted: list beside it, whether the user converted on each; None where that is not known.
        click: 0 or 1.
        conversion: 0 or 1, null where not clicked; None where conversions are not recorded.
    """

    categorical: tuple[str, ...]
    dense: tuple[str, ...] = ()
    user: str = CONTEXT_ID
    item: str = ITEM_ID
    history: str | None = HISTORY
    history_converted: str | None = None
    click: str = CLICK
    conversion: str | None = CONVERSION

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to read, each once."""
        optional = tuple(
            name for name in (self.history, self.history_converted, self.conversion) if name is not None
        )
        return tuple(
            dict.fromkeys((*self.categorical, *self.dense, self.user, self.item, self.click, *optional))
        )

    def batch(self, rows: pa.Table) -> Batch:
        """Rows of a table with the columns `names` -> a batch."""
        sparse = {name: _jagged(rows[name], has_keys=False) for name in self.categorical}
        sparse["learn_user"] = _jagged(rows[self.user], has_keys=True)
        sparse["learn_item"] = _jagged(rows[self.item], has_keys=True)
        if self.history is not None:
            sparse["learn_history"] = _jagged(rows[self.history], has_keys=True)
        if self.history_converted is not None:
            sparse[CONVERTED_FEATURE] = _jagged(rows[self.history_converted], has_keys=False)
        dense = [_numbers(rows[name]) for name in self.dense]
        conversion = (
            np.full(len(rows), np.nan, np.float32)
            if self.conversion is None
            else _numbers(rows[self.conversion])
        )
        return Batch(
            sparse=KeyedJaggedTensor(
                keys=list(sparse),
                values=torch.from_numpy(np.concatenate([values for values, _ in sparse.values()])),
                lengths=torch.from_numpy(np.concatenate([lengths for _, lengths in sparse.values()])),
            ),
            dense=torch.from_numpy(
                np.stack(dense, axis=1) if dense else np.empty((len(rows), 0), np.float32)
            ),
            click=torch.from_numpy(_numbers(rows[self.click])),
            conversion=torch.from_numpy(conversion),
        )


def _jagged(column: pa.ChunkedArray, *, has_keys: bool) -> tuple[np.ndarray, np.ndarray]:
    """int64 values and lengths of a column of scalars or lists; a null list is empty."""
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    flat = pc.list_flatten(column) if is_list else column
    lengths = (
        pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
        if is_list
        else np.ones(len(column), np.int64)
    )
    values = flat.to_numpy()
    return (id_keys(values) if has_keys else values.astype(np.int64)), lengths


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) float32, NaN where null."""
    return np.array(column.cast(pa.float32()).to_numpy(), np.float32)
