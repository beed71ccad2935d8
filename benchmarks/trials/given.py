"""What a trial changes: the rows and the vectors that a ranker of a finished run is given.

N items, C dimensions of the text, B rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_recall.columns import ITEM_ID
from learn_recall.store import EmbeddingStore

TOWER = "tower"


@dataclass(frozen=True)
class Given:
    """What a ranker is trained on.

    Attributes:
        dataset: tables of the run.
        data: its encoded rows.
        users, items: its stores.
        work: folder for stores that a trial makes.
        block: name of a block that a trial appended to both stores, compared only; None without one.
    """

    dataset: RankingDataset
    data: EncodedDataset
    users: EmbeddingStore
    items: EmbeddingStore
    work: Path
    block: str | None = None

    @property
    def catalogue(self) -> pd.Index:
        """The N items, in the order of the dataset."""
        return pd.Index(self.dataset.items[ITEM_ID])

    def rows_of(self, part: str) -> np.ndarray:
        """(B,) row of the catalogue of each row's item; an item that the catalogue lacks has none: -1."""
        return self.catalogue.get_indexer(pd.Index(self.dataset.parts[part][ITEM_ID]))

    def text(self) -> np.ndarray:
        """(N, C) the frozen text's blocks side by side, each of unit length; zeros without text."""
        vectors, present = self.items.lookup(self.catalogue.to_numpy())
        vectors = np.asarray(vectors, np.float32) * present[:, None]
        blocks = [block for block in self.items.card.blocks if block.name not in (TOWER, self.block)]
        return np.concatenate([of_unit_length(vectors[:, each.start : each.stop]) for each in blocks], axis=1)


def of_unit_length(vectors: np.ndarray) -> np.ndarray:
    """(n, D) with rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
