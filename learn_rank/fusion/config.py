"""`FusionConfig`: the choices of the fusion that the paper leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from learn_rank.fusion.auxiliary import AUXILIARY_TASKS


@dataclass(frozen=True)
class FusionConfig:
    """Choices of the fusion that the paper leaves open; docs/decisions/fusion.md gives the reasons.

    Attributes:
        user_feature: key of the `KeyedJaggedTensor` with one user (or user-context) id a row.
        item_feature: key with one item id a row.
        history_feature: key with the user's recent item ids, oldest first; None leaves the similarity out.
        history_length: at most that many of the most recent history items are compared.
        searched_block: number of the block by whose cosine a history that is longer is searched: the
            ``history_length`` items nearest to the target are compared, not the newest (SIM,
            arXiv 2006.05639, here by content). None compares the newest.
        searched_length: at most that many of the newest items are searched.
        converted_feature: key with 0 or 1 for each value of ``history_feature``: the user converted on that
            item. Likeness to those items is what tells a conversion from a click. None = not known.
        has_histogram: also the histogram of the similarities (SimTier); the nearest items and the mean alone
            validated better.
        pooled_dim: the history pooled by content is handed on as well (`learn_rank.fusion.pooled`): a
            similarity a block and a projection of that width, 0 for the similarities alone; None = neither.
        code_levels: codes of the item's text as trainable ids (`learn_rank.fusion.semantic_codes`), that many
            levels; 0 leaves them out. `LearnFeatureFusion.fit_codes` before the first step.
        codes_per_level: centres of each level.
        code_dim: width of the embedding of each level.
        projected_blocks: numbers of the blocks that the linear layers and `passes_vectors` read; None = all.
            The similarities compare every block in any case. A block that was itself learned from clicks is
            best compared only: through a linear layer the ranker overfits to it.
        projection_dim: width of the linear layer of each side.
        hidden_dim: width of the MLP.
        fusion_dim: F, width of the fusion embedding.
        dropout: inside the MLP.
        auxiliary_weight: factor of the auxiliary loss; 0 trains the fusion by the ranking loss alone.
        auxiliary_task: "cvr", since the text is what the product page shows and so bears on conversion; "ctr"
            for inputs that drive clicks, and for data without conversions; "both": a logit and a loss each.
        auxiliary_space: rows that the auxiliary CVR loss sees: "clicked" or "all" impressions (CTR: all).
        passes_vectors: also hand the scaled user and item vector to the host, as the paper's concat does. Off
            by default: with some 10 k users the ranker overfits to those inputs.
        stops_gradient: the ranking loss does not flow back into the fusion module.
    """

    user_feature: str = "learn_user"
    item_feature: str = "learn_item"
    history_feature: str | None = "learn_history"
    history_length: int = 80
    searched_block: int | None = None
    searched_length: int = 5000
    converted_feature: str | None = None
    has_histogram: bool = False
    pooled_dim: int | None = None
    code_levels: int = 0
    codes_per_level: int = 64
    code_dim: int = 16
    projected_blocks: tuple[int, ...] | None = None
    projection_dim: int = 64
    hidden_dim: int = 128
    fusion_dim: int = 32
    dropout: float = 0.1
    auxiliary_weight: float = 0.2
    auxiliary_task: str = "cvr"
    auxiliary_space: str = "clicked"
    passes_vectors: bool = False
    stops_gradient: bool = False

    def __post_init__(self) -> None:
        for name in ("history_length", "searched_length", "projection_dim", "hidden_dim", "fusion_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}.")
        if self.code_levels < 0 or min(self.codes_per_level, self.code_dim) < 1:
            raise ValueError(
                "code_levels, codes_per_level, code_dim: expected at least 0, 1 and 1, got "
                f"{self.code_levels}, {self.codes_per_level}, {self.code_dim}."
            )
        if self.converted_feature is not None and self.history_feature is None:
            raise ValueError(
                f"converted_feature: expected None without a history_feature, got {self.converted_feature!r}."
            )
        if self.searched_block is not None and (self.searched_block < 0 or self.history_feature is None):
            raise ValueError(
                "searched_block: expected the number of a block and a history_feature with it, got "
                f"{self.searched_block} and {self.history_feature!r}. Remedy: None, or name the feature."
            )
        if self.pooled_dim is not None and (self.pooled_dim < 0 or self.history_feature is None):
            raise ValueError(
                f"pooled_dim: expected at least 0 and a history_feature with it, got {self.pooled_dim} and "
                f"{self.history_feature!r}. Remedy: None, or name the feature of the history."
            )
        if self.pooled_dim is not None and self.stops_gradient:
            raise ValueError(
                f"pooled_dim: expected None beside stops_gradient, which the ranking loss alone trains, got "
                f"{self.pooled_dim}. Remedy: leave one of them out."
            )
        if self.auxiliary_weight < 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                "auxiliary_weight must be at least 0 and dropout inside [0, 1), got "
                f"{self.auxiliary_weight} and {self.dropout}."
            )
        if self.auxiliary_task not in AUXILIARY_TASKS:
            raise ValueError(
                f"auxiliary_task: expected one of {list(AUXILIARY_TASKS)}, got {self.auxiliary_task!r}."
            )
        if self.auxiliary_space not in ("clicked", "all"):
            raise ValueError(f'auxiliary_space: expected "clicked" or "all", got {self.auxiliary_space!r}.')
