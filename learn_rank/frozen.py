"""Frozen vectors looked up by id: buffers, not parameters, so no gradient, no optimizer state, no drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from learn_recall.store import EmbeddingStore, id_keys

if TYPE_CHECKING:
    from collections.abc import Sequence


class FrozenEmbedding(nn.Module):
    """Vectors of ids that training never moves.

    Ids unknown to the table, and ids that the store holds without a vector, give zeros **and**
    ``has_vector = False``: the caller decides what a missing vector means, nothing is a zero in disguise.

    Args:
        keys: int64 ids, shape (N,), unique; strings go through `learn_recall.store.id_keys`.
        vectors: shape (N, D), float16 or float32.
        has_vector: shape (N,), bool; None means that every id has one.
        blocks: ``(start, stop)`` of the parts of a vector that were normalised for themselves; cosines are
            taken per block.

    Raises:
        ValueError: shapes do not fit, a key is repeated, or a present vector is not finite.

    Example:
        >>> table = FrozenEmbedding(torch.tensor([7, 3]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> vector, has_vector = table(torch.tensor([3, 5]))
        >>> vector.tolist(), has_vector.tolist()
        ([[0.0, 1.0], [0.0, 0.0]], [True, False])
    """

    keys: Tensor
    vectors: Tensor
    has_vector: Tensor

    def __init__(
        self,
        keys: Tensor,
        vectors: Tensor,
        has_vector: Tensor | None = None,
        *,
        blocks: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__()
        _check_table(keys, vectors, has_vector)
        present = torch.ones(len(keys), dtype=torch.bool) if has_vector is None else has_vector
        if not bool(torch.isfinite(vectors[present]).all()):
            raise ValueError("vectors: expected finite values, got NaN or inf; encode those ids again.")
        order = torch.argsort(keys)
        self.blocks = tuple(blocks) if blocks is not None else ((0, vectors.shape[1]),)
        # the last row answers for every id without a vector
        self.register_buffer("keys", keys[order].clone())
        self.register_buffer("vectors", torch.cat([vectors[order], vectors.new_zeros(1, vectors.shape[1])]))
        self.register_buffer("has_vector", torch.cat([present[order], torch.zeros(1, dtype=torch.bool)]))

    @classmethod
    def from_store(cls, store: EmbeddingStore) -> FrozenEmbedding:
        """Load an `EmbeddingStore`, with the blocks of its identity card."""
        return cls(
            torch.from_numpy(np.array(id_keys(store.ids))),
            torch.from_numpy(np.array(store.vectors)),
            torch.from_numpy(np.array(store.present)),
            blocks=tuple((block.start, block.stop) for block in store.card.blocks),
        )

    @property
    def dimension(self) -> int:
        """D, the length of one vector."""
        return self.vectors.shape[1]

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Look ids up.

        Args:
            ids: int64, any shape (...).

        Returns:
            Vectors float32 of shape (..., D) and ``has_vector`` bool of shape (...).
        """
        at = torch.searchsorted(self.keys, ids)
        at = torch.clamp(at, max=self.keys.shape[0] - 1)
        row = torch.where(self.keys[at] == ids, at, self.keys.shape[0])
        flat = row.reshape(-1)
        vectors = self.vectors.index_select(0, flat).float()
        shape = row.shape + (self.dimension,)  # noqa: RUF005 - torch.fx cannot unpack a traced shape
        return vectors.reshape(shape), self.has_vector[row]

    def extra_repr(self) -> str:
        """What `print(module)` shows."""
        return f"n_ids={self.keys.shape[0]}, dimension={self.dimension}, dtype={self.vectors.dtype}"


def _check_table(keys: Tensor, vectors: Tensor, has_vector: Tensor | None) -> None:
    if keys.ndim != 1 or keys.dtype != torch.int64 or len(keys) == 0:
        raise ValueError(
            f"keys: expected int64 of shape (N,) with N > 0, got {keys.dtype} {tuple(keys.shape)}."
        )
    if vectors.ndim != 2 or len(vectors) != len(keys):
        raise ValueError(f"vectors: expected shape ({len(keys)}, D), got {tuple(vectors.shape)}.")
    if has_vector is not None and (has_vector.shape != keys.shape or has_vector.dtype != torch.bool):
        raise ValueError(
            f"has_vector: expected bool of shape ({len(keys)},), got {has_vector.dtype} "
            f"{tuple(has_vector.shape)}."
        )
    if len(torch.unique(keys)) != len(keys):
        raise ValueError("keys: expected unique ids, got repeated ones; keep one vector per id.")
