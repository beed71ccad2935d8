"""The ready fusions behind the interface of `LearnFeatureFusion`, and one found by its name."""

from learn_rank.fusion.kinds.by_name import (
    FUSIONS,
    ExpertFusion,
    GateFusion,
    SimilarityFusion,
    fusion_of_kind,
)

__all__ = ["FUSIONS", "ExpertFusion", "GateFusion", "SimilarityFusion", "fusion_of_kind"]
