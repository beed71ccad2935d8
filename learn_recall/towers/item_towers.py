"""The three item towers of the paper and one of our own; teams register theirs beside them.

B users, T targets, C content, D embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from learn_recall.towers.config import ITEM_TOWERS as NAMES
from learn_recall.towers.pal import PreferenceAlignment


class ItemTower(nn.Module, ABC):
    """Turns a user's target sequence into item vectors. Whatever it does in training, a single item is a
    sequence of 1.

    To add a tower: subclass, set ``is_sequential``, implement `forward`, and give it a name by
    `register_item_tower`.
    ``is_sequential``: does an item's vector depend on the targets before it?
    """

    is_sequential: bool = False

    def __init__(self, pal: PreferenceAlignment):
        super().__init__()
        self.pal = [pal]  # in a list: PAL's parameters belong to the double tower, once

    @abstractmethod
    def forward(self, content: Tensor, embedded: Tensor) -> Tensor:
        """Item vectors of target sequences.

        Args:
            content: whitened content vectors (B, T, C), float, padded on the right.
            embedded: the same items after PAL's adaptor and the id residual (B, T, hidden).

        Returns:
            Unit vectors (B, T, D).
        """


class SeqToSeqTower(ItemTower):
    """Tower (a), the paper's default and best: shared weights, causal over the whole target sequence."""

    is_sequential = True

    def forward(self, content: Tensor, embedded: Tensor) -> Tensor:
        """(B, T, C), (B, T, hidden) -> (B, T, D)."""
        return self.pal[0].align(embedded)


class SeqToItemTower(ItemTower):
    """Tower (b): shared weights, each target attends to itself only, that is, every item is a sequence of
    one.
    """

    def forward(self, content: Tensor, embedded: Tensor) -> Tensor:
        """(B, T, C), (B, T, hidden) -> (B, T, D)."""
        n_rows, length, hidden = embedded.shape
        return self.pal[0].align(embedded.reshape(n_rows * length, 1, hidden)).reshape(n_rows, length, -1)


class RecToLLMTower(ItemTower):
    """Tower (c), the paper's worst: no alignment, the item vector is the content vector itself, so D = C."""

    def forward(self, content: Tensor, embedded: Tensor) -> Tensor:
        """(B, T, C), (B, T, hidden) -> (B, T, C)."""
        return F.normalize(content, dim=-1)


class ProjectionTower(ItemTower):
    """Not in the paper: the item side shares the adaptor (and id residual) but skips the transformer
    layers.
    """

    def __init__(self, pal: PreferenceAlignment):
        super().__init__(pal)
        self.norm = nn.LayerNorm(pal.output.in_features)
        self.output = nn.Linear(pal.output.in_features, pal.output.out_features)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, content: Tensor, embedded: Tensor) -> Tensor:
        """(B, T, C), (B, T, hidden) -> (B, T, D)."""
        return F.normalize(self.output(self.norm(embedded)), dim=-1)


ITEM_TOWERS: dict[str, type[ItemTower]] = {
    "seq_to_seq": SeqToSeqTower,
    "seq_to_item": SeqToItemTower,
    "rec_to_llm": RecToLLMTower,
    "projection": ProjectionTower,
}


def register_item_tower(name: str, tower: type[ItemTower]) -> None:
    """Let `TowerConfig.item_tower` name a tower of your own; once in each process that trains or loads it.

    Args:
        name: not taken yet.
        tower: its class; made with the double tower's `PreferenceAlignment`.

    Raises:
        ValueError: the name is taken.
    """
    if name in ITEM_TOWERS:
        raise ValueError(
            f"name: expected one that is free, got {name!r}; taken are {', '.join(ITEM_TOWERS)}."
        )
    ITEM_TOWERS[name] = tower
    NAMES.append(name)
