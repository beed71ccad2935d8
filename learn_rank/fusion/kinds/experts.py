"""`ExpertFusion`: shared experts for what user and item vectors have in common, own ones for the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion


class ExpertFusion(LearnFeatureFusion):
    """Each source s passes through shared experts S_k and its own E_sk, mixed by a gate on the source.

    Definition: out_s = sum_k a_sk S_k(x_s) + sum_k b_sk E_sk(x_s), [a_s, b_s] = softmax(G_s x_s), for the
    user's and the item's vector; an MLP over both outputs, their product, similarities and presence gives F.

    Args:
        user_vectors, item_vectors, config: as in `LearnFeatureFusion`; `projection_dim` is an expert's width.
        n_shared: shared experts.
        n_own: experts of each source.

    Source: the hybrid-expert adaptor of KAR (arXiv 2306.10933), section 3.4.
    """

    def __init__(
        self,
        user_vectors: FrozenEmbedding,
        item_vectors: FrozenEmbedding,
        config: FusionConfig = FusionConfig(),  # noqa: B008 - frozen
        *,
        n_shared: int = 2,
        n_own: int = 2,
    ) -> None:
        super().__init__(user_vectors, item_vectors, config)
        del self.user_projection, self.item_projection
        dimension, width = self.vector_dim, config.projection_dim
        self.shared = _experts(n_shared, dimension, width)
        self.user_experts = _experts(n_own, dimension, width)
        self.item_experts = _experts(n_own, dimension, width)
        self.user_gate = nn.Linear(dimension, n_shared + n_own)
        self.item_gate = nn.Linear(dimension, n_shared + n_own)

    def fuse(self, user: Tensor, item: Tensor, evidence: Tensor) -> Tensor:
        """See the class."""
        user_BP = self._mix(user, self.user_experts, self.user_gate)
        item_BP = self._mix(item, self.item_experts, self.item_gate)
        return self.mlp(torch.cat([user_BP, item_BP, user_BP * item_BP, evidence], dim=1))

    def _mix(self, vectors: Tensor, own: nn.ModuleList, gate: nn.Linear) -> Tensor:
        outputs_BKP = torch.stack([expert(vectors) for expert in [*self.shared, *own]], dim=1)
        return (torch.softmax(gate(vectors), dim=1)[:, :, None] * outputs_BKP).sum(dim=1)


def _experts(n: int, dimension: int, width: int) -> nn.ModuleList:
    if n < 1:
        raise ValueError(f"n_shared and n_own: expected at least 1, got {n}.")
    return nn.ModuleList(nn.Sequential(nn.Linear(dimension, width), nn.ReLU()) for _ in range(n))
