"""The history slot by slot: what the fusion knows of each item, for hosts with an attention of their own.

B rows, H slots, K blocks of the vectors, E dimensions of the host's embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from learn_rank.fusion.similarity import SCALE


class HistorySlots(NamedTuple):
    """The newest items of each row's history, oldest first; empty slots stand behind them.

    Attributes:
        ids: (B, H) int64 as in ``FusionConfig.history_feature``, -1 in empty slots.
        has_slot: (B, H) bool, an item stands there.
        cosine: (B, K, H) between the target and the item, block by block; 0 where one of them has no vector.
        is_compared: (B, H) bool, both have a vector.
    """

    ids: Tensor
    has_slot: Tensor
    cosine: Tensor
    is_compared: Tensor


class SlotAttention(nn.Module):
    """A host's attention over its user's history, by id and by content.

    Definition: with s_j the host's own score of slot j and r_kj the cosine of block k times sqrt(D_k), over a
    learned temperature, the weights are the softmax over the filled slots of
    ``a s_j + sum_k (b_k r_kj + c_k s_j r_kj)``; a row without history gives zeros. At the start a = 1 and
    b = c = 0, so it is the host's attention as it was. An item that the host never met has a score that says
    nothing, and its content still speaks.

    Args:
        blocks: ``(start, stop)`` of each block, as in `FrozenEmbedding.blocks` of the item vectors.

    Source: MUSE (arXiv 2512.07216), semantic-aware target attention, here with weights for each block.

    Example:
        >>> slots = HistorySlots(torch.tensor([[7, 8]]), torch.tensor([[True, True]]), torch.zeros(1, 1, 2),
        ...                      torch.tensor([[True, True]]))
        >>> SlotAttention([(0, 4)])(torch.tensor([[[2.0], [4.0]]]), torch.zeros(1, 2), slots).tolist()
        [[3.0]]
    """

    scale: Tensor

    def __init__(self, blocks: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        if not blocks:
            raise ValueError("blocks: expected at least one, got none. Remedy: FrozenEmbedding.blocks.")
        scale = torch.tensor([(stop - start) ** 0.5 / SCALE for start, stop in blocks])
        self.register_buffer("scale", scale, persistent=False)
        self.log_temperature = nn.Parameter(torch.zeros(len(blocks)))
        self.of_id = nn.Parameter(torch.ones(()))
        self.of_cosine = nn.Parameter(torch.zeros(len(blocks)))
        self.of_product = nn.Parameter(torch.zeros(len(blocks)))

    def forward(self, values: Tensor, id_score: Tensor, slots: HistorySlots) -> Tensor:
        """Attend.

        Args:
            values: (B, H, E) the host's embeddings of the slots' items, anything in empty slots.
            id_score: (B, H) the host's own score of each slot, before a softmax.
            slots: of `FusionOutput`.

        Returns:
            (B, E).

        Raises:
            ValueError: shapes that are not those of the slots.
        """
        if values.shape[:2] != slots.has_slot.shape or id_score.shape != slots.has_slot.shape:
            raise ValueError(
                f"values and id_score: expected (B, H, E) and (B, H) with B and H of the slots, "
                f"{tuple(slots.has_slot.shape)}, got {tuple(values.shape)} and {tuple(id_score.shape)}. "
                "Remedy: look the host's embeddings up for the slots' items, in their order."
            )
        weight_BH = self.weights(id_score, slots)
        # an empty slot's value may be anything, also what is no number
        filled_BHE = torch.where(slots.has_slot[:, :, None], values, 0.0)
        return (weight_BH[:, :, None] * filled_BHE).sum(1)

    def weights(self, id_score: Tensor, slots: HistorySlots) -> Tensor:
        """(B, H) weights that sum to 1 over the filled slots, 0 in empty ones."""
        scale_K = self.scale / self.log_temperature.exp()
        cosine_BKH = slots.cosine * slots.is_compared[:, None] * scale_K[:, None]
        by_content_BH = (self.of_cosine[:, None] * cosine_BKH).sum(1)
        together_BH = id_score * (self.of_product[:, None] * cosine_BKH).sum(1)
        score_BH = self.of_id * id_score + by_content_BH + together_BH
        score_BH = torch.where(slots.has_slot, score_BH, -torch.inf)
        is_empty_B1 = ~slots.has_slot.any(dim=1, keepdim=True)
        weight_BH = torch.softmax(torch.where(is_empty_B1, 0.0, score_BH), dim=1)
        return torch.where(slots.has_slot, weight_BH, 0.0)


__all__ = ["HistorySlots", "SlotAttention"]
