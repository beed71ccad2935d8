"""Content vectors as the towers read them: whitened, by row of the store."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from learn_recall.store import EmbeddingStore
from learn_recall.towers.whitening import Whitening

_WHITEN_AHEAD_BYTES = 1 << 30
_ROWS_AT_ONCE = 1 << 14


class ContentTable:
    """Whitened content vectors by store row; held in memory when small, else gathered from the memory map.

    Args:
        content: the frozen vectors. whitening: a fitted transform. device: where the vectors are wanted.
    """

    def __init__(self, content: EmbeddingStore, whitening: Whitening, device: torch.device | str = "cpu"):
        self.vectors = content.vectors
        self.whitening = whitening
        self.device = device
        self.n_rows = len(content)
        self._table: Tensor | None = None
        if 4 * content.vectors.shape[0] * content.vectors.shape[1] <= _WHITEN_AHEAD_BYTES:
            chunks = [
                self._whiten(np.arange(start, min(start + _ROWS_AT_ONCE, self.n_rows)))
                for start in range(0, self.n_rows, _ROWS_AT_ONCE)
            ]
            self._table = torch.cat(chunks)

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        """Store rows (n,) int64 >= 0 -> whitened vectors (n, C)."""
        if self._table is not None:
            return self._table[torch.from_numpy(rows).to(self.device)]
        return self._whiten(rows)

    @torch.no_grad()
    def _whiten(self, rows: np.ndarray) -> Tensor:
        return self.whitening(torch.from_numpy(self.vectors[rows].astype(np.float32)).to(self.device))
