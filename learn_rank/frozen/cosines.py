"""Cosines between given vectors and frozen ones, without ever holding the frozen ones as float32.

B rows, H ids a row, D dimensions, K blocks. What costs on a CPU is memory: a float32 copy of (B, H, D) is
written to fresh pages and read back. A few rows at a time stay inside the cache, and rows that follow one
another with the same ids, the candidates of one request, look them up once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen.rows import may_look_at, row_of, row_runs, run_slices

SLOTS_AT_ONCE = 4096  # vectors of one piece: 3 MB as float32 with 192 dimensions
MIN_ROWS_OF_RUN = 4  # on average; below that the rows are taken one by one
SHORTEST = 1e-12  # a vector of zeros is near to nothing


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
        ids: (B, H) int64, or (1, H) for all rows; has_id: bool of the same shape, False slots are not looked
            up.
        targets: (B, D) float32.
        blocks: ``(start, stop)`` of the parts of D, each compared for itself.
        keys, vectors, has_vector: of `FrozenRows`.

    Returns:
        (B, K, H) float32, 0 where there is no vector, and (B, H) bool, (1, H) for one history, where there is
        one. Without gradient.
    """
    if not may_look_at(ids):  # no loop over the data
        row_BH = torch.where(has_id, row_of(keys, ids), keys.shape[0])
        if ids.shape[0] == 1:
            cosine_BKH = _shared_cosines(row_BH, targets, vectors, blocks)
        else:
            cosine_BKH = _cosines(row_BH, targets, vectors, blocks)
        return cosine_BKH, _taken(has_vector, row_BH)
    first_R, run_B = id_runs(ids, has_id)
    ids_RH, has_id_RH = (ids, has_id) if run_B is None else (ids[first_R], has_id[first_R])
    row_RH = _rows_in_use(keys, ids_RH, has_id_RH)
    cosine_BKH = torch.zeros(targets.shape[0], len(blocks), ids.shape[1])
    if run_B is None and ids.shape[0] == targets.shape[0]:
        for rows, width in _pieces(has_id):
            cosine_BKH[rows, :, :width] = _cosines(row_RH[rows, :width], targets[rows], vectors, blocks)
        return cosine_BKH, _taken(has_vector, row_RH)
    _fill_runs(cosine_BKH, row_RH, first_R, targets, vectors, blocks)
    has_vector_RH = _taken(has_vector, row_RH)
    return cosine_BKH, has_vector_RH if run_B is None else has_vector_RH.index_select(0, run_B)


def cosine_of_blocks(targets: Tensor, vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) targets and (B, H, D) vectors -> (B, K, H) cosines, 0 where either block is zeros."""
    cosines = []
    for start, stop in blocks:
        target_BD, vector_BHD = targets[:, start:stop], vectors[:, :, start:stop]
        # the products are divided by the lengths, not the vectors: a hundredth of the writes
        dot_BH = torch.bmm(target_BD[:, None], vector_BHD.transpose(1, 2))[:, 0]
        length_B1 = torch.linalg.vector_norm(target_BD, dim=-1, keepdim=True).clamp(min=SHORTEST)
        length_BH = torch.linalg.vector_norm(vector_BHD, dim=-1).clamp(min=SHORTEST)
        cosines.append(dot_BH / (length_BH * length_B1))
    return torch.stack(cosines, dim=1)


def _cosines(
    row_BH: Tensor, targets_BD: Tensor, vectors: Tensor, blocks: Sequence[tuple[int, int]]
) -> Tensor:
    found = vectors.index_select(0, row_BH.reshape(-1)).float()
    return cosine_of_blocks(targets_BD, found.reshape(*row_BH.shape, vectors.shape[1]), blocks)


def _fill_runs(  # noqa: PLR0917 - the parts of one product
    cosine_BKH: Tensor,
    row_RH: Tensor,
    first_R: Tensor,
    targets_BD: Tensor,
    vectors: Tensor,
    blocks: Sequence[tuple[int, int]],
) -> None:
    """Cosines of runs of targets with one history each: a product for every run and block, in place."""
    units = [functional.normalize(targets_BD[:, start:stop], dim=-1) for start, stop in blocks]
    rows_R = run_slices(first_R, targets_BD.shape[0])
    step = max(1, SLOTS_AT_ONCE // max(1, row_RH.shape[1]))
    for piece in range(0, len(rows_R), step):
        row_rH = row_RH[piece : piece + step]
        found_rHD = vectors.index_select(0, row_rH.reshape(-1)).float().reshape(*row_rH.shape, -1)
        for at, (start, stop) in enumerate(blocks):
            unit_rHD = functional.normalize(found_rHD[:, :, start:stop], dim=-1)
            for rows, unit_HD in zip(rows_R[piece : piece + step], unit_rHD, strict=True):
                torch.mm(units[at][rows], unit_HD.T, out=cosine_BKH[rows, at])


def _rows_in_use(keys: Tensor, ids_RH: Tensor, has_id_RH: Tensor) -> Tensor:
    """Row of each id, the last one for slots without; by positions, since masks are slow to follow."""
    if bool(has_id_RH.all()):
        return row_of(keys, ids_RH)
    used = has_id_RH.reshape(-1).nonzero()[:, 0]
    found = row_of(keys, ids_RH.reshape(-1).index_select(0, used))
    return found.new_full((ids_RH.numel(),), keys.shape[0]).index_copy_(0, used, found).reshape(ids_RH.shape)


def _shared_cosines(
    row_1H: Tensor, targets_BD: Tensor, vectors: Tensor, blocks: Sequence[tuple[int, int]]
) -> Tensor:
    found_HD = vectors.index_select(0, row_1H.reshape(-1)).float()
    cosines = [
        functional.normalize(targets_BD[:, start:stop], dim=-1)
        @ functional.normalize(found_HD[:, start:stop], dim=-1).T
        for start, stop in blocks
    ]
    return torch.stack(cosines, dim=1)


def _taken(values: Tensor, row: Tensor) -> Tensor:
    return values.index_select(0, row.reshape(-1)).reshape(row.shape)  # five times as fast as values[row]


def id_runs(ids_BH: Tensor, has_id_BH: Tensor) -> tuple[Tensor, Tensor | None]:
    """First row of each run of rows with equal ids, and the run of each row, None where runs do not pay."""
    n_rows = ids_BH.shape[0]
    if n_rows < 2:
        return torch.zeros(n_rows, dtype=torch.int64), None
    differs_BH = (ids_BH[1:] != ids_BH[:-1]) | (has_id_BH[1:] != has_id_BH[:-1])
    first_R, run_B = row_runs(differs_BH.any(dim=1))
    return first_R, run_B if len(first_R) * MIN_ROWS_OF_RUN <= n_rows else None


def _pieces(has_id_BH: Tensor) -> list[tuple[slice, int]]:
    """A few rows at a time, and how many of their slots are in use."""
    n_rows, n_slots = has_id_BH.shape
    if n_rows == 0 or n_slots == 0:
        return []
    step = max(1, SLOTS_AT_ONCE // n_slots)
    in_use_B = (has_id_BH * torch.arange(1, n_slots + 1)).amax(1)
    widths = functional.pad(in_use_B, (0, -n_rows % step)).view(-1, step).amax(1)
    return [(slice(at * step, (at + 1) * step), width) for at, width in enumerate(widths.tolist())]
