"""`BatchColumns`: which columns of an impression table are what, and the batch that their rows make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import CONVERTED_FEATURE, Batch
from learn_rank.engine.checked_columns import (
    clicks_of,
    codes_of,
    conversions_of,
    flags_of,
    ids_of,
    numbers_of,
)
from learn_recall.columns import CLICK, CONTEXT_ID, CONVERSION, HISTORY, ITEM_ID


@dataclass(frozen=True)
class BatchColumns:
    """Column names of rows that are encoded already: codes for the ranker's tables, ids for the plugin.

    Attributes:
        categorical: integer codes from 0 on, or lists of them; the ranker's features. Lists, here and below,
            may be of fixed size or large ones too.
        dense: numbers, standardised; may be none.
        user: id of the user (or context) vector, integer or string.
        item: id of the item vector.
        history: list of the user's recent item ids, oldest first; None leaves it out.
        history_converted: list beside it, whether the user converted on each; None where that is not known.
        click: 0 or 1.
        conversion: 0 or 1 where clicked, else null; None where conversions are not recorded.
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
        """Rows of a table with the columns `names` -> a batch.

        Raises:
            ValueError: a null code, id or click, a label other than 0 and 1, a dense feature that is no
                finite float32, or conversions that do not stand beside the history; names the column.
        """
        sparse = {name: codes_of(rows[name], name) for name in self.categorical}
        sparse["learn_user"] = ids_of(rows[self.user], self.user)
        sparse["learn_item"] = ids_of(rows[self.item], self.item)
        if self.history is not None:
            sparse["learn_history"] = ids_of(rows[self.history], self.history)
        if self.history_converted is not None:
            beside = sparse["learn_history"][1] if self.history is not None else np.zeros(len(rows), np.int64)
            sparse[CONVERTED_FEATURE] = flags_of(
                rows[self.history_converted], self.history_converted, beside, self.history
            )
        dense = [numbers_of(rows[name], name) for name in self.dense]
        click = clicks_of(rows[self.click], self.click)
        conversion = (
            np.full(len(rows), np.nan, np.float32)
            if self.conversion is None
            else conversions_of(rows[self.conversion], self.conversion, click)
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
            click=torch.from_numpy(click),
            conversion=torch.from_numpy(conversion),
        )
