"""Simulated newness: some rows' items become unknown to the host and keep their vectors.

What a new item will look like has to be in the training rows, in every arm, the baseline included: a host
that never met an unknown id ranks new items at random heights among known ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch

UNKNOWN = 0  # code of a value that training never had; real codes start at 1


@dataclass(frozen=True)
class Newness:
    """What a host loses of a new item; for any torchrec host, in front of its training batches.

    Attributes:
        id_features: keys of the item's ids in `Batch.sparse`, each value of which becomes ``unknown_id``. The
            plugin's own ``learn_item`` is not among them: the vector stays.
        unknown_id: the code that the host has for an item that training never had.
        dense: column of `Batch.dense` -> what it says of a new item (counts 0, rates at the prior), in the
            units of the batch.
        rate: share of the rows.

    Raises:
        ValueError: a rate outside [0, 1), no feature, or one of the plugin's.

    Example:
        >>> batch = Batch(
        ...     KeyedJaggedTensor(["item_id"], torch.tensor([7, 9]), lengths=torch.tensor([1, 1])),
        ...     torch.tensor([[3.0], [5.0]]), torch.zeros(2), torch.zeros(2))
        >>> newness = Newness(("item_id",), dense={0: -1.0})
        >>> new = newness.of(batch, torch.tensor([False, True]))
        >>> new.sparse.values().tolist(), new.dense.tolist()
        ([7, 0], [[3.0], [-1.0]])
    """

    id_features: tuple[str, ...]
    unknown_id: int = UNKNOWN
    dense: Mapping[int, float] = field(default_factory=dict)
    rate: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"rate: expected a share inside [0, 1), got {self.rate}.")
        own = [name for name in self.id_features if name.startswith("learn_")]
        if not self.id_features or own:
            raise ValueError(
                f"id_features: expected the host's features of the item's id, got {self.id_features}; the "
                "plugin's own (learn_...) keep the vector of a new item."
            )

    def batches(self, batches: Iterable[Batch], generator: torch.Generator) -> Iterator[Batch]:
        """The batches with `rate` of their rows made new, drawn anew for each."""
        for batch in batches:
            drawn_B = torch.rand(len(batch.click), generator=generator) < self.rate
            yield self.of(batch, drawn_B.to(batch.click.device))

    def of(self, batch: Batch, is_new: Tensor) -> Batch:
        """The batch with the items of some rows made new; what is not changed is shared with it.

        Args:
            batch: B rows.
            is_new: (B,) bool.

        Raises:
            ValueError: ``batch`` has no such feature.
        """
        if not bool(is_new.any()):
            return batch
        sparse, dense = batch.sparse, batch.dense
        keys = sparse.keys()
        missing = [name for name in self.id_features if name not in keys]
        if missing:
            raise ValueError(f"id_features: expected some of {keys}, got {missing[0]!r}.")
        values = sparse.values().clone()
        stop = 0
        for name, n_values in zip(keys, sparse.length_per_key(), strict=True):
            start, stop = stop, stop + n_values
            if name in self.id_features:
                of_value = torch.repeat_interleave(is_new, sparse[name].lengths().long())
                values[start:stop][of_value] = self.unknown_id
        if self.dense:
            dense = dense.clone()
            columns = torch.tensor(list(self.dense), device=dense.device)
            unknown = torch.tensor(list(self.dense.values()), dtype=dense.dtype, device=dense.device)
            dense[is_new.nonzero(), columns] = unknown
        changed = KeyedJaggedTensor(
            keys=keys, values=values, lengths=sparse.lengths(), weights=sparse.weights_or_none()
        )
        return replace(batch, sparse=changed, dense=dense)
