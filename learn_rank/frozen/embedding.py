"""Frozen vectors looked up by id: outside every registry of torch, so no gradient, no optimizer, no drift."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from learn_rank.frozen.cosines import cosine_of_blocks, look_up_cosines
from learn_rank.frozen.exchange import group_of_name, look_up_sharded, name_of_group
from learn_rank.frozen.load import digest_of, identity_of_store, load_rows, origin_of_store, rows_of
from learn_rank.frozen.nearest import Nearest, look_up_nearest
from learn_rank.frozen.rows import FrozenRows, look_up
from learn_recall.store import EmbeddingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

torch.fx.wrap("cosine_of_blocks")
torch.fx.wrap("look_up")
torch.fx.wrap("look_up_cosines")
torch.fx.wrap("look_up_nearest")
torch.fx.wrap("look_up_sharded")

IDENTITY = "identity"


class FrozenEmbedding(nn.Module):
    """Vectors of ids that training never moves.

    Ids unknown to the table, and ids that the store holds without a vector, give zeros **and**
    ``has_vector = False``: the caller decides what a missing vector means, nothing is a zero in disguise.

    The vectors are plain tensors, neither parameters nor buffers: data parallel wrappers broadcast buffers
    (which would overwrite the shards of a row-wise table by those of rank 0), ``module.half()`` rounds them,
    and checkpoints would write them again. ``module.to(device)`` moves them. A state dict holds only
    ``identity``, 32 bytes, and loading one that was trained with other vectors is an error.

    Args:
        keys: int64 or int32 ids, shape (N,), unique; strings go through `learn_recall.store.id_keys`.
        vectors: shape (N, D), float16 or float32.
        has_vector: shape (N,), bool; None means that every id has one.
        blocks: ``(start, stop)`` of the parts of a vector that were normalised for themselves; cosines are
            taken per block.
        dtype: how the vectors are stored: "float32", "float16" or "int8" (symmetric, one scale a row);
            None keeps that of ``vectors``. Lookups give float32 in any case.

    Raises:
        ValueError: shapes do not fit, a key is repeated, or a present vector is not finite.

    Example:
        >>> table = FrozenEmbedding(torch.tensor([7, 3]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> vector, has_vector = table(torch.tensor([3, 5]))
        >>> vector.tolist(), has_vector.tolist()
        ([[0.0, 1.0], [0.0, 0.0]], [True, False])
    """

    keys: Tensor
    vectors: Tensor
    scales: Tensor | None
    has_vector: Tensor

    def __init__(
        self,
        keys: Tensor,
        vectors: Tensor,
        has_vector: Tensor | None = None,
        *,
        blocks: Sequence[tuple[int, int]] | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__()
        _check_table(keys, vectors, has_vector)
        rows = rows_of(keys.long(), vectors, has_vector, dtype if dtype is not None else _name_of(vectors))
        self._hold(rows, digest_of(rows.keys.long(), *rows[1:]), blocks, group_name=None)

    @classmethod
    def from_store(
        cls,
        store: EmbeddingStore | str | os.PathLike[str],
        *,
        dtype: str | None = None,
        placement: str = "replicated",
        group: dist.ProcessGroup | None = None,
    ) -> FrozenEmbedding:
        """Load an `EmbeddingStore` chunk by chunk, with the blocks of its identity card.

        Args:
            store: its folder, or an open store; open it with ``verify=False`` where its files were verified
                before.
            dtype: "float32", "float16" or "int8"; None keeps the store's.
            placement: "replicated": every process holds all vectors; "row_wise": the processes of ``group``
                share them out, and no process ever holds all. Then every process has to call every lookup.
            group: of the processes that share a row-wise table; None is all of them.

        Raises:
            ValueError: an unknown dtype or placement.
            RuntimeError: row-wise without a process group.
        """
        if placement not in ("replicated", "row_wise"):
            raise ValueError(
                f'placement: expected "replicated" or "row_wise", got {placement!r}. Remedy: name one.'
            )
        if not isinstance(store, EmbeddingStore):
            store = EmbeddingStore.open(store)
        rank, n_ranks, group_name = 0, 1, None
        if placement == "row_wise":
            group_name = name_of_group(group)
            rank, n_ranks = dist.get_rank(group), dist.get_world_size(group)
        rows = load_rows(store, dtype if dtype is not None else store.card.dtype, rank=rank, n_ranks=n_ranks)
        table = cls.__new__(cls)
        nn.Module.__init__(table)
        blocks = [(block.start, block.stop) for block in store.card.blocks]
        table._hold(rows, identity_of_store(store), blocks, group_name=group_name)
        table.origin = origin_of_store(store)
        return table

    def _hold(
        self,
        rows: FrozenRows,
        identity: str,
        blocks: Sequence[tuple[int, int]] | None,
        *,
        group_name: str | None,
    ) -> None:
        self.keys, self.vectors, self.scales, self.has_vector = rows
        self.identity = identity
        self.origin: dict[str, object] | None = None  # of a store: what its vectors were made by
        self.blocks = tuple(blocks) if blocks is not None else ((0, rows.vectors.shape[1]),)
        self.group_name = group_name

    @property
    def rows(self) -> FrozenRows:
        """What this process holds."""
        return FrozenRows(self.keys, self.vectors, self.scales, self.has_vector)

    @property
    def dimension(self) -> int:
        """D, the length of one vector."""
        return self.vectors.shape[1]

    @property
    def group(self) -> dist.ProcessGroup | None:
        """The processes that share a row-wise table; None for a replicated one."""
        return None if self.group_name is None else group_of_name(self.group_name)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Look ids up.

        Args:
            ids: int64, any shape (...).

        Returns:
            Vectors float32 of shape (..., D) and ``has_vector`` bool of shape (...).
        """
        if self.group_name is None:
            return look_up(ids, self.keys, self.vectors, self.scales, self.has_vector)
        return look_up_sharded(ids, self.keys, self.vectors, self.scales, self.has_vector, self.group_name)

    def cosines(self, ids: Tensor, has_id: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Compare each row's target with the vectors of its ids, block by block, and hand out no vectors.

        Args:
            ids: (B, H) int64, or (1, H) for all rows.
            has_id: bool of the same shape; slots where it is False count as ids without a vector.
            targets: (B, D) float32.

        Returns:
            (B, K, H) cosines, 0 where a block or a vector is missing, and ``has_vector`` of the ids' shape.
        """
        if self.group_name is None:
            return look_up_cosines(
                ids, has_id, targets, self.blocks, self.keys, self.vectors, self.has_vector
            )
        vectors, has_vector = self(ids)
        return cosine_of_blocks(targets, vectors, self.blocks), has_vector & has_id

    def nearest(self, ids: Tensor, has_id: Tensor, targets: Tensor, searched: int, n_kept: int) -> Nearest:
        """The ids of long lists that are nearest to each row's target by one block (`look_up_nearest`).

        Args:
            ids: (B, L) int64, or (1, L) for all rows; has_id: bool of the same shape.
            targets: (B, D) float32.
            searched: number of the block.
            n_kept: at most that many of each row.

        Raises:
            ValueError: a table that several processes share, which would send each other whole histories.
        """
        if self.group_name is not None:
            raise ValueError(
                "searched_block: expected a replicated table of items, got one shared row-wise by several "
                'processes. Remedy: placement="replicated", or searched_block=None.'
            )
        return look_up_nearest(
            ids, has_id, targets, self.blocks, searched, n_kept, self.keys, self.vectors, self.has_vector
        )

    def extra_repr(self) -> str:
        """What `print(module)` shows."""
        placement = "replicated" if self.group_name is None else "row_wise"
        return (
            f"n_ids={self.keys.shape[0]}, dimension={self.dimension}, dtype={self.vectors.dtype}, {placement}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FrozenEmbedding:
        """Follow ``to(device)``, and no change of dtype."""
        super()._apply(fn, recurse)
        device = fn(self.has_vector).device
        for name in FrozenRows._fields:
            tensor = getattr(self, name)
            setattr(self, name, None if tensor is None else tensor.to(device))
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + IDENTITY] = torch.frombuffer(bytearray.fromhex(self.identity), dtype=torch.uint8)

    def _load_from_state_dict(  # noqa: PLR0917 - torch's signature
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        name = prefix + IDENTITY
        if name not in state_dict:
            missing_keys.append(name)
            return
        saved = bytes(state_dict[name].tolist()).hex()
        if saved != self.identity:  # raised, because DistributedModelParallel throws error_msgs away
            raise ValueError(
                f"{name}: expected the vectors that the checkpoint was trained with, {saved[:12]}, got "
                f"{self.identity[:12]}. Remedy: open the store of that training; to go on with other vectors "
                "on purpose, delete this key from the state dict and load with strict=False."
            )


def _name_of(vectors: Tensor) -> str:
    return "float16" if vectors.dtype == torch.float16 else "float32"


def _check_table(keys: Tensor, vectors: Tensor, has_vector: Tensor | None) -> None:
    if keys.ndim != 1 or keys.dtype not in (torch.int64, torch.int32) or len(keys) == 0:
        raise ValueError(
            f"keys: expected int64 or int32 of shape (N,) with N > 0, got {keys.dtype} {tuple(keys.shape)}."
        )
    if vectors.ndim != 2 or len(vectors) != len(keys):
        raise ValueError(f"vectors: expected shape ({len(keys)}, D), got {tuple(vectors.shape)}.")
    if has_vector is not None and (has_vector.shape != keys.shape or has_vector.dtype != torch.bool):
        raise ValueError(
            f"has_vector: expected bool of shape ({len(keys)},), got {has_vector.dtype} "
            f"{tuple(has_vector.shape)}."
        )
    if len(torch.unique(keys)) != len(keys):
        raise ValueError("keys: expected unique ids, got repeated ones; keep one vector per id.")
