"""Row-wise frozen tables: every process holds the rows of the keys that it owns and answers for them.

A lookup is three exchanges: how many ids, the ids, and the stored bytes of their vectors. Every process of
the group takes part in every lookup, with an empty batch too. Nothing of it has a gradient.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import torch
import torch.distributed as dist
from torch import Tensor

from learn_rank.frozen.rows import dequantised, row_of

_MIX = -7046029254386353131  # 2**64 / golden ratio, as int64: neighbouring ids go to different owners
_groups: WeakValueDictionary[str, dist.ProcessGroup] = WeakValueDictionary()


def name_of_group(group: dist.ProcessGroup | None) -> str:
    """A name under which `look_up_sharded` finds the group again, since torch.fx can pass names only.

    Raises:
        RuntimeError: there is no process group.
    """
    chosen = dist.group.WORLD if group is None else group
    if chosen is None:
        raise RuntimeError(
            'placement="row_wise": expected an initialised process group, got none. Remedy: build the table '
            'inside `with processes():`, or use placement="replicated".'
        )
    _groups[chosen.group_name] = chosen
    return chosen.group_name


def group_of_name(name: str) -> dist.ProcessGroup:
    """The group behind a name of `name_of_group`."""
    return _groups[name]


def owner_of(keys: Tensor, n_owners: int) -> Tensor:
    """(n,) int64 keys -> which of `n_owners` processes holds each, by a hash: the same everywhere."""
    mixed = keys * _MIX
    return torch.remainder(mixed ^ (mixed >> 32), n_owners)


@torch.no_grad()
def look_up_sharded(  # noqa: PLR0917 - called by position, as torch.fx records it
    ids: Tensor,
    keys: Tensor,
    vectors: Tensor,
    scales: Tensor | None,
    has_vector: Tensor,
    group_name: str,
) -> tuple[Tensor, Tensor]:
    """As `frozen_rows.look_up`, over all processes of the group; the tensors are this process's rows."""
    group = _groups[group_name]
    n_ranks = dist.get_world_size(group)
    wanted, inverse = torch.unique(ids.reshape(-1), return_inverse=True)
    owner = owner_of(wanted, n_ranks)
    order = torch.argsort(owner, stable=True)
    edges = torch.searchsorted(owner[order], torch.arange(n_ranks + 1, device=ids.device))
    n_asked = edges.diff()
    n_to_answer = torch.empty_like(n_asked)
    dist.all_to_all_single(n_to_answer, n_asked, group=group)
    sent, received = n_asked.tolist(), n_to_answer.tolist()

    questions = _exchange(wanted[order], sent, received, group)
    row = row_of(keys, questions)
    answers = _exchange(_packed(row, vectors, scales, has_vector), received, sent, group)

    found, has_found = _unpacked(answers, vectors, has_scales=scales is not None)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=ids.device)
    place = back[inverse]
    return found[place].reshape(*ids.shape, vectors.shape[1]), has_found[place].reshape(ids.shape)


def _exchange(values: Tensor, sent: list[int], received: list[int], group: dist.ProcessGroup) -> Tensor:
    result = values.new_empty((sum(received), *values.shape[1:]))
    dist.all_to_all_single(result, values.contiguous(), received, sent, group=group)
    return result


def _packed(row: Tensor, vectors: Tensor, scales: Tensor | None, has_vector: Tensor) -> Tensor:
    """Rows as bytes, so that int8 and fp16 travel as small as they are stored."""
    parts = [vectors[row].view(torch.uint8), has_vector[row, None].view(torch.uint8)]
    if scales is not None:
        parts.append(scales[row, None].view(torch.uint8))
    return torch.cat(parts, dim=1)


def _unpacked(packed: Tensor, vectors: Tensor, *, has_scales: bool) -> tuple[Tensor, Tensor]:
    width = vectors.shape[1] * vectors.element_size()
    scales = _as_numbers(packed[:, width + 1 :], torch.bfloat16)[:, 0] if has_scales else None
    return dequantised(_as_numbers(packed[:, :width], vectors.dtype), scales), packed[:, width].bool()


def _as_numbers(packed: Tensor, dtype: torch.dtype) -> Tensor:
    # a copy in any case: `contiguous` keeps the stride and offset of a single row, and then a view is refused
    return packed.clone(memory_format=torch.contiguous_format).view(dtype)
