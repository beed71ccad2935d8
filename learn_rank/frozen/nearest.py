"""The items of long histories that are nearest to a target, by the cosine of one block of frozen vectors.

B rows, L ids a row, H of them kept, D dimensions, K blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from learn_rank.frozen.cosines import id_runs, look_up_cosines
from learn_rank.frozen.rows import may_look_at

COSINES_AT_ONCE = 2**23  # of one block: rows of a piece times L


class Nearest(NamedTuple):
    """What is kept of each row's ids, in their order; slots without an id stand behind them.

    Attributes:
        place: (B, H) int64 among the L.
        ids: (B, H); has_id: (B, H) bool.
        cosine: (B, K, H), 0 where there is no vector; has_vector: (B, H) bool.
    """

    place: Tensor
    ids: Tensor
    has_id: Tensor
    cosine: Tensor
    has_vector: Tensor


@torch.no_grad()
def look_up_nearest(  # noqa: PLR0917 - called by position, as torch.fx records it
    ids: Tensor,
    has_id: Tensor,
    targets: Tensor,
    blocks: Sequence[tuple[int, int]],
    searched: int,
    n_kept: int,
    keys: Tensor,
    vectors: Tensor,
    has_vector: Tensor,
) -> Nearest:
    """The `n_kept` ids of each row whose vectors are nearest to its target by one block, and all cosines.

    Of equal cosines any is kept; ids without a vector come after all others. Where rows share their ids, the
    candidates of one request, they are looked up once and compared by products of matrices; otherwise the
    searched block alone is read of all ids, and the others of those that are kept.

    Args:
        ids: (B, L) int64, or (1, L) for all rows; has_id: bool of the same shape.
        targets: (B, D) float32.
        blocks: ``(start, stop)`` of the parts of D.
        searched: number of the block that is searched by.
        n_kept: H; no more than L are.
        keys, vectors, has_vector: of `FrozenRows`.
    """
    tables = keys, vectors, has_vector
    n_rows, n_ids = targets.shape[0], ids.shape[1]
    if not may_look_at(ids):
        return _nearest(ids, has_id, targets, blocks, searched, n_kept, ids.shape[0] == 1, *tables)
    n_kept = min(n_kept, n_ids)
    step = max(1, COSINES_AT_ONCE // max(1, n_ids))
    parts = []
    for start in range(0, max(1, n_rows), step):
        rows = slice(start, start + step)
        of_rows = (ids, has_id) if ids.shape[0] == 1 else (ids[rows], has_id[rows])
        is_shared = ids.shape[0] == 1 or id_runs(*of_rows)[1] is not None
        parts.append(_nearest(*of_rows, targets[rows], blocks, searched, n_kept, is_shared, *tables))
    return parts[0] if len(parts) == 1 else Nearest(*map(torch.cat, zip(*parts, strict=True)))


def _nearest(  # noqa: PLR0917 - as `look_up_nearest`
    ids_BL: Tensor,
    has_id_BL: Tensor,
    targets_BD: Tensor,
    blocks: Sequence[tuple[int, int]],
    searched: int,
    n_kept: int,
    is_shared: bool,
    keys: Tensor,
    vectors: Tensor,
    has_vector: Tensor,
) -> Nearest:
    n_rows = targets_BD.shape[0]

    def cosines_of(block: tuple[int, int]) -> tuple[Tensor, Tensor]:
        part = slice(*block)
        cosine_B1L, has_vector_BL = look_up_cosines(
            ids_BL,
            has_id_BL,
            targets_BD[:, part],
            ((0, block[1] - block[0]),),
            keys,
            vectors[:, part],
            has_vector,
        )
        return cosine_B1L[:, 0], has_vector_BL

    score_BL, has_vector_BL = cosines_of(blocks[searched])
    # below every cosine: first the ids without a vector, then the slots without an id
    below_BL = 2 * (has_vector_BL.to(score_BL.dtype) - 1) + (has_id_BL.to(score_BL.dtype) - 1)
    place_BH = torch.topk(score_BL + below_BL, n_kept, dim=1, sorted=False).indices.sort(dim=1).values
    kept_BH = ids_BL.expand(n_rows, -1).gather(1, place_BH)
    has_kept_BH = has_id_BL.expand(n_rows, -1).gather(1, place_BH)
    if is_shared:
        has_vector_BH = has_vector_BL.expand(n_rows, -1).gather(1, place_BH)
        of_blocks = [
            (score_BL if at == searched else cosines_of(block)[0]).gather(1, place_BH)
            for at, block in enumerate(blocks)
        ]
        return Nearest(place_BH, kept_BH, has_kept_BH, torch.stack(of_blocks, dim=1), has_vector_BH)
    cosine_BKH, has_vector_BH = look_up_cosines(
        kept_BH, has_kept_BH, targets_BD, blocks, keys, vectors, has_vector
    )
    return Nearest(place_BH, kept_BH, has_kept_BH, cosine_BKH, has_vector_BH)
