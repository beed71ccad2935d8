"""`assert_frozen`: the proof that the vectors of every `FrozenEmbedding` stayed where they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torch.optim import Optimizer

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.load import digest_of


@contextmanager
def assert_frozen(model: nn.Module, *optimizers: Optimizer) -> Iterator[None]:
    """Raise unless the block leaves every byte of every frozen table as it was.

    Definition: before and after, no table has a parameter, a gradient or a place in an optimizer; its sha256
    over keys, vectors, scales and presence is the same. For a row-wise table the hashes of all processes are
    compared, so every process of the group has to enter and leave the block.

    Args:
        model: with at least one `FrozenEmbedding`, inside wrappers of any kind.
        optimizers: whose parameters are looked through.

    Raises:
        AssertionError: names each table and what is wrong with it.
        ValueError: the model has no frozen table.

    Example:
        >>> import torch
        >>> table = FrozenEmbedding(torch.tensor([7]), torch.ones(1, 2))
        >>> with assert_frozen(table):
        ...     vectors, has_vector = table(torch.tensor([7, 8]))
    """
    _raise_if(_held_problems(model, optimizers))
    before = frozen_digests(model)
    yield
    after = frozen_digests(model)
    moved = [
        f"{name}: expected the bytes of before, sha256 {digest[:12]}, got {after.get(name, 'no table')[:12]}"
        for name, digest in before.items()
        if after.get(name) != digest
    ]
    _raise_if(_held_problems(model, optimizers) + moved)


def frozen_digests(model: nn.Module) -> dict[str, str]:
    """Name of each frozen table -> sha256 of its bytes, over all processes that share it.

    Raises:
        ValueError: the model has no frozen table.
    """
    digests = {}
    for name, table in _tables(model):
        own = digest_of(*table.rows)
        if table.group is not None:
            of_ranks: list[str | None] = [None] * dist.get_world_size(table.group)
            dist.all_gather_object(of_ranks, own, group=table.group)
            own = " ".join(str(digest) for digest in of_ranks)
        digests[name] = own
    return digests


def _tables(model: nn.Module) -> list[tuple[str, FrozenEmbedding]]:
    found = [
        (name if name else type(module).__name__, module)
        for name, module in model.named_modules()
        if isinstance(module, FrozenEmbedding)
    ]
    if not found:
        raise ValueError(
            f"model: expected at least one FrozenEmbedding, got none in {type(model).__name__}. "
            "Remedy: pass the model that holds the fusion."
        )
    return found


def _held_problems(model: nn.Module, optimizers: tuple[Optimizer, ...]) -> list[str]:
    held = {_place(tensor) for optimizer in optimizers for tensor in _parameters_of(optimizer)}
    problems = []
    for name, table in _tables(model):
        tensors = {field: tensor for field, tensor in table.rows._asdict().items() if tensor is not None}
        registered = [parameter for parameter, _ in table.named_parameters()]
        if registered:
            problems.append(f"{name}: expected no parameters, got {registered}")
        for field, tensor in tensors.items():
            if tensor.requires_grad or tensor.grad is not None:
                problems.append(f"{name}.{field}: expected no gradient, got one or a place for one")
            if tensor.numel() and _place(tensor) in held:
                problems.append(f"{name}.{field}: expected in no optimizer, got one that holds it")
    return problems


def _parameters_of(optimizer: Optimizer) -> list[Tensor]:
    tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    whole = [tensor for tensor in tensors if not isinstance(tensor, ShardedTensor)]
    shards = [tensor.local_shards() for tensor in tensors if isinstance(tensor, ShardedTensor)]
    return whole + [shard.tensor for own in shards for shard in own]


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _raise_if(problems: list[str]) -> None:
    if problems:
        raise AssertionError(
            "; ".join(problems) + ". Remedy: look vectors up through FrozenEmbedding only, and write to none."
        )
