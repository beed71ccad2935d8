"""Frozen vectors by id, looked up on any device; neither parameters nor buffers, checked to stay frozen."""

from learn_rank.frozen.embedding import (
    FrozenEmbedding,
)

__all__ = [
    "FrozenEmbedding",
]
