"""Small batches in the ids of a fusion's own tables, for `learn_rank.testing.check_fusion`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchrec import KeyedJaggedTensor

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion


@dataclass(frozen=True)
class Probe:
    """Rows for a fusion.

    Attributes:
        user: (B,) ids; item: (B,) ids.
        history: one list of ids a row.
        host: (B, N) stands for the host's embeddings; None for fusions that take none.
    """

    user: list[int]
    item: list[int]
    history: list[list[int]]
    host: Tensor | None

    def features(self, config: FusionConfig) -> KeyedJaggedTensor:
        """What the fusion is called with."""
        columns = {config.user_feature: [[id] for id in self.user]}
        columns[config.item_feature] = [[id] for id in self.item]
        if config.history_feature is not None:
            columns[config.history_feature] = self.history
        return KeyedJaggedTensor(
            keys=list(columns),
            values=torch.tensor(
                [id for rows in columns.values() for row in rows for id in row], dtype=torch.int64
            ),
            lengths=torch.tensor([len(row) for rows in columns.values() for row in rows], dtype=torch.int64),
        )

    def rows(self, index: list[int]) -> Probe:
        """Some of the rows, in that order."""
        return Probe(
            [self.user[at] for at in index],
            [self.item[at] for at in index],
            [self.history[at] for at in index],
            None if self.host is None else self.host[index],
        )

    def call(self, module: LearnFeatureFusion) -> FusionOutput:
        """The module's answer."""
        features = self.features(module.config)
        return module(features) if self.host is None else module(features, self.host)


def probe_of(module: LearnFeatureFusion, host_dim: int | None) -> Probe:
    """Eight rows: both vectors known, one of them, none; histories long, short, unknown and empty."""
    generator = torch.Generator().manual_seed(0)
    users, no_user = _known(module.user_vectors), _unknown(module.user_vectors)
    items, no_item = _known(module.item_vectors), _unknown(module.item_vectors)

    def item(at: int) -> int:
        return items[at % len(items)]

    return Probe(
        user=[users[at % len(users)] for at in range(4)] + [no_user, users[0], no_user, no_user],
        item=[item(0), item(1), item(2), item(0), item(1), no_item, no_item, no_item],
        history=[
            [item(at) for at in range(module.config.history_length + 2)],
            [item(2)],
            [no_item, item(3)],
            [],
            [item(0), item(1)],
            [item(1), item(2)],
            [item(3)],
            [],
        ],
        host=None if host_dim is None else torch.randn(8, host_dim, generator=generator),
    )


def _known(table: FrozenEmbedding) -> list[int]:
    return table.keys[table.has_vector[:-1]][:8].tolist()


def _unknown(table: FrozenEmbedding) -> int:
    """An id that no row of the table has: one beyond the largest, or the smallest, or a gap."""
    keys = table.keys
    largest = int(keys[-1])
    if largest < torch.iinfo(torch.int64).max:
        return largest + 1
    gap = torch.nonzero(keys.diff() > 1)
    return int(keys[gap[0, 0]]) + 1 if len(gap) else int(keys[0]) - 1


def differ(one: FusionOutput, other: FusionOutput, name: str) -> bool:
    """Whether two answers differ in a field, by a bit."""
    return not torch.equal(getattr(one, name), getattr(other, name))
