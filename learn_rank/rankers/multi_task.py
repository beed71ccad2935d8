"""The reference ranker, in place of a team's own: multi-task CTR / CVR on an EmbeddingBagCollection.

B rows, E embedding dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.id_tables import embedding_tables
from learn_rank.rankers.scores import LOSS_KINDS, Scores, ranking_loss
from learn_rank.rankers.task_layers import TASK_LAYERS
from learn_rank.rankers.zero_start import LogitResidual, widen_first_layers

FUSION_ENTRIES = ("concat", "widened", "logit")

__all__ = ["MultiTaskRanker", "RankerConfig", "Scores", "ranking_loss"]


@dataclass(frozen=True)
class RankerConfig:
    """Shape of the reference ranker.

    Attributes:
        kind: "esmm" learns conversion through click x conversion on all rows (ESMM, arXiv 1804.07931);
            "shared_bottom" learns it on the clicked rows; "ctr" learns clicks alone.
        layers: what lies between the features and the heads: "shared_bottom", "mmoe" or "ple"
            (`learn_rank.rankers.task_layers`).
        embedding_dim: E of every categorical feature.
        bottom_dims: widths of the shared layers.
        tower_dim: hidden width of each task's head.
        dropout: after each shared layer.
        fusion_entry: how the plugin's features enter: "concat" beside the host's, freshly drawn (the
            paper's); "widened" the same, but the host's layers are drawn without the plugin and its columns
            start at zero, so that the first scores are the host's to the bit; "logit" as a delta on the
            host's logits that starts at zero (`learn_rank.rankers.zero_start`).
    """

    kind: str = "esmm"
    layers: str = "shared_bottom"
    embedding_dim: int = 16
    bottom_dims: tuple[int, ...] = (128, 64)
    tower_dim: int = 32
    dropout: float = 0.1
    fusion_entry: str = "concat"

    def __post_init__(self) -> None:
        if self.kind not in LOSS_KINDS:
            raise ValueError(
                f"kind: expected one of {list(LOSS_KINDS)}, got {self.kind!r}. Remedy: choose one."
            )
        if self.layers not in TASK_LAYERS:
            raise ValueError(
                f"layers: expected one of {list(TASK_LAYERS)}, got {self.layers!r}. Remedy: choose one."
            )
        if not self.bottom_dims:
            raise ValueError("bottom_dims: expected at least one layer, got none.")
        if self.fusion_entry not in FUSION_ENTRIES:
            raise ValueError(
                f"fusion_entry: expected one of {list(FUSION_ENTRIES)}, got {self.fusion_entry!r}."
            )


class MultiTaskRanker(Ranker):
    """Embeddings of ids and categories, dense features and, with the plugin, its features; two heads.

    Args:
        n_codes: categorical feature -> number of codes (0 = unknown).
        n_dense: width of the dense features.
        config: shape.
        fusion: the plugin; None is the baseline.
    """

    pair: Tensor

    def __init__(
        self,
        n_codes: dict[str, int],
        n_dense: int,
        config: RankerConfig = RankerConfig(),
        fusion: LearnFeatureFusion | None = None,
    ) -> None:
        super().__init__(config.kind)
        self.config = config
        self.embeddings = EmbeddingBagCollection(embedding_tables(n_codes, config.embedding_dim))
        self.fusion = fusion
        self.feature_names = tuple(n_codes)
        self.n_features = len(n_codes)
        above = torch.triu_indices(self.n_features, self.n_features, offset=1)
        self.register_buffer("pair", above, persistent=False)
        n_pairs = above.shape[1]
        width = self.host_dim(n_codes, config) + n_pairs + n_dense
        n_added = 0 if fusion is None else fusion.output_dim
        n_beside = n_added if config.fusion_entry == "concat" else 0
        self.bottom = TASK_LAYERS[config.layers](width + n_beside, config.bottom_dims, config.dropout)
        self.ctr_tower = _tower(config.bottom_dims[-1], config.tower_dim)
        self.cvr_tower = _tower(config.bottom_dims[-1], config.tower_dim)
        self.residual: LogitResidual | None = None
        if fusion is not None and config.fusion_entry == "widened":
            widen_first_layers(self.bottom, width, n_added)
        if fusion is not None and config.fusion_entry == "logit":
            self.residual = LogitResidual(n_added, 2)

    @staticmethod
    def host_dim(n_codes: dict[str, int], config: RankerConfig) -> int:
        """Width of the ranker's own embeddings side by side, which fusions with `needs_host` are given."""
        return len(n_codes) * config.embedding_dim

    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """Score B rows."""
        embedded = self.embeddings(sparse)
        # by name: a sharded collection gives its features in another order on another number of processes
        embedded_BN = torch.cat([embedded[name] for name in self.feature_names], dim=1)
        parts = [embedded_BN, self._pairwise_products(embedded_BN), dense]
        fused = None
        if self.fusion is not None:
            fused = self.fusion(sparse, embedded_BN) if self.fusion.needs_host else self.fusion(sparse)
            if self.residual is None:
                parts.append(fused.features)
        click_BS, conversion_BS = self.bottom(torch.cat(parts, dim=1))
        ctr_B, cvr_B = self.ctr_tower(click_BS)[:, 0], self.cvr_tower(conversion_BS)[:, 0]
        if fused is not None and self.residual is not None:
            delta_B2 = self.residual(fused.features)
            ctr_B, cvr_B = ctr_B + delta_B2[:, 0], cvr_B + delta_B2[:, 1]
        return Scores(ctr_B, cvr_B, fused)

    def _pairwise_products(self, embedded_BN: Tensor) -> Tensor:
        """Inner products of every two features' embeddings, as in DLRM (arXiv 1906.00091)."""
        embedded_BFE = embedded_BN.reshape(-1, self.n_features, self.config.embedding_dim)
        products_BFF = torch.bmm(embedded_BFE, embedded_BFE.transpose(1, 2))
        return products_BFF[:, self.pair[0], self.pair[1]]


def _tower(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
