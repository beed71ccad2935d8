"""LEARN's ranking half: frozen LLM embeddings fused into an existing CTR/CVR ranker, and judged honestly.

Nothing heavy is imported until it is asked for: ``import learn_rank.metrics`` works where torch is not
installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learn_rank.frozen import FrozenEmbedding
    from learn_rank.fusion import FusionConfig, FusionOutput, LearnFeatureFusion
    from learn_rank.ranker import MultiTaskRanker, RankerConfig

__version__ = "0.1.0"
__all__ = [
    "FrozenEmbedding",
    "FusionConfig",
    "FusionOutput",
    "LearnFeatureFusion",
    "MultiTaskRanker",
    "RankerConfig",
]

_HOME = {
    "FrozenEmbedding": "learn_rank.frozen",
    "FusionConfig": "learn_rank.fusion",
    "FusionOutput": "learn_rank.fusion",
    "LearnFeatureFusion": "learn_rank.fusion",
    "MultiTaskRanker": "learn_rank.ranker",
    "RankerConfig": "learn_rank.ranker",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
