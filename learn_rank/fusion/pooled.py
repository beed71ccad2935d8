"""The history pooled by content inside the plugin, for hosts without an attention.

B rows, H slots, K blocks of the vectors, D dimensions of a frozen vector, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.inputs import select_blocks, unit_variance
from learn_rank.fusion.similarity import SCALE
from learn_rank.fusion.slots import HistorySlots, slot_softmax

torch.fx.wrap("slot_softmax")  # it looks at the data


class PooledHistory(nn.Module):
    """What of its history a user's target is nearest to, as a few features.

    Definition: with r_kj the cosine of block k times sqrt(D_k) / 3 over a learned temperature, the weights
    w_kj are the softmax over the slots that are compared; handed on are ``sum_j w_kj r'_kj`` of each block,
    r' being r at temperature 1, and ``V p`` with p_k = sum_j w_kj x_kj of the frozen vectors x. A row without
    anything to compare gives zeros for both sums.

    Args:
        blocks: ``(start, stop)`` of each block.
        projected: parts of a vector that V reads, as in `LearnFeatureFusion.projected`.
        width: P; 0 leaves the projection out, and no vector is looked up.

    Source: MUSE (arXiv 2512.07216), target attention whose weights are similarities of content, here by
    block and with learned temperatures.
    """

    scale: Tensor

    def __init__(
        self, blocks: Sequence[tuple[int, int]], projected: tuple[tuple[int, int], ...], width: int
    ) -> None:
        super().__init__()
        self.blocks, self.projected = tuple(blocks), projected
        scale = torch.tensor([(stop - start) ** 0.5 / SCALE for start, stop in blocks])
        self.register_buffer("scale", scale, persistent=False)
        self.log_temperature = nn.Parameter(torch.zeros(len(blocks)))
        n_read = sum(stop - start for start, stop in projected)
        self.projection = nn.Linear(n_read, width) if width else None

    @property
    def output_dim(self) -> int:
        """K, and P behind it."""
        return len(self.blocks) + (0 if self.projection is None else self.projection.out_features)

    def forward(self, slots: HistorySlots, item_vectors: FrozenEmbedding) -> Tensor:
        """(B, K + P) of B rows' slots, whose vectors are looked up once where all rows share a history."""
        r_BKH = slots.cosine * self.scale[:, None]
        weight_BKH = slot_softmax(r_BKH / self.log_temperature.exp()[:, None], slots.is_compared[:, None])
        near_BK = (weight_BKH * r_BKH).sum(2)
        if self.projection is None:
            return near_BK
        vectors = item_vectors(slots.ids)[0]  # (B, H, D), or (1, H, D)
        parts = [
            torch.matmul(weight_BKH[:, at, None], vectors[:, :, start:stop])[:, 0]
            for at, (start, stop) in enumerate(self.blocks)
        ]
        pooled_BD = unit_variance(select_blocks(torch.cat(parts, dim=1), self.projected))
        return torch.cat([near_BK, self.projection(pooled_BD)], dim=1)
