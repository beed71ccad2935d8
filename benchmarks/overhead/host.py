"""Hosts to measure the plugin in: production-shaped rankers of torchrec that share one set of id tables.

The plugin's features enter through a first layer, widened: of the dense arch, behind the host's dense ones,
as `learn_rank.rankers.host.HostRanker` has it, or of the MLP on top, beside the interactions.

B rows, E embedding dimension, F categorical features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
from torchrec.models.dlrm import (
    DenseArch,
    InteractionArch,
    InteractionDCNArch,
    OverArch,
    SparseArch,
)
from torchrec.modules.crossnet import LowRankCrossNet

from learn_rank import FrozenEmbedding, LearnFeatureFusion
from learn_rank.rankers.zero_start import widen_first_layers

N_DENSE, N_CATEGORICAL = 13, 26  # dense and categorical features of Criteo
BOTTOM = (512, 256)  # and then E
BLOCKS = ((0, 64), (64, 192))  # tower and frozen text, as `learn-recall export` writes them
ENTRIES = ("dense", "top")
CONTEXT = ("learn_user", "learn_item", "learn_history")


@dataclass(frozen=True)
class Shape:
    """What stands between the embeddings and the logit.

    Attributes:
        top: widths of the MLP on top.
        n_cross: layers of the low-rank cross network (DCN-V2); 0 = pairwise products (DLRM).
        cross_rank: of each cross layer.
        source: where the shape is from.
    """

    top: tuple[int, ...]
    n_cross: int = 0
    cross_rank: int = 512
    source: str = ""


SHAPES = {
    "dcn_v2": Shape((1024, 1024, 512, 256, 1), n_cross=3, source="MLPerf training since v3.0: DLRM-DCNv2"),
    "dlrm": Shape((1024, 1024, 512, 256, 1), source="MLPerf training until v2.1: DLRM"),
    "small": Shape((512, 512, 256, 1), source="the defaults of torchrec's DLRM example"),
}


class HostRows(NamedTuple):
    """One batch: the host's ids and dense features, the plugin's ids, clicks and conversions."""

    sparse: KeyedJaggedTensor
    dense: Tensor
    context: KeyedJaggedTensor
    click: Tensor
    conversion: Tensor


class Tables(nn.Module):
    """Id tables, shared by all hosts of a run and made by the engine."""

    def __init__(self, n_ids: int, embedding_dim: int) -> None:
        super().__init__()
        tables = [
            EmbeddingBagConfig(
                name=f"table_{name}", embedding_dim=embedding_dim, num_embeddings=n_ids, feature_names=[name]
            )
            for name in categorical_names()
        ]
        meta = torch.device("meta")
        self.sparse = SparseArch(EmbeddingBagCollection(tables=tables, device=meta))

    def forward(self, sparse: KeyedJaggedTensor) -> Tensor:
        """Ids -> (B, F, E)."""
        return self.sparse(sparse)


class Host(nn.Module):
    """The rest of a host, with the plugin or without; its features enter at `entry`, one of `ENTRIES`."""

    def __init__(
        self, shape: Shape, embedding_dim: int, fusion: LearnFeatureFusion | None, entry: str = "dense"
    ) -> None:
        super().__init__()
        self.dense = DenseArch(N_DENSE, [*BOTTOM, embedding_dim])
        if shape.n_cross:
            width = (N_CATEGORICAL + 1) * embedding_dim
            cross = LowRankCrossNet(width, shape.n_cross, shape.cross_rank)
            self.interaction: nn.Module = InteractionDCNArch(N_CATEGORICAL, cross)
        else:
            width = embedding_dim + (N_CATEGORICAL + 1) * N_CATEGORICAL // 2
            self.interaction = InteractionArch(N_CATEGORICAL)
        self.over = OverArch(width, list(shape.top))
        self.fusion, self.entry = fusion, entry
        if fusion is not None:
            layers, n_own = (self.dense, N_DENSE) if entry == "dense" else (self.over, width)
            widen_first_layers(layers, n_own, fusion.output_dim)

    def forward(self, embedded: Tensor, rows: HostRows) -> tuple[Tensor, Tensor | float]:
        """(B,) logits of the click and the auxiliary loss (0 in evaluation)."""
        if self.fusion is None:
            return self.over(self.interaction(self.dense(rows.dense), embedded))[:, 0], 0.0
        out = self.fusion(rows.context)
        if self.entry == "dense":
            dense = self.dense(torch.cat([rows.dense, out.features], dim=1))
            logit_B = self.over(self.interaction(dense, embedded))[:, 0]
        else:
            features = self.interaction(self.dense(rows.dense), embedded)
            logit_B = self.over(torch.cat([features, out.features], dim=1))[:, 0]
        if not self.training:
            return logit_B, 0.0
        return logit_B, self.fusion.auxiliary_loss(out, rows.click, rows.conversion)


def categorical_names() -> list[str]:
    """Names of the host's categorical features."""
    return [f"feature_{number}" for number in range(N_CATEGORICAL)]


def draw_rows(  # noqa: PLR0917 - sizes
    n_rows: int,
    n_ids: int,
    n_vectors: int,
    n_history: int,
    generator: torch.Generator,
    n_candidates: int = 1,
) -> HostRows:
    """A batch of ids uniform over their tables: the hardest case for every cache, the host's and ours.

    Of `n_candidates` rows that follow one another the user, the history and half of the host's features are
    the same: they are the candidates of one request.
    """

    def ids(n_columns: int, below: int, n_same: int = 1) -> Tensor:
        drawn = torch.randint(0, below, (n_columns, -(-n_rows // n_same)), generator=generator)
        return drawn.repeat_interleave(n_same, dim=1)[:, :n_rows]

    ones = torch.ones(N_CATEGORICAL * n_rows, dtype=torch.int64)
    n_shared = N_CATEGORICAL // 2
    own = [ids(n_shared, n_ids, n_candidates), ids(N_CATEGORICAL - n_shared, n_ids)]
    sparse = KeyedJaggedTensor(categorical_names(), torch.cat(own).reshape(-1), lengths=ones)
    user, item = ids(1, n_vectors, n_candidates), ids(1, n_vectors)
    history = ids(n_history, n_vectors, n_candidates).T.reshape(-1)
    context = KeyedJaggedTensor(
        list(CONTEXT),
        torch.cat([user[0], item[0], history]),
        lengths=torch.cat([ones[: 2 * n_rows], torch.full((n_rows,), n_history)]),
    )
    dense = torch.randn(n_rows, N_DENSE, generator=generator)
    click, conversion = (torch.rand(2, n_rows, generator=generator) < 0.1).float()
    return HostRows(sparse, dense, context, click, conversion)


def draw_vectors(n: int, generator: torch.Generator) -> Tensor:
    """(n, 192) float16, each block of length 1; a hundred thousand are drawn and repeated."""
    parts = [
        functional.normalize(torch.randn(min(n, 100_000), stop - start, generator=generator), dim=1)
        for start, stop in BLOCKS
    ]
    drawn = torch.cat(parts, dim=1).half()
    return drawn.repeat(-(-n // len(drawn)), 1)[:n]


def frozen_table(vectors: Tensor, dtype: str) -> FrozenEmbedding:
    """A table of ids 0, 1, ..."""
    return FrozenEmbedding(torch.arange(len(vectors)), vectors, blocks=BLOCKS, dtype=dtype)
