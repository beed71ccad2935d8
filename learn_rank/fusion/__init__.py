"""`LearnFeatureFusion` and the ready fusions behind its interface (LEARN, section 3.4)."""

from learn_rank.fusion.config import (
    FusionConfig,
)
from learn_rank.fusion.kinds import (
    FUSIONS,
    ExpertFusion,
    GateFusion,
    SimilarityFusion,
    fusion_of_kind,
)
from learn_rank.fusion.learn_feature_fusion import (
    FusionOutput,
    LearnFeatureFusion,
)
from learn_rank.fusion.slots import HistorySlots, SlotAttention

__all__ = [
    "FUSIONS",
    "ExpertFusion",
    "FusionConfig",
    "FusionOutput",
    "GateFusion",
    "HistorySlots",
    "LearnFeatureFusion",
    "SimilarityFusion",
    "SlotAttention",
    "fusion_of_kind",
]
