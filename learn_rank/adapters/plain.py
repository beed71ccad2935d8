"""`PlainFusion`: the fusion inside a plain `nn.Module` whose batches are dicts of tensors.

B rows, H history slots.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from learn_rank.adapters.store_pair import open_pair
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
from learn_recall.store import EmbeddingStore

torch.fx.wrap("ids_of_batch")  # it looks at types and at how many items a history has


class PlainFusion(nn.Module):
    """`LearnFeatureFusion` for hosts that know no `KeyedJaggedTensor`.

    Args:
        fusion: any fusion, one of your own included.
        user: key of the batch with the user ids; item: with the item ids; history: with the recent items, not
            asked for where the fusion compares none; converted: with 0 or 1 for each of them, asked for only
            where the fusion's config names a ``converted_feature``.
        padding: id that fills the empty slots of a history, on either side.

    Example:
        >>> table = FrozenEmbedding(torch.tensor([7, 8]), torch.eye(2))
        >>> learn = PlainFusion(LearnFeatureFusion(table, table))
        >>> batch = {"user_id": torch.tensor([7]), "item_id": torch.tensor([8])}
        >>> learn(batch | {"history": torch.tensor([[-1, 8]])}).features.shape[1] == learn.output_dim
        True
    """

    def __init__(
        self,
        fusion: LearnFeatureFusion,
        *,
        user: str = "user_id",
        item: str = "item_id",
        history: str = "history",
        converted: str = "history_converted",
        padding: int = -1,
    ) -> None:
        super().__init__()
        self.fusion = fusion
        self.padding = padding
        config = fusion.config
        self.columns = {config.user_feature: user, config.item_feature: item}
        if config.history_feature is not None:
            self.columns[config.history_feature] = history
        if config.converted_feature is not None:
            self.columns[config.converted_feature] = converted

    @classmethod
    def from_stores(
        cls,
        users: str | os.PathLike[str] | EmbeddingStore,
        items: str | os.PathLike[str] | EmbeddingStore,
        config: FusionConfig = FusionConfig(),  # noqa: B008 - frozen
        *,
        dtype: str | None = None,
        **columns: Any,
    ) -> PlainFusion:
        """Open two stores of one origin and fuse them by `LearnFeatureFusion`.

        Args:
            users: store of user vectors; items: store of item vectors, of the same tower.
            config: of the fusion.
            dtype: of the frozen tables: "float32", "float16", "int8"; None keeps that of the stores.
            columns: as in the constructor.

        Raises:
            StoreError: stores of different origin, or damaged.
        """
        user_store, item_store = open_pair(users, items)
        user_vectors = FrozenEmbedding.from_store(user_store, dtype=dtype)
        item_vectors = FrozenEmbedding.from_store(item_store, dtype=dtype)
        return cls(LearnFeatureFusion(user_vectors, item_vectors, config), **columns)

    @property
    def output_dim(self) -> int:
        """Width of `FusionOutput.features`: what the host's first layer takes in addition."""
        return self.fusion.output_dim

    def forward(
        self, batch: Mapping[str, Tensor | Sequence[Sequence[int]]], host: Tensor | None = None
    ) -> FusionOutput:
        """Look up, fuse, supervise.

        Args:
            batch: user and item ids, integers of shape (B,) (`learn_recall.store.id_keys` for strings); the
                history, oldest first: (B, H) filled up with ``padding``, or B lists; whether the user
                converted on its items: 0 or 1, (B, H) beside a (B, H) history, whatever stands in its empty
                slots, or B lists without those. More keys may be there.
            host: (B, N) the host's own embeddings, for fusions that join them.

        Raises:
            ValueError: a key is missing, ids are no integers, a conversion is neither 0 nor 1, or the shapes
                do not fit each other.
        """
        return self.fusion(ids_of_batch(batch, self.columns, self.padding), host)

    def auxiliary_loss(self, output: FusionOutput, click: Tensor, conversion: Tensor) -> Tensor:
        """`LearnFeatureFusion.auxiliary_loss`: add it to the ranking loss."""
        return self.fusion.auxiliary_loss(output, click, conversion)


def ids_of_batch(
    batch: Mapping[str, Tensor | Sequence[Sequence[int]]], columns: Mapping[str, str], padding: int
) -> KeyedJaggedTensor:
    """The ids of a batch as the fusion takes them.

    Args:
        batch: as in `PlainFusion.forward`.
        columns: feature of the fusion -> key of the batch; user, item and, where there are such, history and
            conversions.
        padding: id of an empty slot.

    Raises:
        ValueError: as `PlainFusion.forward`.
    """
    missing = [name for name in columns.values() if name not in batch]
    if missing:
        raise ValueError(
            f"batch: expected the keys {list(columns.values())}, got no {missing} among {list(batch)}. "
            "Remedy: name the batch's own keys, PlainFusion(fusion, user=..); without a history, "
            "FusionConfig(history_feature=None); without its conversions, converted_feature=None."
        )
    names = list(columns.values())
    parts = [_single(batch[name], name) for name in names[:2]]
    n_rows, device = len(parts[0][0]), parts[0][0].device
    parts += [_history(batch[name], name, padding, device) for name in names[2:3]]
    parts += [_converted(batch[name], name, batch[names[2]], names[2], padding, device) for name in names[3:]]
    for name, (_, lengths) in zip(names, parts, strict=True):
        if len(lengths) != n_rows:
            raise ValueError(f"{name}: expected {n_rows} rows, as many as {names[0]}, got {len(lengths)}.")
    return KeyedJaggedTensor(
        keys=list(columns),
        values=torch.cat([values for values, _ in parts]),
        lengths=torch.cat([lengths for _, lengths in parts]),
    )


def _single(ids: Tensor | Sequence[Sequence[int]], name: str) -> tuple[Tensor, Tensor]:
    if not isinstance(ids, Tensor) or ids.ndim != 1:
        got = f"shape {tuple(ids.shape)}" if isinstance(ids, Tensor) else type(ids).__name__
        raise ValueError(
            f"{name}: expected a tensor of shape (B,), one id a row, got {got}. Remedy: ids[:, 0] for a "
            "column; torch.from_numpy(learn_recall.store.id_keys(names)) for strings."
        )
    return _int64(ids, name), torch.ones_like(ids, dtype=torch.int64)


def _history(
    ids: Tensor | Sequence[Sequence[int]], name: str, padding: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    if not isinstance(ids, Tensor):
        rows = [torch.as_tensor(row, device=device) for row in ids]
        values = [_int64(row, name) for row in rows if len(row)]
        lengths = torch.tensor([len(row) for row in rows], device=device)
        return torch.cat([torch.empty(0, dtype=torch.int64, device=device), *values]), lengths
    if ids.ndim != 2:
        raise ValueError(
            f"{name}: expected shape (B, H), filled up with {padding}, or B lists, got {tuple(ids.shape)}."
        )
    is_item = ids != padding
    return _int64(ids, name)[is_item], is_item.sum(1)


def _converted(  # noqa: PLR0917 - both sides, each with its name
    flags: Tensor | Sequence[Sequence[int]],
    name: str,
    history: Tensor | Sequence[Sequence[int]],
    history_name: str,
    padding: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    if isinstance(flags, Tensor):
        if not isinstance(history, Tensor) or flags.shape != history.shape:
            got = tuple(history.shape) if isinstance(history, Tensor) else "lists"
            raise ValueError(
                f"{name}: expected a slot for each of {history_name}, got shape {tuple(flags.shape)} beside "
                f"{got}. Remedy: pad both alike, or give B lists."
            )
        is_item = history != padding
        values, lengths = flags[is_item], is_item.sum(1)
    else:
        rows = [torch.as_tensor(row, device=device) for row in flags]
        values = torch.cat([torch.empty(0, dtype=torch.int64, device=device), *rows])
        lengths = torch.tensor([len(row) for row in rows], device=device)
        _, expected = _history(history, history_name, padding, device)
        if not torch.equal(lengths, expected):
            raise ValueError(
                f"{name}: expected a value for each item of {history_name}, got {lengths.tolist()[:9]} for "
                f"{expected.tolist()[:9]} items in the first rows. Remedy: make both from the same events."
            )
    is_wrong = (values != 0) & (values != 1)
    if is_wrong.any():
        raise ValueError(
            f"{name}: expected 0 or 1 for each item of {history_name}, got {values[is_wrong][0].item()}. "
            "Remedy: 0 where the user did not convert; pad both alike."
        )
    return values.long(), lengths


def _int64(ids: Tensor, name: str) -> Tensor:
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(
            f"{name}: expected integers, got {ids.dtype}. Remedy: float32 rounds ids above 16,777,216; read "
            "the column as int64."
        )
    return ids.long()


__all__ = ["PlainFusion", "ids_of_batch"]
