"""`LearnFeatureFusion`: frozen user and item embeddings fused into an existing ranker (LEARN, section 3.4).

B rows, D dimensions of a frozen vector, H history items, F dimensions of the fusion embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.auxiliary import AUXILIARY_TASKS, auxiliary_loss
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.inputs import (
    all_items,
    check_pair,
    check_searched,
    fill_missing,
    keep_in_graph,
    parts_of,
    recent_items,
    select_blocks,
    unit_variance,
)
from learn_rank.fusion.pooled import PooledHistory
from learn_rank.fusion.row_ids import feature_of, flags_of_history, only_given, row_ids
from learn_rank.fusion.semantic_codes import SemanticCodes
from learn_rank.fusion.similarity import compared_blocks, cosine_features, cosine_of_user, similarity_names
from learn_rank.fusion.slots import HistorySlots
from learn_rank.fusion.user_runs import UserRuns, fused_runs, to_rows, user_runs

if TYPE_CHECKING:
    from torchrec import KeyedJaggedTensor  # joining vectors reads this package where torchrec is not

torch.fx.wrap("recent_items")
torch.fx.wrap("all_items")
torch.fx.wrap("feature_of")  # these four look at the data
torch.fx.wrap("flags_of_history")
torch.fx.wrap("only_given")
torch.fx.wrap("row_ids")
torch.fx.wrap("fill_missing")  # it looks at the data
torch.fx.wrap("keep_in_graph")  # it asks whether gradients are on
torch.fx.wrap("compared_blocks")  # so does that
torch.fx.wrap("cosine_features")  # it branches on shapes, which torch.fx cannot trace


class FusionOutput(NamedTuple):
    """What the plugin hands to its host.

    Attributes:
        features: (B, `LearnFeatureFusion.output_dim`) to concatenate with the host's own features:
            ``concat[fusion, (user, item,) similarities, has_user, has_item(, pooled)]``.
        fusion: (B, F) the fusion embedding alone.
        auxiliary_logit: (B,) of the head that supervises the fusion; (B, 2) for the task "both", conversion
            and click; dropped at export.
        has_user: (B,) bool, the user had a vector.
        has_item: (B,) bool, the item had a vector.
        slots: the history item by item, for a host's own attention (`learn_rank.fusion.slots`); None without
            a ``history_feature``.
    """

    features: Tensor
    fusion: Tensor
    auxiliary_logit: Tensor
    has_user: Tensor
    has_item: Tensor
    slots: HistorySlots | None = None

    @property
    def columns(self) -> dict[str, Tensor]:
        """Name -> tensor with a row for each row: all but the slots."""
        return {name: value for name, value in self._asdict().items() if name != "slots"}


class LearnFeatureFusion(nn.Module):
    """Frozen embeddings in, features for any ranker and an auxiliary CVR logit out.

    Subclass it and override a hook: `fuse` (how the sides become the fusion embedding), `join` (how it meets
    the host's own embeddings), `auxiliary_logit` (what supervises it) or `auxiliary_loss` (on which labels).
    Everything else stays. `learn_rank.fusion.kinds` holds ready ones.

    Args:
        user_vectors: frozen table of user (or user-context) vectors.
        item_vectors: frozen table of item vectors, same dimension and blocks.
        config: widths, feature names, auxiliary loss.

    Raises:
        ValueError: the tables differ in dimension or blocks, are of stores of different origin, or have no
            block that the config names.

    Source: LEARN (arXiv 2405.03988), section 3.4 and figure 5: two linear layers, one per side, then an MLP,
    supervised by an auxiliary CVR loss. Similarity features: SimTier (arXiv 2407.19467).
    """

    needs_host = False  # whether `forward` wants the host's embeddings as well, for `join`

    def __init__(
        self,
        user_vectors: FrozenEmbedding,
        item_vectors: FrozenEmbedding,
        config: FusionConfig = FusionConfig(),  # noqa: B008
    ) -> None:
        super().__init__()
        check_pair(user_vectors, item_vectors)
        check_searched(item_vectors.blocks, config.searched_block)
        self.config = config
        self.projected = parts_of(item_vectors.blocks, config.projected_blocks)
        self.user_vectors = user_vectors
        self.item_vectors = item_vectors
        dimension = self.vector_dim
        self.user_fallback = nn.Parameter(torch.zeros(dimension))
        self.item_fallback = nn.Parameter(torch.zeros(dimension))
        self.user_projection = nn.Linear(dimension, config.projection_dim)
        self.item_projection = nn.Linear(dimension, config.projection_dim)
        per_block = similarity_names(
            has_history=config.history_feature is not None,
            has_conversions=config.converted_feature is not None,
            has_histogram=config.has_histogram,
        )
        self.n_similarities = len(item_vectors.blocks) * len(per_block)
        self.mlp = nn.Sequential(
            nn.Linear(3 * config.projection_dim + self.n_similarities + 2, config.hidden_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_dim, config.fusion_dim),
            nn.ReLU(),
        )
        blocks, pooled_dim = item_vectors.blocks, config.pooled_dim
        self.pooled = None if pooled_dim is None else PooledHistory(blocks, self.projected, pooled_dim)
        shape = config.code_levels, config.codes_per_level, config.code_dim
        self.codes = SemanticCodes(self.projected, *shape) if config.code_levels else None
        self.auxiliary_head = nn.Linear(config.fusion_dim, len(AUXILIARY_TASKS[config.auxiliary_task]))

    @property
    def vector_dim(self) -> int:
        """D of the vectors that `fuse` is given: all blocks, or `FusionConfig.projected_blocks`."""
        return sum(stop - start for start, stop in self.projected)

    @property
    def output_dim(self) -> int:
        """Width of `FusionOutput.features`."""
        vectors = 2 * self.vector_dim if self.config.passes_vectors else 0
        pooled = 0 if self.pooled is None else self.pooled.output_dim
        codes = 0 if self.codes is None else self.codes.output_dim
        return self.config.fusion_dim + vectors + self.n_similarities + 2 + pooled + codes

    def fit_codes(self, item_ids: Tensor) -> None:
        """Fit the codes of `FusionConfig.code_levels`, where there are any; before the first step.

        Args:
            item_ids: (N,) int64 ids of the items of the training rows, repeated or not.

        Raises:
            ValueError: fewer items with a vector than codes.
        """
        if self.codes is not None:
            self.codes.fit(self.item_vectors, torch.unique(item_ids))

    def forward(self, features: KeyedJaggedTensor, host: Tensor | None = None) -> FusionOutput:
        """Look up, fuse, supervise.

        Args:
            features: holds `FusionConfig`'s features with int64 ids (`learn_recall.store.id_keys` for
                strings); one user and one item id a row. A row without one has none: no vector, whose place
                the fallback takes. Ids of other tables may stand beside them.
                Where they are a mapping (an exported program), the user and the history may have one row for
                all items: the candidates of one request.
            host: (B, N) the host's own embeddings, for fusions that join them (`needs_host`).

        Raises:
            ValueError: a feature is absent, a row has several users or items, or another number of
                conversions than history items.
        """
        config, blocks = self.config, self.item_vectors.blocks
        user_ids, is_given = row_ids(features, config.user_feature)
        item_ids, is_given_B = row_ids(features, config.item_feature)
        runs = user_runs(user_ids, item_ids.shape[0], is_given)  # R users; without runs one for each row
        user_ids = user_ids.expand_as(item_ids) if runs is None else runs.distinct(user_ids)
        is_given = is_given.expand_as(item_ids) if runs is None else runs.distinct(is_given)
        user_RD, has_user_R = self.user_vectors(user_ids)
        user_RD, has_user_R = only_given(user_RD, has_user_R, is_given)
        item_BD, has_item_B = self.item_vectors(item_ids)
        item_BD, has_item_B = only_given(item_BD, has_item_B, is_given_B)
        has_user_B = to_rows(has_user_R, runs)
        coded = [] if self.codes is None else [self.codes(item_BD, has_item_B)]
        # a known user with a block left out (`is_learned`) has nothing to compare the item's block with
        item_BD = compared_blocks(item_BD, user_RD, has_user_R, blocks, runs)
        of_user_BK = cosine_of_user(user_RD, item_BD, blocks, runs)
        slots = self._slots(features, item_BD, has_item_B)
        similarity_BS = self._similarity(features, of_user_BK, item_BD, has_user_B & has_item_B, slots)
        user_RD, item_BD = (unit_variance(select_blocks(side, self.projected)) for side in (user_RD, item_BD))
        user_RD = fill_missing(user_RD, has_user_R, self.user_fallback)
        item_BD = fill_missing(item_BD, has_item_B, self.item_fallback)
        presence_B2 = torch.stack([has_user_B, has_item_B], dim=1).to(item_BD.dtype)

        fusion_BF = self._fused(user_RD, item_BD, torch.cat([similarity_BS, presence_B2], dim=1), runs)
        fusion_BF = keep_in_graph(fusion_BF, self.user_fallback, self.item_fallback)
        if host is not None:
            fusion_BF = self.join(fusion_BF, host)
        auxiliary_B = self.auxiliary_logit(fusion_BF)
        handed_BF = fusion_BF.detach() if config.stops_gradient else fusion_BF
        vectors = [to_rows(user_RD, runs), item_BD] if config.passes_vectors else []
        pooled = [] if self.pooled is None or slots is None else [self.pooled(slots, self.item_vectors)]
        out = torch.cat([handed_BF, *vectors, similarity_BS, presence_B2, *pooled, *coded], dim=1)
        return FusionOutput(out, fusion_BF, auxiliary_B, has_user_B, has_item_B, slots)

    def fuse(self, user: Tensor, item: Tensor, evidence: Tensor) -> Tensor:
        """Hook: (B, D) user, (B, D) item and (B, S) similarities and presence -> (B, F) fusion embedding."""
        user_BP, item_BP = self.user_projection(user), self.item_projection(item)
        return self.mlp(torch.cat([user_BP, item_BP, user_BP * item_BP, evidence], dim=1))

    def join(self, fusion: Tensor, host: Tensor) -> Tensor:
        """Hook: (B, F) fusion embedding and (B, N) the host's embeddings -> (B, F); here the first alone."""
        return fusion

    def auxiliary_logit(self, fusion: Tensor) -> Tensor:
        """Hook: (B, F) fusion embedding -> (B,) logit of the auxiliary task, (B, 2) of both tasks."""
        logit_BK = self.auxiliary_head(fusion)
        return logit_BK if self.config.auxiliary_task == "both" else logit_BK[:, 0]

    def auxiliary_loss(self, output: FusionOutput, click: Tensor, conversion: Tensor) -> Tensor:
        """Hook: the auxiliary loss, already weighted; add it to the ranking loss.

        Args:
            output: of `forward`.
            click: (B,) 0 or 1.
            conversion: (B,) 0 or 1; anything, NaN included, where not clicked.
        """
        config = self.config
        loss = auxiliary_loss(
            output.auxiliary_logit,
            click,
            conversion,
            task=config.auxiliary_task,
            space=config.auxiliary_space,
        )
        return config.auxiliary_weight * loss

    def _fused(self, user_RD: Tensor, item_BD: Tensor, evidence_BS: Tensor, runs: UserRuns | None) -> Tensor:
        if runs is None or not self._fuses_by_default():
            return self.fuse(to_rows(user_RD, runs), item_BD, evidence_BS)
        layers = self.user_projection, self.item_projection, self.mlp
        return fused_runs(*layers, user_RD, item_BD, evidence_BS, runs)

    def _fuses_by_default(self) -> bool:
        """Whether `fuse`, of the class and of this one module, is the one that `fused_runs` takes apart."""
        is_ours = getattr(self.fuse, "__func__", None) is LearnFeatureFusion.fuse
        return is_ours and type(self.mlp) is nn.Sequential and type(self.mlp[0]) is nn.Linear

    def _slots(self, features: KeyedJaggedTensor, item_BD: Tensor, has_item_B: Tensor) -> HistorySlots | None:
        if self.config.history_feature is None:
            return None
        config, history = self.config, feature_of(features, self.config.history_feature)
        values, lengths = history.values(), history.lengths()
        if config.searched_block is not None:
            keys_BL, has_BL = all_items(values, lengths, config.searched_length, config.history_length)
            found = self.item_vectors.nearest(
                keys_BL, has_BL, item_BD, config.searched_block, config.history_length
            )
            is_compared_BH = found.has_vector & has_item_B[:, None]
            return HistorySlots(found.ids, found.has_id, found.cosine, is_compared_BH, found.place)
        keys_BH, has_slot_BH = recent_items(values, lengths, config.history_length)
        cosine_BKH, has_vector_BH = self.item_vectors.cosines(keys_BH, has_slot_BH, item_BD)
        return HistorySlots(keys_BH, has_slot_BH, cosine_BKH, has_vector_BH & has_item_B[:, None])

    def _similarity(
        self,
        features: KeyedJaggedTensor,
        of_user_BK: Tensor,
        item_BD: Tensor,
        has_both_B: Tensor,
        slots: HistorySlots | None,
    ) -> Tensor:
        config = self.config
        if slots is None or config.history_feature is None:
            return cosine_features(of_user_BK, item_BD, has_both_B, self.item_vectors.blocks)
        has_converted_BH = None
        if config.converted_feature is not None:
            history = feature_of(features, config.history_feature)
            flags = flags_of_history(features, config.converted_feature, history)
            if slots.place is None:
                flags_BH, _ = recent_items(flags, history.lengths(), config.history_length)
            else:
                length, n_kept = config.searched_length, config.history_length
                flags_BL, _ = all_items(flags, history.lengths(), length, n_kept)
                flags_BH = flags_BL.expand(slots.place.shape[0], -1).gather(1, slots.place)
            has_converted_BH = flags_BH > 0
        return cosine_features(
            of_user_BK,
            item_BD,
            has_both_B,
            self.item_vectors.blocks,
            slots.cosine,
            slots.is_compared,
            has_converted_BH,
            has_histogram=config.has_histogram,
        )
