"""One batch of rows as the rankers take it, in the form that torchrec's pipelines move between devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchrec import KeyedJaggedTensor
from torchrec.streamable import Pipelineable

CONVERTED_FEATURE = "learn_history_converted"  # 0 or 1 beside each value of learn_history
HISTORY_ITEM = "history_item_id"  # the host's code of each value of learn_history; 0 = unknown to it


@dataclass(frozen=True)
class Batch(Pipelineable):
    """One batch of B rows.

    Attributes:
        sparse: categorical features (codes) and the plugin's ``learn_user``, ``learn_item`` and
            ``learn_history`` (ids), with ``learn_history_converted`` (0 or 1) where it is known. For hosts
            that read histories themselves ``history_item_id`` (codes of ``item_id``) stands beside it.
        dense: (B, n_dense) float32, standardised by training.
        click: (B,) float32, 0 or 1.
        conversion: (B,) float32, 0 or 1, NaN where not clicked.
    """

    sparse: KeyedJaggedTensor
    dense: Tensor
    click: Tensor
    conversion: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Batch:
        """The batch on another device."""
        return Batch(
            self.sparse.to(device, non_blocking=non_blocking),
            *(tensor.to(device, non_blocking=non_blocking) for tensor in self._plain()),
        )

    def record_stream(self, stream: torch.Stream) -> None:
        """Tell the allocator that a stream uses the batch."""
        self.sparse.record_stream(stream)
        for tensor in self._plain():
            tensor.record_stream(stream)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, from which copies to a GPU need not wait."""
        return Batch(self.sparse.pin_memory(), *(tensor.pin_memory() for tensor in self._plain()))

    def _plain(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.dense, self.click, self.conversion


def joined(batches: Sequence[Batch]) -> Batch:
    """The rows of several batches with equal features, one batch after the other.

    Raises:
        ValueError: no batch, or features that differ.
    """
    if not batches or any(batch.sparse.keys() != batches[0].sparse.keys() for batch in batches):
        raise ValueError(
            f"batches: expected at least one and equal features, got {[b.sparse.keys() for b in batches]}. "
            "Remedy: make all of them with one encoding."
        )
    keys = batches[0].sparse.keys()
    parts = [batch.sparse[key] for key in keys for batch in batches]  # `to_dict` fails without rows
    sparse = KeyedJaggedTensor(
        keys=keys,
        values=torch.cat([part.values() for part in parts]),
        lengths=torch.cat([part.lengths() for part in parts]),
    )
    dense, click, conversion = (
        torch.cat(tensors) for tensors in zip(*(batch._plain() for batch in batches), strict=True)
    )
    return Batch(sparse, dense, click, conversion)
