"""What the plugin's slots add to a host's attention over its history: weights by content.

B rows, n history items of all rows one after the other, K blocks of the vectors, H slots of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learn_rank.frozen.rows import may_look_at
from learn_rank.fusion.slots import HistorySlots, SlotAttention, slot_softmax

HISTORY_SCORES = ("ids", "slots")

torch.fx.wrap("of_items")  # they look at shapes or at the data
torch.fx.wrap("slot_softmax")
torch.fx.wrap("need_same_lists")


class ContentWeights(nn.Module):
    """The weights of an attention without softmax, by id and by content; at the start those by id.

    Definition: with f_j the host's own weight of item j, 0 of an item that it never met, and r_kj the cosine
    of block k times sqrt(D_k) / 3 over a learned temperature, the weight is
    ``a f_j + sum_k (b_k + c_k f_j) softmax_j(r_kj)``, the softmax over the slots of a row that are compared.
    a = 1, b = c = 0 at the start. An item that the host never met has one embedding for all, zeros at the
    start, so that it says nothing before training met some.

    Args:
        blocks: of the plugin's item vectors.
        dim: E of the host's embeddings.

    Source: MUSE (arXiv 2512.07216), semantic-aware target attention; beside DIN (arXiv 1706.06978), whose
    weights know no softmax.
    """

    def __init__(self, blocks: Sequence[tuple[int, int]], dim: int) -> None:
        super().__init__()
        self.slots = SlotAttention(blocks)
        self.unmet = nn.Parameter(torch.zeros(dim))

    def forward(
        self, slots: HistorySlots, items: Tensor, lengths: Tensor, of_plugin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What is added to the weight of each item, and to the factor of the host's own weight, (n,) each.

        Args:
            slots: of `FusionOutput`.
            items: (n, ...) of the host's history, one row's after the other's.
            lengths: (B,) of it, or (1,) of one history for all rows, which is given row by row.
            of_plugin: lengths of the plugin's history.

        Raises:
            ValueError: histories that are not the same lists.
        """
        added_BH, factor_BH = self.terms(slots.cosine, slots.is_compared)
        lengths = need_same_lists(lengths, of_plugin)
        return (
            of_items(added_BH, slots.has_slot, items, lengths),
            of_items(factor_BH, slots.has_slot, items, lengths),
        )

    def terms(self, cosine: Tensor, is_compared: Tensor) -> tuple[Tensor, Tensor]:
        """The same of every slot, (B, H) each, from (B, K, H) cosines and (B, H) bool of `HistorySlots`."""
        score_BKH = cosine * self.slots.unit[:, None]
        return self.slots.terms(slot_softmax(score_BKH, is_compared[:, None]))


def of_items(slot_values: Tensor, has_slot: Tensor, items: Tensor, lengths: Tensor) -> Tensor:
    """(B, H) values of the slots -> (n,) of the items of a host's own history, 0 of an item in no slot.

    The host's lists and the plugin's hold the same items in the same order and end with the same one; either
    may be cut to its newest items.

    Args:
        slot_values: (B, H).
        has_slot: (B, H), or (1, H) of one history for all rows.
        items: (n, ...) of the host's history, one row's after the other's.
        lengths: (B,) of it, or (1,) of one for all rows, which is given row by row.
    """
    n_rows, n_slots = slot_values.shape
    n_kept_B = has_slot.sum(1).expand(n_rows)
    if lengths.shape[0] == 1:
        if may_look_at(has_slot) and items.shape[0] == n_slots and bool(has_slot.all()):
            return slot_values.reshape(-1)
        slot_n = torch.arange(items.shape[0], device=items.device) - lengths
        slot_Bn = slot_n + n_kept_B[:, None]
        return torch.where(slot_Bn >= 0, slot_values.gather(1, slot_Bn.clamp(min=0)), 0.0).reshape(-1)
    stop_B = lengths.cumsum(0)
    at_n = torch.arange(items.shape[0], device=items.device)
    row_n = torch.bucketize(at_n, stop_B, right=True)
    slot_n = at_n + (n_kept_B - stop_B).index_select(0, row_n)
    found_n = slot_values.reshape(-1).index_select(0, row_n * n_slots + slot_n.clamp(min=0))
    return torch.where(slot_n >= 0, found_n, 0.0)


def need_same_lists(lengths: Tensor, of_plugin: Tensor) -> Tensor:
    """Refuse histories of host and plugin whose lengths show that they are not the same lists.

    Gives the host's lengths again.

    Rows of unequal lengths are fine where the shorter list is cut: no row of it is longer. On an accelerator
    and in a graph nobody looks.

    Args:
        lengths: (B,) or (1,) of the host's history; of_plugin: of the plugin's.

    Raises:
        ValueError: a list that is shorter than the other and than its own longest.
    """
    if not may_look_at(lengths) or not len(lengths) or not len(of_plugin):
        return lengths
    host_B, plugin_B = torch.broadcast_tensors(lengths, of_plugin)
    is_cut_B = torch.where(host_B < plugin_B, host_B == host_B.max(), plugin_B == plugin_B.max())
    wrong = ((host_B != plugin_B) & ~is_cut_B).nonzero()[:, 0]
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            "history_scores: expected the host's history and the plugin's to be the same items in the same "
            f"order, either cut to its newest, got {int(host_B[row])} and {int(plugin_B[row])} items in row "
            f'{row}, {len(wrong)} such rows. Remedy: filter both lists alike, or history_scores="ids".'
        )
    return lengths
