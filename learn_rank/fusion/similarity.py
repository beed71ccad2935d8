"""How near the target is to the user: cosine, and what its similarities to the user's recent items look like.

A cosine is multiplied by sqrt(D) first: between independent directions that is about standard normal,
whatever the dimension, so the edges of the histogram and the scale of every feature mean the same for each
block.

Source: SimTier (arXiv 2407.19467) for the histogram; here the nearest items, the mean and a soft maximum, per
block of the vectors, and once more over the items that converted.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen.cosines import SHORTEST, cosine_of_blocks
from learn_rank.frozen.rows import may_look_at
from learn_rank.fusion.user_runs import UserRuns, dots_of_runs, to_rows

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
    lengths_BK = block_lengths(vectors, blocks)
    parts = [
        (lengths_BK[:, at, None] > 0).expand(-1, stop - start) for at, (start, stop) in enumerate(blocks)
    ]
    return torch.cat(parts, dim=1).to(vectors.dtype)


def compared_blocks(
    item: Tensor,
    user: Tensor,
    has_user: Tensor,
    blocks: Sequence[tuple[int, int]],
    runs: UserRuns | None = None,
) -> Tensor:
    """(B, D) item vectors without the blocks that a known user lacks: there is nothing to compare them with.

    Args:
        item: (B, D).
        user: (B, D), or (R, D) of `runs`; has_user: (B,) or (R,) bool, False leaves all of the row's item.
        blocks: ``(start, stop)`` of the parts of D.
        runs: rows that share a user.
    """
    if may_look_at(user) and bool(((block_lengths(user, blocks) > 0).all(dim=1) | ~has_user).all()):
        return item
    return item * to_rows(torch.where(has_user[:, None], block_presence(user, blocks), 1.0), runs)


def block_lengths(vectors: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """(B, D) -> (B, K) length of each block; one pass over the block, ``!= 0`` and ``any`` are three."""
    return torch.stack(
        [torch.linalg.vector_norm(vectors[:, start:stop], dim=1) for start, stop in blocks], dim=1
    )


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
    of_user_BK = cosine_of_user(user, item, blocks)
    of_history_BKH = None if history is None else cosine_of_blocks(item, history, blocks)
    return cosine_features(
        of_user_BK,
        item,
        has_both,
        blocks,
        of_history_BKH,
        has_history,
        has_converted,
        has_histogram=has_histogram,
    )


def cosine_of_user(
    user: Tensor, item: Tensor, blocks: Sequence[tuple[int, int]], runs: UserRuns | None = None
) -> Tensor:
    """(B, D) users, (R, D) of `runs`, and (B, D) items -> (B, K) cosines, 0 where either block is zeros."""
    length_BK = block_lengths(item, blocks).clamp(min=SHORTEST)
    user_length_BK = to_rows(block_lengths(user, blocks).clamp(min=SHORTEST), runs)
    if runs is not None:
        return dots_of_runs(user, item, blocks, runs) / (user_length_BK * length_BK)
    product_BD = user * item
    dot_BK = torch.stack([product_BD[:, start:stop].sum(1) for start, stop in blocks], dim=1)
    return dot_BK / (user_length_BK * length_BK)


def cosine_features(  # noqa: PLR0917 - as `similarity_features`
    of_user: Tensor,
    item: Tensor,
    has_both: Tensor,
    blocks: Sequence[tuple[int, int]],
    cosine: Tensor | None = None,
    has_history: Tensor | None = None,
    has_converted: Tensor | None = None,
    *,
    has_histogram: bool = False,
) -> Tensor:
    """`similarity_features` from cosines: (B, K) with the user, (B, K, H) with the history; K blocks."""
    root_K = item.new_tensor([(stop - start) ** 0.5 for start, stop in blocks])
    length_BK = block_lengths(item, blocks)
    columns = [(of_user * has_both[:, None] * (root_K / SCALE)).T]
    if cosine is not None and has_history is not None:
        # slots first and rows last: what is summed over are whole rows of memory, and a mask of the slots
        # serves all blocks
        cosine_HKB = cosine.permute(2, 1, 0).contiguous()
        # an item without vector is near to nothing
        has_HKB = _slots(has_history, length_BK > 0)
        columns += _summary(cosine_HKB, has_HKB, root_K, has_histogram)
        if has_converted is not None:
            converted_H1B = has_converted.T.contiguous()[:, None]
            is_of_HKB = has_HKB & converted_H1B
            columns += _summary(cosine_HKB, is_of_HKB, root_K, has_histogram)
            columns.append(_excess(cosine_HKB, is_of_HKB, has_HKB & ~converted_H1B, root_K))
    return torch.stack(columns).permute(2, 1, 0).flatten(1)


def _slots(has_history: Tensor, has_block_BK: Tensor) -> Tensor:
    """(H, K, B) bool, or (H, 1, B) where no item lacks a block: the slots that are compared."""
    has_H1B = has_history.T.contiguous()[:, None]
    if may_look_at(has_block_BK) and bool(has_block_BK.all()):
        return has_H1B
    return has_H1B & has_block_BK.T.contiguous()


def _summary(cosine_HKB: Tensor, has_HKB: Tensor, root_K: Tensor, has_histogram: bool) -> list[Tensor]:
    """Columns of shape (K, B)."""
    root_K1 = root_K[:, None]
    mean_KB, n_KB = _mean(cosine_HKB, has_HKB)
    held_HKB = cosine_HKB + torch.where(has_HKB, 0.0, -torch.inf)
    nearest_NKB = [torch.where(one > -torch.inf, one, 0.0) * root_K1 for one in nearest(held_HKB)]
    # logsumexp, its maximum being at hand: that item weighs 1; without items the sum is 0 and the result 0
    weight_KB = torch.exp(held_HKB * root_K1 - nearest_NKB[0]).sum(0)
    soft_KB = nearest_NKB[0] + torch.log(weight_KB.clamp(min=1))
    columns = [one / SCALE for one in nearest_NKB]
    columns += [mean_KB * root_K1 / 2, soft_KB / SCALE, (torch.log1p(n_KB) / 3).expand_as(mean_KB)]
    if has_histogram:
        columns += _histogram(cosine_HKB * root_K1, has_HKB, n_KB.expand_as(mean_KB))
    return columns


def nearest(held: Tensor) -> list[Tensor]:
    """The `N_NEAREST` largest over the first of three dimensions, the slots; -inf where there are fewer.

    Halves of the slots are merged until one is left: passes over memory in order, where a ``topk`` sorts
    every short row for itself, several times as slowly.
    """
    largest = [held]
    while largest[0].shape[0] > 1:
        if largest[0].shape[0] % 2:
            largest = [functional.pad(one, (0, 0, 0, 0, 0, 1), value=-torch.inf) for one in largest]
        half = largest[0].shape[0] // 2
        largest = _merged([one[:half] for one in largest], [one[half:] for one in largest])
    missing = held.new_full(held.shape[1:], -torch.inf)
    found = [one[0] for one in largest if one.shape[0]]
    return found + [missing] * (N_NEAREST - len(found))


def _merged(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """The largest of two descending lists: number k is the largest of the ``min(first i, second k - i)``."""
    found = []
    for k in range(1, min(N_NEAREST, 2 * len(first)) + 1):
        both = [
            torch.minimum(first[i - 1], second[k - i - 1])
            for i in range(1, k)
            if i <= len(first) and k - i <= len(second)
        ]
        alone = [first[k - 1], second[k - 1]] if k <= len(first) else []
        found.append(reduce(torch.maximum, [*alone, *both]))
    return found


def _histogram(z_HKB: Tensor, has_HKB: Tensor, n_KB: Tensor) -> list[Tensor]:
    # a bin is what lies above its lower edge less what lies above its upper one
    above = [((z_HKB > edge) & has_HKB).sum(0) for edge in EDGES]
    above = [n_KB, *above, torch.zeros_like(n_KB)]
    return [(lower - upper) / n_KB.clamp(min=1) for lower, upper in itertools.pairwise(above)]


def _excess(cosine_HKB: Tensor, is_of_HKB: Tensor, is_other_HKB: Tensor, root_K: Tensor) -> Tensor:
    (mean_KB, n_KB), (other_KB, n_other_KB) = _mean(cosine_HKB, is_of_HKB), _mean(cosine_HKB, is_other_HKB)
    return (mean_KB - other_KB) * root_K[:, None] * ((n_KB > 0) & (n_other_KB > 0))


def _mean(cosine_HKB: Tensor, has_HKB: Tensor) -> tuple[Tensor, Tensor]:
    """(K, B) mean over the slots that count, and (K, B) or (1, B) how many they are."""
    has_HKB = has_HKB.to(cosine_HKB.dtype)
    n_KB = has_HKB.sum(0)
    return (cosine_HKB * has_HKB).sum(0) / n_KB.clamp(min=1), n_KB
