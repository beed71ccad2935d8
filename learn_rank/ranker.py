"""The reference ranker, in place of a team's own: multi-task CTR / CVR on an EmbeddingBagCollection.

B rows, E embedding dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor, PoolingType

from learn_rank.batches import Batch
from learn_rank.fusion import FusionOutput, LearnFeatureFusion
from learn_rank.task_layers import TASK_LAYERS
from learn_rank.zero_start import LogitResidual, widen_first_layers

FUSION_ENTRIES = ("concat", "widened", "logit")


class Scores(NamedTuple):
    """(B,) logits of click and of conversion given a click, and what the plugin gave (None without it)."""

    ctr_logit: Tensor
    cvr_logit: Tensor
    fusion: FusionOutput | None

    @property
    def ctcvr(self) -> Tensor:
        """(B,) probability of click and conversion, on the entire space."""
        return torch.sigmoid(self.ctr_logit) * torch.sigmoid(self.cvr_logit)


@dataclass(frozen=True)
class RankerConfig:
    """Shape of the reference ranker.

    Attributes:
        kind: "esmm" learns conversion through click x conversion on all rows (ESMM, arXiv 1804.07931);
            "shared_bottom" learns it on the clicked rows; "ctr" learns clicks alone.
        layers: what lies between the features and the heads: "shared_bottom", "mmoe" or "ple"
            (`learn_rank.task_layers`).
        embedding_dim: E of every categorical feature.
        bottom_dims: widths of the shared layers.
        tower_dim: hidden width of each task's head.
        dropout: after each shared layer.
        fusion_entry: how the plugin's features enter: "concat" beside the host's, freshly drawn (the
            paper's); "widened" the same, but the host's layers are drawn without the plugin and its columns
            start at zero, so that the first scores are the host's to the bit; "logit" as a delta on the
            host's logits that starts at zero (`learn_rank.zero_start`).
    """

    kind: str = "esmm"
    layers: str = "shared_bottom"
    embedding_dim: int = 16
    bottom_dims: tuple[int, ...] = (128, 64)
    tower_dim: int = 32
    dropout: float = 0.1
    fusion_entry: str = "concat"

    def __post_init__(self) -> None:
        if self.kind not in ("esmm", "shared_bottom", "ctr"):
            raise ValueError(f'kind: expected "esmm", "shared_bottom" or "ctr", got {self.kind!r}.')
        if self.layers not in TASK_LAYERS:
            raise ValueError(f"layers: expected one of {list(TASK_LAYERS)}, got {self.layers!r}.")
        if not self.bottom_dims:
            raise ValueError("bottom_dims: expected at least one layer, got none.")
        if self.fusion_entry not in FUSION_ENTRIES:
            raise ValueError(
                f"fusion_entry: expected one of {list(FUSION_ENTRIES)}, got {self.fusion_entry!r}."
            )


class MultiTaskRanker(nn.Module):
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
        super().__init__()
        self.config = config
        self.embeddings = EmbeddingBagCollection(
            tables=[
                EmbeddingBagConfig(
                    name=f"table_{name}",
                    embedding_dim=config.embedding_dim,
                    num_embeddings=size,
                    feature_names=[name],
                    pooling=PoolingType.MEAN,
                    init_fn=_small_normal,
                )
                for name, size in n_codes.items()
            ]
        )
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

    def loss(self, scores: Scores, batch: Batch) -> Tensor:
        """Ranking loss of both tasks plus the plugin's auxiliary loss, a scalar."""
        ranking = ranking_loss(scores, batch.click, batch.conversion, kind=self.config.kind)
        if self.fusion is None or scores.fusion is None:
            return ranking
        return ranking + self.fusion.auxiliary_loss(scores.fusion, batch.click, batch.conversion)


def ranking_loss(scores: Scores, click: Tensor, conversion: Tensor, *, kind: str) -> Tensor:
    """Click loss plus conversion loss.

    Args:
        scores: of `MultiTaskRanker.forward`.
        click: (B,) 0 or 1.
        conversion: (B,) 0 or 1; anything where not clicked.
        kind: "esmm": cross-entropy of pCTR x pCVR against click x conversion, on all rows;
            "shared_bottom": cross-entropy of pCVR on clicked rows, summed over them and divided by B;
            "ctr": clicks alone, for data without conversions.

    Source: ESMM (arXiv 1804.07931), equation 3.
    """
    label = torch.where(click > 0, conversion, torch.zeros_like(conversion))
    click_loss = functional.binary_cross_entropy_with_logits(scores.ctr_logit, click)
    if kind == "ctr":
        return click_loss
    if kind == "esmm":
        # in logarithms: log(pCTR pCVR) is exact where the product would round to 0 or 1
        log_joint = functional.logsigmoid(scores.ctr_logit) + functional.logsigmoid(scores.cvr_logit)
        log_rest = torch.log1p(-log_joint.exp().clamp(max=1 - 1e-6))
        return click_loss - (label * log_joint + (1 - label) * log_rest).mean()
    by_row = functional.binary_cross_entropy_with_logits(scores.cvr_logit, label, reduction="none")
    return click_loss + (by_row * click).mean()


def _tower(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def _small_normal(weight: Tensor) -> Tensor:
    return nn.init.normal_(weight, std=0.05)
