"""`GateFusion`: each dimension decides how much it trusts the text and how much the ids."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion


class GateFusion(LearnFeatureFusion):
    """LEARN's fusion embedding f weighed against the host's embeddings h: g * f + (1 - g) * (W h).

    The gate g = sigmoid(V [f, W h]) is a number per row and dimension, so an item without events can lean on
    its text and a popular one on its id.

    Args:
        user_vectors, item_vectors, config: as in `LearnFeatureFusion`.
        host_dim: N, width of the host's embeddings that `forward` is given.

    Source: LARM's gate, g * LLM + (1 - g) * ID.
    """

    needs_host = True

    def __init__(
        self,
        user_vectors: FrozenEmbedding,
        item_vectors: FrozenEmbedding,
        config: FusionConfig = FusionConfig(),  # noqa: B008 - frozen
        *,
        host_dim: int,
    ) -> None:
        super().__init__(user_vectors, item_vectors, config)
        self.host_projection = nn.Linear(host_dim, config.fusion_dim)
        self.gate = nn.Linear(2 * config.fusion_dim, config.fusion_dim)

    def join(self, fusion: Tensor, host: Tensor) -> Tensor:
        """See the class; the gate opens half way at the start."""
        host_BF = self.host_projection(host)
        gate_BF = torch.sigmoid(self.gate(torch.cat([fusion, host_BF], dim=1)))
        return gate_BF * fusion + (1 - gate_BF) * host_BF
