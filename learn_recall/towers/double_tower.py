"""The double tower: user side and item side over whitened content vectors.

B users, T targets, C content, H hidden, D embedding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from learn_recall.towers.config import TowerConfig
from learn_recall.towers.item_towers import (
    ITEM_TOWERS,
)
from learn_recall.towers.pal import PreferenceAlignment
from learn_recall.towers.whitening import Whitening


class DoubleTower(nn.Module):
    """User tower and item tower over whitened content vectors, with an optional id residual.

    Items are adapted once each (`embed_items`), then gathered into sequences for `users` and `items`.

    Args:
        content_dimension: C of the frozen vectors.
        config: shape.
        train_counts: (n,) training events of each item that owns an id embedding; needed with
            ``id_residual`` only.
        temperature, learn_temperature: divisor of the cosine, kept as its logarithm.
    """

    def __init__(
        self,
        content_dimension: int,
        config: TowerConfig,
        train_counts: np.ndarray | None = None,
        temperature: float = 0.05,
        learn_temperature: bool = False,
    ):
        super().__init__()
        self.config = config
        self.content_dimension = content_dimension
        self.dimension = content_dimension if config.item_tower == "rec_to_llm" else config.dimension
        self.whitening = Whitening(
            content_dimension, config.whitening, config.whitening_ridge, config.whitening_strength
        )
        self.pal = PreferenceAlignment(content_dimension, config, self.dimension)
        self.item_tower = ITEM_TOWERS[config.item_tower](self.pal)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log(), requires_grad=learn_temperature)
        self.id_embedding: nn.Embedding | None = None
        if config.id_residual:
            if train_counts is None:
                raise ValueError(
                    "train_counts: expected one count per known item with id_residual=True; got None"
                )
            self.id_embedding = nn.Embedding(len(train_counts), config.hidden)
            nn.init.normal_(self.id_embedding.weight, std=0.02)
            count_N = torch.as_tensor(np.asarray(train_counts), dtype=torch.float32)
            share_N = torch.where(count_N > 0, count_N / (count_N + config.id_shrinkage), 0.0)
            self.id_share: Tensor
            self.register_buffer("id_share", share_N)

    def embed_items(self, whitened: Tensor, id_rows: Tensor | None = None) -> Tensor:
        """Adaptor plus id residual for single items, before any sequence.

        Args:
            whitened: (n, C) output of ``whitening``.
            id_rows: (n,) int64 row of each item's id embedding, -1 = the item was unknown in training (text
                alone); None = all unknown. Ignored without ``id_residual``.

        Returns:
            (n, hidden).
        """
        embedded_NH = self.pal.embed(whitened)
        if self.id_embedding is None or id_rows is None:
            return embedded_NH
        share_N1 = (self.id_share[id_rows.clamp(min=0)] * (id_rows >= 0))[:, None]
        if self.training and self.config.id_dropout > 0:
            share_N1 = share_N1 * (torch.rand_like(share_N1) >= self.config.id_dropout)
        return embedded_NH + share_N1 * self.id_embedding(id_rows.clamp(min=0))

    def users(self, embedded: Tensor) -> Tensor:
        """Histories of adapted items, oldest first, right-padded, (B, L, hidden) -> user vectors (B, L,
        D).
        """
        return self.pal.align(embedded)

    def items(self, whitened: Tensor, embedded: Tensor) -> Tensor:
        """Target sequences, (B, T, C) and (B, T, hidden) -> item vectors (B, T, D)."""
        return self.item_tower(whitened, embedded)

    def single_items(self, whitened: Tensor, embedded: Tensor) -> Tensor:
        """Item vectors as at inference, each item alone: (n, C) and (n, hidden) -> (n, D)."""
        return self.item_tower(whitened[:, None], embedded[:, None])[:, 0]

    @property
    def temperature(self) -> Tensor:
        """The divisor of the cosine, a scalar, between 0.01 and 1."""
        return self.log_temperature.exp().clamp(0.01, 1.0)
