"""How near the target is to the user: cosine, and what its similarities to the user's recent items look like.

A cosine is multiplied by sqrt(D) first: between independent directions that is about standard normal, whatever
the dimension, so the edges of the histogram and the scale of every feature mean the same for each block.

Source: SimTier (arXiv 2407.19467) for the histogram; here with the nearest items, the mean and soft maxima, per
block of the vectors, and once more over the items that converted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

EDGES = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0)  # of the histogram, in units of cosine x sqrt(D)
N_BINS = len(EDGES) + 1
N_NEAREST = 3
TEMPERATURES = (1.0, 2.0)  # of the soft maxima
SCALE = 3.0  # divides what reaches 10, so that every feature is of order 1

SUMMARY = (
    *(f"bin_{number}" for number in range(N_BINS)),
    *(f"nearest_{number}" for number in range(N_NEAREST)),
    "mean",
    *(f"soft_max_{temperature:g}" for temperature in TEMPERATURES),
    "log_count",
)


def similarity_names(*, has_history: bool, has_conversions: bool = False) -> tuple[str, ...]:
    """What `similarity_features` gives for one block, in order."""
    of_history = SUMMARY if has_history else ()
    of_converted = (*(f"converted_{name}" for name in SUMMARY), "converted_excess") if has_conversions else ()
    return ("cosine", *of_history, *of_converted)


def n_similarity_features(n_blocks: int, *, has_history: bool, has_conversions: bool = False) -> int:
    """How many numbers `similarity_features` gives a row."""
    return n_blocks * len(similarity_names(has_history=has_history, has_conversions=has_conversions))


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
    has_converted: Tensor | None = None,
) -> Tensor:
    """Similarities of a target item to the user and to the user's recent items.

    Args:
        user: (B, D); item: (B, D); has_both: (B,) bool, False gives a cosine of 0.
        blocks: ``(start, stop)`` of the parts of D, each compared for itself.
        history: (B, H, D) vectors of recent items; has_history: (B, H) bool, False slots do not count.
        has_converted: (B, H) bool, the slots whose item the user converted on; None leaves them out.

    Returns:
        (B, `n_similarity_features`), per block as in `similarity_names`: with z = cosine x sqrt(D), z / 3 of the
        user; of the history the share of its items in each bin of z, the three largest z / 3 (0 where there
        are fewer items), the mean z / 2, t logsumexp(z / t) / 3 and log(1 + items) / 3; then the same of the
        converted items alone, and by how much their mean z exceeds that of the others (0 without either).
    """
    columns = []
    for start, stop in blocks:
        root = (stop - start) ** 0.5
        item_BD = functional.normalize(item[:, start:stop], dim=-1)
        user_BD = functional.normalize(user[:, start:stop], dim=-1)
        columns.append(((user_BD * item_BD).sum(-1) * has_both)[:, None] * (root / SCALE))
        if history is not None and has_history is not None:
            # divide the (B, H) products by the lengths, not the (B, H, D) vectors: a fifteenth of the writes
            history_BHD = history[:, :, start:stop]
            length_BH = torch.linalg.vector_norm(history_BHD, dim=-1).clamp(min=1e-12)
            z_BH = torch.bmm(history_BHD, item_BD[:, :, None])[:, :, 0] * root / length_BH
            # an item without vector is near to nothing
            has_z_BH = has_history & (item_BD != 0).any(dim=1, keepdim=True)
            columns.append(_summary(z_BH, has_z_BH))
            if has_converted is not None:
                is_of_BH = has_z_BH & has_converted
                columns += [_summary(z_BH, is_of_BH), _excess(z_BH, is_of_BH, has_z_BH & ~has_converted)]
    return torch.cat(columns, dim=1)


def _summary(z_BH: Tensor, has_BH: Tensor) -> Tensor:
    weight_BH = has_BH.to(z_BH.dtype)
    n_B1 = weight_BH.sum(1, keepdim=True)
    # a bin is what lies above its lower edge less what lies above its upper one
    above_BN = torch.stack([((z_BH > edge) * weight_BH).sum(1) for edge in EDGES], dim=1)
    above_BN = torch.cat([n_B1, above_BN, torch.zeros_like(n_B1)], dim=1)
    histogram_BN = (above_BN[:, :-1] - above_BN[:, 1:]) / n_B1.clamp(min=1)
    held_BH = torch.where(has_BH, z_BH, -torch.inf)
    padded_BH = functional.pad(held_BH, (0, N_NEAREST), value=-torch.inf)
    nearest_B3 = padded_BH.topk(N_NEAREST, dim=1).values
    nearest_B3 = torch.where(nearest_B3 > -torch.inf, nearest_B3, 0.0)
    mean_B1 = (z_BH * weight_BH).sum(1, keepdim=True) / n_B1.clamp(min=1)
    soft_BT = torch.cat([t * torch.logsumexp(held_BH / t, dim=1, keepdim=True) for t in TEMPERATURES], dim=1)
    soft_BT = torch.where(n_B1 > 0, soft_BT, 0.0)
    return torch.cat(
        [histogram_BN, nearest_B3 / SCALE, mean_B1 / 2, soft_BT / SCALE, torch.log1p(n_B1) / 3], dim=1
    )


def _excess(z_BH: Tensor, is_of_BH: Tensor, is_other_BH: Tensor) -> Tensor:
    (mean_B1, n_B1), (other_B1, n_other_B1) = _mean(z_BH, is_of_BH), _mean(z_BH, is_other_BH)
    return (mean_B1 - other_B1) * ((n_B1 > 0) & (n_other_B1 > 0))


def _mean(z_BH: Tensor, has_BH: Tensor) -> tuple[Tensor, Tensor]:
    n_B1 = has_BH.sum(1, keepdim=True)
    return (z_BH * has_BH).sum(1, keepdim=True) / n_B1.clamp(min=1), n_B1
