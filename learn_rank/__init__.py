"""LEARN's ranking half: frozen LLM embeddings fused into an existing CTR/CVR ranker, and judged honestly.

Nothing heavy is imported until it is asked for: ``import learn_rank.metrics`` works where torch is not
installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learn_rank.batches import EncodedDataset, encode_dataset
    from learn_rank.comparison import compare_rankers
    from learn_rank.dataset import RankingDataset
    from learn_rank.datasets.own import read_own_tables
    from learn_rank.frozen.embedding import FrozenEmbedding
    from learn_rank.fusion.config import FusionConfig
    from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
    from learn_rank.host_ranker import HostRanker
    from learn_rank.id_tables import embedding_tables
    from learn_rank.ranker import MultiTaskRanker, RankerConfig
    from learn_rank.ranker_base import Ranker
    from learn_rank.scores import Scores
    from learn_rank.train import RankTrainConfig

__version__ = "0.1.0"
__all__ = [
    "EncodedDataset",
    "FrozenEmbedding",
    "FusionConfig",
    "FusionOutput",
    "HostRanker",
    "LearnFeatureFusion",
    "MultiTaskRanker",
    "RankTrainConfig",
    "Ranker",
    "RankerConfig",
    "RankingDataset",
    "Scores",
    "compare_rankers",
    "embedding_tables",
    "encode_dataset",
    "read_own_tables",
]

_HOME = {
    "EncodedDataset": "learn_rank.batches",
    "FrozenEmbedding": "learn_rank.frozen",
    "FusionConfig": "learn_rank.fusion",
    "FusionOutput": "learn_rank.fusion",
    "HostRanker": "learn_rank.host_ranker",
    "LearnFeatureFusion": "learn_rank.fusion",
    "MultiTaskRanker": "learn_rank.ranker",
    "RankTrainConfig": "learn_rank.train",
    "Ranker": "learn_rank.ranker_base",
    "RankerConfig": "learn_rank.ranker",
    "RankingDataset": "learn_rank.dataset",
    "Scores": "learn_rank.scores",
    "compare_rankers": "learn_rank.comparison",
    "embedding_tables": "learn_rank.id_tables",
    "encode_dataset": "learn_rank.batches",
    "read_own_tables": "learn_rank.datasets.own",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
