"""`Ranker`: what training, the engine and the judgement ask of a ranker, ours or a team's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import pandas as pd
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.scores import LOSS_KINDS, Scores, ranking_loss


class Ranker(nn.Module, ABC):
    """A ranker with or without the plugin; yours is a subclass with a `forward`.

    torchrec's own models need no subclass, `HostRanker` takes them as they are.

    Args:
        kind: of the ranking loss (`learn_rank.rankers.scores.ranking_loss`): "esmm", "shared_bottom" or
            "ctr".
        fusion: the plugin, whose auxiliary loss is added to the ranking loss; None is the baseline.

    Raises:
        ValueError: an unknown kind.
    """

    fusion: LearnFeatureFusion | None

    def __init__(self, kind: str = "esmm", fusion: LearnFeatureFusion | None = None) -> None:
        super().__init__()
        if kind not in LOSS_KINDS:
            raise ValueError(f"kind: expected one of {list(LOSS_KINDS)}, got {kind!r}.")
        self.kind = kind
        self.fusion = fusion

    @abstractmethod
    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """Score B rows.

        Args:
            sparse: codes of the host's categorical features, and the plugin's ids.
            dense: (B, n_dense) float32.
        """

    def start_from(self, rows: EncodedRows, valid: EncodedRows, *, newness_rate: float, seed: int) -> bool:
        """Set, before the first step, what the ranker says without any; called once, with the training rows.

        Args:
            rows: of training.
            valid: of validation.
            newness_rate: share of rows whose item training makes new.
            seed: of the training.

        Returns:
            Whether what it says now is a candidate, to be held against every epoch on validation. False of a
            ranker that begins at random, as this one does.
        """
        return False

    def settle(self, rows: EncodedRows, score: Callable[[], pd.DataFrame]) -> None:
        """Set, after an epoch, what validation chooses; nothing of this ranker.

        Args:
            rows: of validation.
            score: the rows' scores by the ranker as it is.
        """

    def loss(self, scores: Scores, batch: Batch) -> Tensor:
        """Ranking loss of the tasks, of the host alone where it has one, and the plugin's auxiliary loss."""
        ranking = ranking_loss(scores, batch.click, batch.conversion, kind=self.kind)
        if scores.host is not None:
            ranking = ranking + ranking_loss(scores.host, batch.click, batch.conversion, kind=self.kind)
        if self.fusion is None or scores.fusion is None:
            return ranking
        return ranking + self.fusion.auxiliary_loss(scores.fusion, batch.click, batch.conversion)
