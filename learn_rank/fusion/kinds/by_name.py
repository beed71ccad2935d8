"""Ready fusions behind the interface of `LearnFeatureFusion`, each with the paper that it is from.

learn       two linears, their product and an MLP, with an auxiliary CVR head (LEARN); the default
gate        the same, weighed dimension by dimension against the host's id embeddings (LARM)
experts     shared and per-source experts under a gate (KAR)
similarity  no vectors at all, only how near the target is to the user (SimTier)
"""

from __future__ import annotations

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds.experts import ExpertFusion
from learn_rank.fusion.kinds.gate import GateFusion
from learn_rank.fusion.kinds.similarity_only import SimilarityFusion
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion

__all__ = ["FUSIONS", "ExpertFusion", "GateFusion", "SimilarityFusion", "fusion_of_kind"]

FUSIONS: dict[str, type[LearnFeatureFusion]] = {
    "learn": LearnFeatureFusion,
    "gate": GateFusion,
    "experts": ExpertFusion,
    "similarity": SimilarityFusion,
}


def fusion_of_kind(
    kind: str,
    user_vectors: FrozenEmbedding,
    item_vectors: FrozenEmbedding,
    config: FusionConfig,
    *,
    host_dim: int,
) -> LearnFeatureFusion:
    """The fusion of that name.

    Args:
        kind: one of `FUSIONS`.
        user_vectors: frozen table of user vectors; item_vectors: of item vectors.
        config: of the fusion.
        host_dim: N, width of the host's own embeddings, for the kinds that join them.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in FUSIONS:
        raise ValueError(f"kind: expected one of {list(FUSIONS)}, got {kind!r}.")
    if kind == "gate":
        return GateFusion(user_vectors, item_vectors, config, host_dim=host_dim)
    return FUSIONS[kind](user_vectors, item_vectors, config)
