"""The reference ranker, in place of a team's own: multi-task CTR / CVR on an EmbeddingBagCollection.

B rows, E embedding dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torchrec import EmbeddingBagCollection, EmbeddingCollection, JaggedTensor, KeyedJaggedTensor

from learn_rank.data.batch import CONVERTED_FEATURE, HISTORY_ITEM
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.data.newness import UNKNOWN
from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.beside import BesideHost, task_tower
from learn_rank.rankers.history import HISTORIES, HistoryEncoder
from learn_rank.rankers.history_content import HISTORY_SCORES, ContentWeights
from learn_rank.rankers.id_tables import embedding_tables, shared_table
from learn_rank.rankers.scores import LOSS_KINDS, Scores, ranking_loss
from learn_rank.rankers.start.rate_start import RateStart
from learn_rank.rankers.task_layers import TASK_LAYERS
from learn_rank.rankers.zero_start import LogitResidual, widen_first_layers
from learn_recall.columns import ITEM_ID

FUSION_ENTRIES = ("concat", "beside", "widened", "logit")
STARTS = ("zero", "rates")

__all__ = ["MultiTaskRanker", "RankerConfig", "Scores", "ranking_loss"]


@dataclass(frozen=True)
class RankerConfig:
    """Shape of the reference ranker.

    Attributes:
        kind: "esmm" learns conversion through click x conversion on all rows (ESMM, arXiv 1804.07931);
            "shared_bottom" learns it on the clicked rows; "ctr" learns clicks alone.
        layers: between features and heads: "shared_bottom", "mmoe" or "ple" (`rankers.task_layers`).
        embedding_dim: E of every categorical feature.
        bottom_dims: widths of the shared layers.
        tower_dim: hidden width of each task's head.
        dropout: after each shared layer.
        fusion_entry: how the plugin's features enter: "concat" beside the host's, freshly drawn (the
            paper's); "beside" through layers of their own that add to the host's logits where the item has a
            vector, while a loss of its own trains the host (`learn_rank.rankers.beside`; without a plugin the
            same layers read the host alone, so that all arms have them);
            "widened" as "concat", but from zero, so that the first scores are the host's to the bit; "logit"
            as a delta on the host's logits, from zero as well (`learn_rank.rankers.zero_start`).
        history: what the host makes of the ids of its user's history (`learn_rank.rankers.history`): "none",
            their "mean", target attention ("din"), or target attention to the most alike ("sim"). Their
            embeddings are those of ``item_id``; the encoding was asked for them
            (`encode_dataset(has_item_history=True)`).
        history_top_k: items that "sim" attends to.
        history_scores: what that attention weighs an item by where a plugin is there: "ids" alone, or the
            plugin's "slots" besides, whose weights start at nothing (`learn_rank.rankers.history_content`).
            Without a plugin it is read as "ids".
        has_converted_history: the host also knows which of those items the user converted on.
        start: what the logits begin at: "zero", or "rates", a logistic regression on the dense features
            (`learn_rank.rankers.start.rate_start`); the network learns what lies beyond it, and where it
            learns nothing that holds on validation, the start is kept.
    """

    kind: str = "esmm"
    layers: str = "shared_bottom"
    embedding_dim: int = 16
    bottom_dims: tuple[int, ...] = (128, 64)
    tower_dim: int = 32
    dropout: float = 0.1
    fusion_entry: str = "concat"
    history: str = "none"
    history_top_k: int = 32
    history_scores: str = "ids"
    has_converted_history: bool = False
    start: str = "zero"

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
        if self.history not in HISTORIES:
            raise ValueError(
                f"history: expected one of {list(HISTORIES)}, got {self.history!r}. Remedy: choose one."
            )
        if self.history_scores not in HISTORY_SCORES:
            raise ValueError(
                f"history_scores: expected one of {list(HISTORY_SCORES)}, got {self.history_scores!r}. "
                "Remedy: choose one."
            )
        if self.start not in STARTS:
            raise ValueError(
                f"start: expected one of {list(STARTS)}, got {self.start!r}. Remedy: choose one."
            )

    @property
    def has_history(self) -> bool:
        """Whether the host reads the items of its user's history."""
        return self.history != "none"


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
        pooled = dict(n_codes)
        self.sequences: EmbeddingCollection | None = None
        self.history: HistoryEncoder | None = None
        if config.has_history:
            if ITEM_ID not in n_codes:
                raise ValueError(
                    f"n_codes: expected {ITEM_ID!r}, whose table the history shares, got {list(n_codes)}. "
                    'Remedy: history="none", or a feature of that name.'
                )
            items = shared_table(ITEM_ID, pooled.pop(ITEM_ID), config.embedding_dim, (ITEM_ID, HISTORY_ITEM))
            self.sequences = EmbeddingCollection([items])
            self.history = HistoryEncoder(
                config.history,
                config.embedding_dim,
                top_k=config.history_top_k,
                has_conversions=config.has_converted_history,
                content=_content_weights(config, fusion),
            )
        self.embeddings = EmbeddingBagCollection(embedding_tables(pooled, config.embedding_dim))
        self.fusion = fusion
        self.feature_names = tuple(pooled)
        self.n_features = self.host_dim(n_codes, config) // config.embedding_dim
        above = torch.triu_indices(self.n_features, self.n_features, offset=1)
        self.register_buffer("pair", above, persistent=False)
        n_pairs = above.shape[1]
        width = self.host_dim(n_codes, config) + n_pairs + n_dense
        n_added = 0 if fusion is None else fusion.output_dim
        n_beside = n_added if config.fusion_entry == "concat" else 0
        self.bottom = TASK_LAYERS[config.layers](width + n_beside, config.bottom_dims, config.dropout)
        has_start = config.start == "rates"
        self.ctr_tower = task_tower(config.bottom_dims[-1], config.tower_dim, zero=has_start)
        self.cvr_tower = task_tower(config.bottom_dims[-1], config.tower_dim, zero=has_start)
        self.start = RateStart(n_dense) if has_start else None
        self.beside: BesideHost | None = None
        if config.fusion_entry == "beside":
            self.beside = BesideHost(
                config.layers,
                width=width,
                n_added=n_added,
                dims=config.bottom_dims,
                tower_dim=config.tower_dim,
                dropout=config.dropout,
            )
        self.residual: LogitResidual | None = None
        if fusion is not None and config.fusion_entry == "widened":
            widen_first_layers(self.bottom, width, n_added)
        if fusion is not None and config.fusion_entry == "logit":
            self.residual = LogitResidual(n_added, 2)

    @staticmethod
    def host_dim(n_codes: dict[str, int], config: RankerConfig) -> int:
        """Width of the ranker's own embeddings side by side, which fusions with `needs_host` are given."""
        return (len(n_codes) + config.has_history) * config.embedding_dim

    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """Score B rows."""
        embedded = self.embeddings(sparse)
        # by name: a sharded collection gives its features in another order on another number of processes
        of_features = [embedded[name] for name in self.feature_names]
        fused = None if self.fusion is None or self.fusion.needs_host else self.fusion(sparse)
        if self.sequences is not None and self.history is not None:
            _need_history(sparse, self.config.has_converted_history)
            of_items = self.sequences(sparse)
            target_BE, history = of_items[ITEM_ID].values(), of_items[HISTORY_ITEM]
            is_known = sparse[HISTORY_ITEM].values() > UNKNOWN
            flags = sparse[CONVERTED_FEATURE].values() if self.config.has_converted_history else None
            of_history_BE = self.history(
                history.values(),
                history.lengths(),
                target_BE,
                is_known,
                flags,
                self._by_content(sparse, history, fused),
            )
            of_features = [*of_features, target_BE, of_history_BE]
        embedded_BN = torch.cat(of_features, dim=1)
        if self.fusion is not None and self.fusion.needs_host:
            fused = self.fusion(sparse, embedded_BN if self.beside is None else embedded_BN.detach())
        host_BW = torch.cat([embedded_BN, self._pairwise_products(embedded_BN), dense], dim=1)
        start_B2 = None if self.start is None else self.start(dense)
        is_apart = self.beside is not None or self.residual is not None
        features = host_BW if fused is None or is_apart else torch.cat([host_BW, fused.features], dim=1)
        click_BS, conversion_BS = self.bottom(features)
        ctr_B, cvr_B = self.ctr_tower(click_BS)[:, 0], self.cvr_tower(conversion_BS)[:, 0]
        host = None
        if fused is not None and self.residual is not None:
            delta_B2 = self.residual(fused.features)
            ctr_B, cvr_B = ctr_B + delta_B2[:, 0], cvr_B + delta_B2[:, 1]
        if self.beside is not None:
            host = Scores(*self._from_start(start_B2, ctr_B, cvr_B), None)
            delta_B2 = self.beside(host_BW.detach(), fused)
            ctr_B, cvr_B = ctr_B.detach() + delta_B2[:, 0], cvr_B.detach() + delta_B2[:, 1]
        return Scores(*self._from_start(start_B2, ctr_B, cvr_B), fused, host)

    def _from_start(self, start_B2: Tensor | None, ctr_B: Tensor, cvr_B: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the network -> logits beyond the start, of which a share is taken (`settle`)."""
        if self.start is None or start_B2 is None:
            return ctr_B, cvr_B
        if not self.training:
            ctr_B, cvr_B = ctr_B * self.start.shares[0], cvr_B * self.start.shares[1]
        return ctr_B + start_B2[:, 0], cvr_B + start_B2[:, 1]

    def _by_content(
        self, sparse: KeyedJaggedTensor, history: JaggedTensor, fused: FusionOutput | None
    ) -> tuple[Tensor, Tensor] | None:
        """What the slots add to the weights of the history's items, where the attention reads them."""
        if self.history is None or self.history.content is None or self.fusion is None:
            return None
        if fused is None or fused.slots is None or self.fusion.config.history_feature is None:
            return None
        of_plugin = sparse[self.fusion.config.history_feature].lengths()
        return self.history.content(fused.slots, history.values(), history.lengths(), of_plugin)

    def start_from(self, rows: EncodedRows, valid: EncodedRows, *, newness_rate: float, seed: int) -> bool:
        """Fit the start, where there is one (`RankerConfig.start`)."""
        if self.start is None:
            return False
        self.start.fit(rows, valid, newness_rate=newness_rate, seed=seed)
        return True

    def settle(self, rows: EncodedRows, score: Callable[[], pd.DataFrame]) -> None:
        """Choose the share of the network that is taken beside the start, where there is one."""
        if self.start is not None:
            self.start.shares.fill_(1.0)
            self.start.choose_shares(rows, score())

    def _pairwise_products(self, embedded_BN: Tensor) -> Tensor:
        """Inner products of every two features' embeddings, as in DLRM (arXiv 1906.00091)."""
        embedded_BFE = embedded_BN.reshape(-1, self.n_features, self.config.embedding_dim)
        products_BFF = torch.bmm(embedded_BFE, embedded_BFE.transpose(1, 2))
        return products_BFF[:, self.pair[0], self.pair[1]]


def _content_weights(config: RankerConfig, fusion: LearnFeatureFusion | None) -> ContentWeights | None:
    if fusion is None or config.history_scores == "ids":
        return None
    if config.history not in ("din", "sim"):
        raise ValueError(
            f'history_scores: expected "ids" beside history={config.history!r}, which has no attention, got '
            f'{config.history_scores!r}. Remedy: history="din" or "sim".'
        )
    own = fusion.config
    if fusion.needs_host or own.history_feature is None or own.searched_block is not None:
        why = "has no history_feature" if own.history_feature is None else "searches long histories"
        why = "wants the host's embeddings first" if fusion.needs_host else why
        raise ValueError(
            "history_scores: expected a fusion whose slots are the newest items, known before the host "
            f"attends, got {type(fusion).__name__}, which {why}. Remedy: "
            'history_scores="ids", or another fusion.'
        )
    return ContentWeights(fusion.item_vectors.blocks, config.embedding_dim)


def _need_history(sparse: KeyedJaggedTensor, has_conversions: bool) -> None:
    if isinstance(sparse, torch.fx.Proxy):
        return
    names, needed = list(sparse.keys()), [HISTORY_ITEM, CONVERTED_FEATURE][: 1 + has_conversions]
    if not set(needed) <= set(names):
        raise ValueError(
            f"sparse: expected the features {needed} for a ranker with a history, got {names}. Remedy: "
            'encode_dataset(has_item_history=True), or RankerConfig(history="none").'
        )
