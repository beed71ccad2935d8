"""The history slot by slot: what the fusion knows of each item, for hosts with an attention of their own.

B rows, H slots, K blocks of the vectors, E dimensions of the host's embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from learn_rank.frozen.rows import may_look_at
from learn_rank.fusion.similarity import SCALE

torch.fx.wrap("weighted_sum")  # they look at the data
torch.fx.wrap("slot_softmax")


class HistorySlots(NamedTuple):
    """The items of each row's history that are compared, oldest first; empty slots stand behind them.

    Attributes:
        ids: (B, H) int64 as in ``FusionConfig.history_feature``, -1 in empty slots.
        has_slot: (B, H) bool, an item stands there.
        cosine: (B, K, H) between the target and the item, block by block; 0 where one of them has no vector.
        is_compared: (B, H) bool, both have a vector.
        place: (B, H) int64 of the items among the newest ``FusionConfig.searched_length``, where the nearest
            to the target are compared; None: they are the newest.
    """

    ids: Tensor
    has_slot: Tensor
    cosine: Tensor
    is_compared: Tensor
    place: Tensor | None = None


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
        self.n_blocks = len(blocks)
        self.log_temperature = nn.Parameter(torch.zeros(len(blocks)))
        self.of_id = nn.Parameter(torch.ones(()))
        self.of_cosine = nn.Parameter(torch.zeros(len(blocks)))
        self.of_product = nn.Parameter(torch.zeros(len(blocks)))

    def forward(self, values: Tensor, id_score: Tensor, slots: HistorySlots) -> Tensor:
        """Attend.

        Args:
            values: (B, H, E) the host's embeddings of the slots' items, anything in empty slots; (1, H, E)
                where all rows share a history.
            id_score: (B, H) the host's own score of each slot, before a softmax.
            slots: of `FusionOutput`.

        Returns:
            (B, E).

        Raises:
            ValueError: shapes that are not those of the slots.
        """
        shape = slots.cosine[:, 0].shape
        if id_score.shape != shape or values.shape[1] != shape[1] or values.shape[0] not in (1, shape[0]):
            raise ValueError(
                f"values and id_score: expected (B, H, E) and (B, H) with B and H of the slots, "
                f"{tuple(shape)}, got {tuple(values.shape)} and {tuple(id_score.shape)}. "
                "Remedy: look the host's embeddings up for the slots' items, in their order."
            )
        weight_BH = self.weights(id_score, slots)
        return weighted_sum(weight_BH, values, slots.has_slot)

    def terms(self, nearness: Tensor, unit: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
        """What content adds to a score, and to the factor of the host's own; both nothing at the start.

        Args:
            nearness: (B, K, H) of each slot by block, 0 where there is nothing to compare.
            unit: (K,) that it is to be multiplied by.

        Returns:
            ``sum_k b_k n_k`` and ``sum_k c_k n_k``, (B, H) each.
        """
        added_K, factor_K = self.of_cosine * unit, self.of_product * unit
        added_BH, factor_BH = nearness[:, 0] * added_K[0], nearness[:, 0] * factor_K[0]
        for at in range(1, self.n_blocks):
            added_BH = torch.addcmul(added_BH, nearness[:, at], added_K[at])
            factor_BH = torch.addcmul(factor_BH, nearness[:, at], factor_K[at])
        return added_BH, factor_BH

    @property
    def unit(self) -> Tensor:
        """(K,) sqrt(D_k) / 3 over the temperature."""
        return self.scale / self.log_temperature.exp()

    def weights(self, id_score: Tensor, slots: HistorySlots) -> Tensor:
        """(B, H) weights that sum to 1 over the filled slots, 0 in empty ones."""
        added_BH, factor_BH = self.terms(slots.cosine, self.unit)
        score_BH = torch.addcmul(added_BH, self.of_id + factor_BH, id_score)
        return slot_softmax(score_BH, slots.has_slot)


def weighted_sum(weight: Tensor, values: Tensor, has_slot: Tensor) -> Tensor:
    """(B, H) weights and (B, H, E) values, (1, H, E) of one history -> (B, E).

    An empty slot's value may be anything, also what is no number.
    """
    if not (may_look_at(has_slot) and bool(has_slot.all())):
        values = torch.where(has_slot[:, :, None], values, 0.0)
    if values.shape[0] == 1:
        return weight @ values[0]
    return torch.bmm(weight[:, None], values)[:, 0]


def slot_softmax(score: Tensor, counts: Tensor) -> Tensor:
    """(..., H) scores and (..., H) bool -> weights that sum to 1 over the slots that count; 0 without any."""
    if may_look_at(counts) and bool(counts.all()):
        return torch.softmax(score, dim=-1)
    is_empty = ~counts.any(dim=-1, keepdim=True)
    weight = torch.softmax(torch.where(counts | is_empty, score, -torch.inf), dim=-1)
    return weight * counts


__all__ = ["HistorySlots", "SlotAttention"]
