"""How near the target is to the user: cosine, and what its similarities to the user's recent items look like.

A cosine is multiplied by sqrt(D) first: between independent directions that is about standard normal,
whatever the dimension, so the edges of the histogram and the scale of every feature mean the same for each
block.

Source: SimTier (arXiv 2407.19467) for the histogram; here the nearest items, the mean and a soft maximum, per
block of the vectors, and once more over the items that converted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen_cosines import cosine_of_blocks

EDGES = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0)  # of the histogram, in units of cosine x sqrt(D)
N_BINS = len(EDGES) + 1
N_NEAREST = 3
SCALE = 3.0  # divides what reaches 10, so that every feature is of order 1

SUMMARY = (*(f"nearest_{number}" for number in range(N_NEAREST)), "mean", "soft_max", "log_count")
HISTOGRAM = tuple(f"bin_{number}" for number in range(N_BINS))


def similarity_names(
    *, has_history: bool, has_conversions: bool = False, has_histogram: bool = False
) -> tuple[str, ...]:
    """What `similarity_features` gives for one block, in order."""
    summary = (*SUMMARY, *(HISTOGRAM if has_histogram else ()))
    of_history = summary if has_history else ()
    of_converted = (*(f"converted_{name}" for name in summary), "converted_excess") if has_conversions else ()
    return ("cosine", *of_history, *of_converted)


def block_presence(vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) -> (B, D), 1 inside the blocks of a row that say something, 0 inside a block of zeros."""
    parts = [_says_something(vectors[:, start:stop]).expand(-1, stop - start) for start, stop in blocks]
    return torch.cat(parts, dim=1).to(vectors.dtype)


def _says_something(block: Tensor) -> Tensor:
    """(B, d) -> (B, 1) bool; a length is one pass over the block, ``!= 0`` and ``any`` are three."""
    return torch.linalg.vector_norm(block, dim=1, keepdim=True) > 0


def similarity_features(  # noqa: PLR0917 - tensors of one row, in the order of the sides they stand for
    user: Tensor,
    item: Tensor,
    has_both: Tensor,
    blocks: Sequence[tuple[int, int]],
    history: Tensor | None = None,
    has_history: Tensor | None = None,
    has_converted: Tensor | None = None,
    *,
    has_histogram: bool = False,
) -> Tensor:
    """Similarities of a target item to the user and to the user's recent items.

    Args:
        user: (B, D); item: (B, D); has_both: (B,) bool, False gives a cosine of 0.
        blocks: ``(start, stop)`` of the parts of D, each compared for itself.
        history: (B, H, D) vectors of recent items; has_history: (B, H) bool, False slots do not count.
        has_converted: (B, H) bool, the slots whose item the user converted on; None leaves them out.
        has_histogram: also the share of the history's items in each bin of `EDGES`.

    Returns:
        (B, S), per block as in `similarity_names`: with z = cosine x sqrt(D), z / 3 of the user; of the
        history the three largest z / 3 (0 where there are fewer items), the mean z / 2, logsumexp(z) / 3,
        log(1 + items) / 3 and, if asked for, the histogram; then the same of the converted items alone, and
        by how much their mean z exceeds that of the others (0 without either).
    """
    cosine_BKH = None if history is None else cosine_of_blocks(item, history, blocks)
    return cosine_features(
        user, item, has_both, blocks, cosine_BKH, has_history, has_converted, has_histogram=has_histogram
    )


def cosine_features(  # noqa: PLR0917 - as `similarity_features`
    user: Tensor,
    item: Tensor,
    has_both: Tensor,
    blocks: Sequence[tuple[int, int]],
    cosine: Tensor | None = None,
    has_history: Tensor | None = None,
    has_converted: Tensor | None = None,
    *,
    has_histogram: bool = False,
) -> Tensor:
    """`similarity_features` from (B, K, H) cosines with the history, K blocks, in place of its vectors."""
    columns = []
    for at, (start, stop) in enumerate(blocks):
        root = (stop - start) ** 0.5
        item_BD, user_BD = item[:, start:stop], user[:, start:stop]
        user_B1 = (
            functional.cosine_similarity(user_BD, item_BD, dim=1, eps=1e-12)[:, None] * has_both[:, None]
        )
        has_block_B1 = _says_something(item_BD)
        columns.append(user_B1 * (root / SCALE))
        if cosine is not None and has_history is not None:
            z_BH = cosine[:, at] * root
            # an item without vector is near to nothing
            has_z_BH = has_history & has_block_B1
            columns += _summary(z_BH, has_z_BH, has_histogram)
            if has_converted is not None:
                is_of_BH = has_z_BH & has_converted
                columns += _summary(z_BH, is_of_BH, has_histogram)
                columns.append(_excess(z_BH, is_of_BH, has_z_BH & ~has_converted))
    return torch.cat(columns, dim=1)


def _summary(z_BH: Tensor, has_BH: Tensor, has_histogram: bool) -> list[Tensor]:
    mean_B1, n_B1 = _mean(z_BH, has_BH)
    held_BH = torch.where(has_BH, z_BH, -torch.inf)
    nearest_BK = functional.pad(held_BH, (0, N_NEAREST), value=-torch.inf).topk(N_NEAREST, dim=1).values
    nearest_BK = torch.where(nearest_BK > -torch.inf, nearest_BK, 0.0)
    soft_B1 = torch.where(n_B1 > 0, torch.logsumexp(held_BH, dim=1, keepdim=True), 0.0)
    columns = [nearest_BK / SCALE, mean_B1 / 2, soft_B1 / SCALE, torch.log1p(n_B1) / 3]
    return [*columns, _histogram(z_BH, has_BH, n_B1)] if has_histogram else columns


def _histogram(z_BH: Tensor, has_BH: Tensor, n_B1: Tensor) -> Tensor:
    # a bin is what lies above its lower edge less what lies above its upper one
    above = [n_B1, *(((z_BH > edge) & has_BH).sum(1, keepdim=True) for edge in EDGES), torch.zeros_like(n_B1)]
    above_BN = torch.cat(above, dim=1)
    return (above_BN[:, :-1] - above_BN[:, 1:]) / n_B1.clamp(min=1)


def _excess(z_BH: Tensor, is_of_BH: Tensor, is_other_BH: Tensor) -> Tensor:
    (mean_B1, n_B1), (other_B1, n_other_B1) = _mean(z_BH, is_of_BH), _mean(z_BH, is_other_BH)
    return (mean_B1 - other_B1) * ((n_B1 > 0) & (n_other_B1 > 0))


def _mean(z_BH: Tensor, has_BH: Tensor) -> tuple[Tensor, Tensor]:
    n_B1 = has_BH.sum(1, keepdim=True)
    return (z_BH * has_BH).sum(1, keepdim=True) / n_B1.clamp(min=1), n_B1
