"""Simulated loss of vectors: some training rows lack vectors of the plugin, as rows of tomorrow may.

A fusion that always had the vector of its row's item has never trained what it says without one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch
from learn_rank.fusion.config import FusionConfig

NO_VECTOR = -(2**63) + 1
"""An id that no table holds."""


def lose_vectors(batch: Batch, config: FusionConfig, rate: float, generator: np.random.Generator) -> Batch:
    """The batch with some of the plugin's ids made unknown; what is not changed is shared with it.

    Definition: each row is hit with probability `rate`. A hit row draws a share m, uniform in [0, 1), and
    each of its ids, the user, the item and every item of the history, loses its vector with probability m,
    so that training meets rows that lack little and rows that lack nearly all.

    Args:
        batch: B rows.
        config: of the plugin, which names its ids in `Batch.sparse`.
        rate: share of the rows, inside [0, 1].
        generator: draws in the order of the rows.

    Example:
        >>> ids = KeyedJaggedTensor(["learn_item"], torch.arange(1000), lengths=torch.ones(1000).long())
        >>> batch = Batch(ids, torch.zeros(1000, 1), torch.zeros(1000), torch.zeros(1000))
        >>> lost = lose_vectors(batch, FusionConfig(), 0.2, np.random.default_rng(0))
        >>> round((lost.sparse.values() == NO_VECTOR).float().mean().item(), 1)
        0.1
    """
    features, n_rows = (config.user_feature, config.item_feature, config.history_feature), len(batch.click)
    share_B = torch.from_numpy(generator.random(n_rows) * (generator.random(n_rows) < rate))
    sparse = batch.sparse
    values = sparse.values().clone()
    stop = 0
    for name, n_values in zip(sparse.keys(), sparse.length_per_key(), strict=True):
        start, stop = stop, stop + n_values
        if name in features:
            share = torch.repeat_interleave(share_B, sparse[name].lengths().long())
            is_lost = torch.from_numpy(generator.random(n_values)) < share
            values[start:stop][is_lost] = NO_VECTOR
    changed = KeyedJaggedTensor(
        keys=sparse.keys(), values=values, lengths=sparse.lengths(), weights=sparse.weights_or_none()
    )
    return replace(batch, sparse=changed)


__all__ = ["NO_VECTOR", "lose_vectors"]
