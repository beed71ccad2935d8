"""Vectors from trained towers: every item alone, every history's last position."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.double_tower import DoubleTower

_ITEMS_AT_ONCE = 4096
_TOKENS_AT_ONCE = 1 << 15


@torch.inference_mode()
def item_vectors(
    towers: DoubleTower, table: ContentTable, rows: np.ndarray, known: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Tower vectors of single items, and the adapted items that histories are made of.

    Args:
        towers: in evaluation mode.
        table: whitened content.
        rows: (n,) int64 store rows that have a vector.
        known: (n,) int64 rows among the training items, -1 = new.

    Returns:
        (n, D) unit vectors and (n, hidden).
    """
    vectors, embedded = [], []
    for start in range(0, len(rows), _ITEMS_AT_ONCE):
        part = slice(start, start + _ITEMS_AT_ONCE)
        whitened_NC = table[rows[part]]
        known_N = torch.from_numpy(known[part]).to(whitened_NC.device)
        embedded.append(towers.embed_items(whitened_NC, known_N))
        vectors.append(towers.single_items(whitened_NC, embedded[-1]))
    return torch.cat(vectors), torch.cat(embedded)


@torch.inference_mode()
def user_vectors(towers: DoubleTower, embedded: Tensor, history: np.ndarray) -> Tensor:
    """User vectors at the last real position.

    Rows of equal length are computed together, in batches of a fixed number of positions.

    Args:
        towers: in evaluation mode.
        embedded: (n, hidden) adapted items from `item_vectors`.
        history: (B, L) int64 rows of ``embedded``, oldest first, -1 = padding on the right.

    Returns:
        (B, D) unit vectors; zeros for an empty history.
    """
    user_BD = torch.zeros(len(history), towers.dimension, device=embedded.device)
    length_B = (history >= 0).sum(axis=1)
    for length in np.unique(length_B[length_B > 0]):
        members = np.flatnonzero(length_B == length)
        size = max(1, _TOKENS_AT_ONCE // int(length))
        for start in range(0, len(members), size):
            part = members[start : start + size]
            index = torch.from_numpy(history[part, :length]).to(embedded.device)
            position_BLD = towers.users(F.embedding(index, embedded))
            user_BD[torch.from_numpy(part).to(embedded.device)] = position_BLD[:, -1]
    return user_BD
