"""LEARN's ranking half: frozen LLM embeddings fused into an existing CTR/CVR ranker, and judged honestly.

Nothing heavy is imported until it is asked for: ``import learn_rank.metrics`` works where torch is not
installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from learn_rank.old_doors import MOVED, RENAMED
from learn_recall.old_doors import open_old_doors

if TYPE_CHECKING:
    from learn_rank.data.batch import Batch
    from learn_rank.data.dataset import RankingDataset
    from learn_rank.data.encoded_rows import EncodedDataset, encode_dataset
    from learn_rank.data.newness import Newness
    from learn_rank.datasets.own import read_own_tables
    from learn_rank.frozen.embedding import FrozenEmbedding
    from learn_rank.fusion.config import FusionConfig
    from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
    from learn_rank.pipeline.compare_rankers import chosen_ranker, compare_rankers
    from learn_rank.rankers.base import Ranker
    from learn_rank.rankers.host import HostRanker
    from learn_rank.rankers.id_tables import embedding_tables
    from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
    from learn_rank.rankers.scores import Scores
    from learn_rank.rankers.train import RankTrainConfig, load_ranker

__version__: str  # of what is installed, asked for on first use
__all__ = [
    "Batch",
    "EncodedDataset",
    "FrozenEmbedding",
    "FusionConfig",
    "FusionOutput",
    "HostRanker",
    "LearnFeatureFusion",
    "MultiTaskRanker",
    "Newness",
    "RankTrainConfig",
    "Ranker",
    "RankerConfig",
    "RankingDataset",
    "Scores",
    "chosen_ranker",
    "compare_rankers",
    "embedding_tables",
    "encode_dataset",
    "load_ranker",
    "read_own_tables",
]

_HOME = {
    "Batch": "learn_rank.data.batch",
    "EncodedDataset": "learn_rank.data.encoded_rows",
    "FrozenEmbedding": "learn_rank.frozen.embedding",
    "FusionConfig": "learn_rank.fusion.config",
    "FusionOutput": "learn_rank.fusion.learn_feature_fusion",
    "HostRanker": "learn_rank.rankers.host",
    "LearnFeatureFusion": "learn_rank.fusion.learn_feature_fusion",
    "MultiTaskRanker": "learn_rank.rankers.multi_task",
    "Newness": "learn_rank.data.newness",
    "RankTrainConfig": "learn_rank.rankers.train",
    "Ranker": "learn_rank.rankers.base",
    "RankerConfig": "learn_rank.rankers.multi_task",
    "RankingDataset": "learn_rank.data.dataset",
    "Scores": "learn_rank.rankers.scores",
    "chosen_ranker": "learn_rank.pipeline.compare_rankers",
    "compare_rankers": "learn_rank.pipeline.compare_rankers",
    "embedding_tables": "learn_rank.rankers.id_tables",
    "encode_dataset": "learn_rank.data.encoded_rows",
    "load_ranker": "learn_rank.rankers.train",
    "read_own_tables": "learn_rank.datasets.own",
}

open_old_doors(MOVED, RENAMED)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("learn_recall.files.package_version").package_version()
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
