"""How near the target is to the user: cosine, and the histogram of its similarities to recent items.

Source: SimTier (arXiv 2407.19467) for the histogram; here with its max and mean, per block of the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

N_BINS = 10
PER_BLOCK_HISTORY = N_BINS + 3


def n_similarity_features(n_blocks: int, *, has_history: bool) -> int:
    """How many numbers `similarity_features` gives a row."""
    return n_blocks * (1 + (PER_BLOCK_HISTORY if has_history else 0))


def block_presence(vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) -> (B, D), 1 inside the blocks of a row that say something, 0 inside a block of zeros."""
    parts = [
        (vectors[:, start:stop] != 0).any(dim=1, keepdim=True).expand(-1, stop - start)
        for start, stop in blocks
    ]
    return torch.cat(parts, dim=1).to(vectors.dtype)


def similarity_features(  # noqa: PLR0917 - tensors of one row, in the order of the sides they stand for
    user: Tensor,
    item: Tensor,
    has_both: Tensor,
    blocks: Sequence[tuple[int, int]],
    history: Tensor | None = None,
    has_history: Tensor | None = None,
) -> Tensor:
    """Similarities of a target item to the user and to the user's recent items.

    Args:
        user: (B, D); item: (B, D); has_both: (B,) bool, False gives a cosine of 0.
        blocks: ``(start, stop)`` of the parts of D, each compared for itself.
        history: (B, H, D) vectors of recent items; has_history: (B, H) bool, False slots do not count.

    Returns:
        (B, `n_similarity_features`): per block the cosine and, with a history, the share of its items in each
        of ten equal bins of cosine over [-1, 1], the largest, the mean, and log(1 + items compared).
    """
    columns = []
    for start, stop in blocks:
        item_BD = functional.normalize(item[:, start:stop], dim=-1)
        user_BD = functional.normalize(user[:, start:stop], dim=-1)
        columns.append(((user_BD * item_BD).sum(-1) * has_both)[:, None])
        if history is not None and has_history is not None:
            # divide the (B, H) products by the lengths, not the (B, H, D) vectors: a fifteenth of the writes
            history_BHD = history[:, :, start:stop]
            length_BH = torch.linalg.vector_norm(history_BHD, dim=-1).clamp(min=1e-12)
            cosine_BH = torch.bmm(history_BHD, item_BD[:, :, None])[:, :, 0] / length_BH
            # an item without vector is near to nothing
            has_block_B1 = (item_BD != 0).any(dim=1, keepdim=True)
            columns.append(_summary(cosine_BH, has_history & has_block_B1))
    return torch.cat(columns, dim=1)


def _summary(cosine_BH: Tensor, has_history_BH: Tensor) -> Tensor:
    weight_BH = has_history_BH.to(cosine_BH.dtype)
    n_B1 = weight_BH.sum(1, keepdim=True)
    bin_BH = ((cosine_BH + 1) * (N_BINS / 2)).long().clamp(0, N_BINS - 1)
    histogram_BN = torch.zeros(len(cosine_BH), N_BINS, dtype=cosine_BH.dtype, device=cosine_BH.device)
    histogram_BN = histogram_BN.scatter_add(1, bin_BH, weight_BH) / n_B1.clamp(min=1)
    largest_B1 = torch.where(has_history_BH, cosine_BH, -1.0).amax(1, keepdim=True)
    largest_B1 = torch.where(n_B1 > 0, largest_B1, torch.zeros_like(largest_B1))
    mean_B1 = (cosine_BH * weight_BH).sum(1, keepdim=True) / n_B1.clamp(min=1)
    return torch.cat([histogram_BN, largest_B1, mean_B1, torch.log1p(n_B1) / 3], dim=1)
