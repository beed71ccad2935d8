"""Cosines between given vectors and frozen ones, without ever holding the frozen ones as float32.

B rows, H ids a row, D dimensions, K blocks. What costs on a CPU is memory: a float32 copy of (B, H, D) is
written to fresh pages and read back. A few rows at a time stay inside the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen_rows import may_look_at, row_of

SLOTS_AT_ONCE = 2048  # vectors of one piece: 1.5 MB as float32 with 192 dimensions
_SHORTEST = 1e-12  # a vector of zeros is near to nothing


@torch.no_grad()
def look_up_cosines(  # noqa: PLR0917 - called by position, as torch.fx records it
    ids: Tensor,
    has_id: Tensor,
    targets: Tensor,
    blocks: Sequence[tuple[int, int]],
    keys: Tensor,
    vectors: Tensor,
    has_vector: Tensor,
) -> tuple[Tensor, Tensor]:
    """Cosine of each row's target with the vectors of the row's ids, per block.

    Definition: ``cosine_of_blocks(targets, look_up(ids))``. The scale of an int8 row cancels in a cosine, so
    it is not read.

    Args:
        ids: (B, H) int64; has_id: (B, H) bool, False slots are not looked up.
        targets: (B, D) float32.
        blocks: ``(start, stop)`` of the parts of D, each compared for itself.
        keys, vectors, has_vector: of `FrozenRows`.

    Returns:
        (B, K, H) float32, 0 where there is no vector, and (B, H) bool, where there is one. Without gradient.
    """
    units_BKD = unit_blocks(targets, blocks)
    if not may_look_at(ids):  # no loop over the data
        row_BH = torch.where(has_id, row_of(keys, ids), keys.shape[0])
        return _cosines(row_BH, units_BKD, vectors, blocks), _taken(has_vector, row_BH)
    row_BH = torch.full(ids.shape, keys.shape[0])
    row_BH[has_id] = row_of(keys, ids[has_id])
    cosine_BKH = torch.zeros(units_BKD.shape[0], len(blocks), ids.shape[1])
    for rows, width in _pieces(has_id):
        cosine_BKH[rows, :, :width] = _cosines(row_BH[rows, :width], units_BKD[rows], vectors, blocks)
    return cosine_BKH, _taken(has_vector, row_BH)


def cosine_of_blocks(targets: Tensor, vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) targets and (B, H, D) vectors -> (B, K, H) cosines, 0 where either block is zeros."""
    return _divided(unit_blocks(targets, blocks), vectors, blocks)


def unit_blocks(vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) -> (B, K, D): in row k block k at length 1, zeros elsewhere: one product serves all blocks."""
    dimension = vectors.shape[1]
    return torch.stack(
        [
            functional.pad(functional.normalize(vectors[:, start:stop], dim=-1), (start, dimension - stop))
            for start, stop in blocks
        ],
        dim=1,
    )


def _cosines(row_BH: Tensor, units_BKD: Tensor, vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    found = vectors.index_select(0, row_BH.reshape(-1)).float()
    return _divided(units_BKD, found.reshape(*row_BH.shape, vectors.shape[1]), blocks)


def _divided(units_BKD: Tensor, vectors_BHD: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    # the products are divided by the lengths, not the vectors: a hundredth of the writes
    lengths = [torch.linalg.vector_norm(vectors_BHD[:, :, start:stop], dim=-1) for start, stop in blocks]
    return torch.bmm(units_BKD, vectors_BHD.transpose(1, 2)) / torch.stack(lengths, dim=1).clamp(
        min=_SHORTEST
    )


def _taken(values: Tensor, row: Tensor) -> Tensor:
    return values.index_select(0, row.reshape(-1)).reshape(row.shape)  # five times as fast as values[row]


def _pieces(has_id_BH: Tensor) -> list[tuple[slice, int]]:
    """A few rows at a time, and how many of their slots are in use."""
    n_rows, n_slots = has_id_BH.shape
    if n_rows == 0 or n_slots == 0:
        return []
    step = max(1, SLOTS_AT_ONCE // n_slots)
    in_use_B = (has_id_BH * torch.arange(1, n_slots + 1)).amax(1)
    widths = functional.pad(in_use_B, (0, -n_rows % step)).view(-1, step).amax(1)
    return [(slice(at * step, (at + 1) * step), width) for at, width in enumerate(widths.tolist())]
