"""What the fusion reads of its tables and features: parts of vectors, fallbacks, recent items of a row.

B rows, D dimensions of a frozen vector, H history items.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.rows import may_look_at


def parts_of(
    blocks: tuple[tuple[int, int], ...], numbers: tuple[int, ...] | None
) -> tuple[tuple[int, int], ...]:
    """``(start, stop)`` of the parts of a vector that the linear layers read."""
    if numbers is None:
        return ((blocks[0][0], blocks[-1][1]),)
    if not numbers or not set(numbers) <= set(range(len(blocks))):
        raise ValueError(
            f"projected_blocks: expected some of 0..{len(blocks) - 1}, blocks of the tables, got {numbers}."
        )
    return tuple(blocks[number] for number in numbers)


def check_pair(users: FrozenEmbedding, items: FrozenEmbedding) -> None:
    """Refuse tables whose vectors cannot be compared: other blocks, stores of another origin, or exchanged.

    Raises:
        ValueError: names what differs.
    """
    if users.blocks != items.blocks:
        raise ValueError(
            f"user_vectors and item_vectors: expected equal blocks, got {users.blocks} and "
            f"{items.blocks}; export both from one tower."
        )
    if users.origin is None or items.origin is None:
        return  # not both of a store: whoever made the tensors knows
    here, there = users.origin, items.origin
    if (here["kind"], there["kind"]) == ("item", "user"):
        raise ValueError("user_vectors and item_vectors: expected users, then items, got them exchanged.")
    different = [name for name in here if name != "kind" and here[name] != there[name]]
    if different:
        said = "; ".join(f"{name} {here[name]!r} and {there[name]!r}" for name in different)
        raise ValueError(
            f"user_vectors and item_vectors: expected stores of one origin, got {said}. Remedy: export both "
            "with one `learn-recall export`."
        )


def check_searched(blocks: tuple[tuple[int, int], ...], number: int | None) -> None:
    """Refuse a block to search by that the tables do not have."""
    if number is not None and number >= len(blocks):
        raise ValueError(
            f"searched_block: expected one of 0..{len(blocks) - 1}, blocks of the tables, got {number}. "
            "Remedy: FrozenEmbedding.blocks tells where each lies."
        )


def select_blocks(vectors_BD: Tensor, parts: tuple[tuple[int, int], ...]) -> Tensor:
    """(B, D) vectors -> their `parts` side by side."""
    if len(parts) == 1:  # no copy
        return vectors_BD[:, parts[0][0] : parts[0][1]]
    return torch.cat([vectors_BD[:, start:stop] for start, stop in parts], dim=1)


def fill_missing(vectors: Tensor, has_vector: Tensor, fallback: Tensor) -> Tensor:
    """(B, D) vectors, where there is none the (D,) fallback; no copy and no gradient where none lacks."""
    if may_look_at(has_vector) and bool(has_vector.all()):
        return vectors
    return torch.where(has_vector[:, None], vectors, fallback)


def keep_in_graph(fusion: Tensor, *fallbacks: Tensor) -> Tensor:
    """`fusion`, with the fallbacks in its graph: where no row needed one its gradient is zero, not missing.

    Data-parallel wrappers wait for a gradient of every parameter, also on a rank whose batch lacks nothing.
    """
    if not torch.is_grad_enabled():
        return fusion
    return fusion + 0.0 * torch.stack([fallback.sum() for fallback in fallbacks]).sum()


def unit_variance(vectors: Tensor) -> Tensor:
    """Scale (B, D) unit vectors to components of order 1, without which Adam hardly uses them."""
    return vectors * vectors.shape[-1] ** 0.5


def recent_items(values: Tensor, lengths: Tensor, history_length: int) -> tuple[Tensor, Tensor]:
    """The last items of each history.

    Args:
        values: (n,) keys of all histories, one after the other, oldest first.
        lengths: (B,) items of each.
        history_length: at most that many of each.

    Returns:
        (B, H) keys, -1 where there is none, and (B, H) bool, True where a history item stands. H is
        ``history_length``, and on a CPU no more than the longest history of the batch has.
    """
    lengths = lengths.long()
    if may_look_at(lengths) and len(lengths) > 0:
        history_length = min(history_length, max(1, int(lengths.max())))
    stop_B1 = lengths.cumsum(0)[:, None]
    n_kept_B1 = lengths.clamp(max=history_length)[:, None]
    slot_H = torch.arange(history_length, device=values.device)
    has_slot_BH = slot_H < n_kept_B1
    at_BH = torch.where(has_slot_BH, stop_B1 - n_kept_B1 + slot_H, values.shape[0])
    # by position in one flat list: several times as fast as ``values[at]``
    found = functional.pad(values, (0, 1), value=-1).index_select(0, at_BH.reshape(-1))
    return found.reshape(at_BH.shape), has_slot_BH


def all_items(values: Tensor, lengths: Tensor, searched_length: int, n_kept: int) -> tuple[Tensor, Tensor]:
    """`recent_items` of long histories, to be searched; in a graph at least `n_kept` slots wide.

    One history for all rows keeps its width in a graph: what is older than the newest `searched_length` items
    is slots without an item there.
    """
    if lengths.shape[0] != 1 or may_look_at(lengths):
        return recent_items(values, lengths, max(searched_length, n_kept))
    at_1L = torch.arange(values.shape[0], device=values.device)[None]
    has_item_1L = at_1L >= values.shape[0] - max(searched_length, n_kept)
    return functional.pad(values[None], (0, n_kept), value=-1), functional.pad(has_item_1L, (0, n_kept))
