"""`SimilarityFusion`: only how near the target is to the user; the vectors themselves go nowhere."""

from __future__ import annotations

from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion


class SimilarityFusion(LearnFeatureFusion):
    """An MLP over cosines, the histogram of similarities to recent items, its maximum and mean, and presence.

    A few dozen numbers without an identity: nothing there with which to overfit to a user or an item.

    Source: SimTier (arXiv 2407.19467).
    """

    def __init__(
        self,
        user_vectors: FrozenEmbedding,
        item_vectors: FrozenEmbedding,
        config: FusionConfig = FusionConfig(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(user_vectors, item_vectors, config)
        del self.user_projection, self.item_projection
        self.user_fallback.requires_grad_(False)  # stands in for a vector, and none is used
        self.item_fallback.requires_grad_(False)
        self.mlp = nn.Sequential(
            nn.Linear(self.n_similarities + 2, config.hidden_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_dim, config.fusion_dim),
            nn.ReLU(),
        )

    def fuse(self, user: Tensor, item: Tensor, evidence: Tensor) -> Tensor:
        """The evidence alone."""
        return self.mlp(evidence)
