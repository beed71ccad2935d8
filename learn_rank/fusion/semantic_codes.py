"""Codes of what an item says, as trainable ids: items that say alike share them, new ones from the first day.

B rows, N items, L levels, K centres a level, C dimensions of what is coded, P width of an embedding.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.rows import may_look_at
from learn_rank.fusion.inputs import select_blocks

MOST_ROWS = 1 << 14
"""Rows of one table; the prefixes of a level that could have more are hashed into them."""
MOST_FITTED = 100_000
"""Items that the centres are fitted on, evenly taken."""
_MIX = 2_654_435_761  # Knuth's multiplicative hash

torch.fx.wrap("check_fitted")  # it looks at the data


class SemanticCodes(nn.Module):
    """Residual k-means of the frozen text, its prefixes as ids with embeddings of their own.

    Definition: the first code of a vector x is the nearest of K centres, the second that of what the first
    centre leaves of x, and so on; number l of the L ids is the prefix of the first l codes. What is handed on
    are their embeddings side by side, which begin at zero: a prefix that training never had stays there, and
    an item without a vector has zeros. The centres are fitted once, by `fit`, and then kept with the weights.

    Args:
        parts: ``(start, stop)`` of a vector that are coded, as `LearnFeatureFusion.projected`.
        n_levels: L; n_centres: K.
        dim: P.

    Attributes:
        output_dim: L x P, the width of what `forward` gives.

    Source: QARM (arXiv 2411.11739), quantitative codes of item representations; prefixes as ids: arXiv
    2504.02137.
    """

    centres: Tensor

    def __init__(self, parts: tuple[tuple[int, int], ...], n_levels: int, n_centres: int, dim: int) -> None:
        super().__init__()
        self.parts = parts
        width = sum(stop - start for start, stop in parts)
        self.register_buffer("centres", torch.zeros(n_levels, n_centres, width))
        self.sizes = [min(n_centres ** (level + 1), MOST_ROWS) for level in range(n_levels)]
        self.tables = nn.ModuleList(
            nn.Embedding(size, dim, _weight=torch.zeros(size, dim)) for size in self.sizes
        )
        self.output_dim = n_levels * dim

    def fit(self, vectors: FrozenEmbedding, item_ids: Tensor) -> None:
        """Fit the centres on items that training knows.

        Args:
            vectors: the table of items.
            item_ids: (N,) int64 distinct ids; those without a vector are left out.

        Raises:
            ValueError: fewer items with a vector than centres.
        """
        from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to load, and only here
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

        n_levels, n_centres, _ = self.centres.shape
        taken = torch.linspace(0, len(item_ids) - 1, min(len(item_ids), MOST_FITTED)).long()
        found, has_vector = vectors(item_ids[taken])
        left = select_blocks(found[has_vector], self.parts).double().cpu()
        if len(left) < n_centres:
            raise ValueError(
                f"codes_per_level: expected at most as many as training items with a vector, {len(left)}, "
                f"got {n_centres}. Remedy: fewer codes, or code_levels=0."
            )
        for level in range(n_levels):
            with warnings.catch_warnings():  # fewer distinct rests than centres: some are never the nearest
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = KMeans(n_centres, n_init=1, random_state=level, max_iter=50).fit(left.numpy())
            centres = torch.from_numpy(fitted.cluster_centers_)
            self.centres[level] = centres
            left = left - centres[_nearest(left, centres)]

    def ids(self, vectors: Tensor) -> list[Tensor]:
        """(B, D) frozen vectors -> of each level the (B,) rows of its table."""
        check_fitted(self.centres)
        left = select_blocks(vectors, self.parts)
        prefix, found = vectors.new_zeros(vectors.shape[0], dtype=torch.int64), []
        for size, centres in zip(self.sizes, self.centres, strict=True):
            code = _nearest(left, centres)
            prefix = prefix * self.centres.shape[1] + code
            found.append(prefix if size < MOST_ROWS else prefix * _MIX % (1 << 32) % size)
            left = left - centres[code]
        return found

    def forward(self, vectors: Tensor, has_vector: Tensor) -> Tensor:
        """(B, D) frozen vectors, (B,) bool -> (B, L P)."""
        pairs = zip(self.tables, self.ids(vectors), strict=True)
        return torch.cat([table(rows) for table, rows in pairs], dim=1) * has_vector[:, None]


def _nearest(vectors: Tensor, centres: Tensor) -> Tensor:
    """(B, C), (K, C) -> (B,) the nearest centre; the length of the vector is the same for all centres."""
    return (vectors @ centres.T - centres.square().sum(1) / 2).argmax(1)


def check_fitted(centres: Tensor) -> None:
    """Refuse centres that are all zero: every item would have the same code, and nobody would notice.

    Raises:
        ValueError: they were neither fitted nor loaded.
    """
    if may_look_at(centres) and not bool(centres.any()):
        raise ValueError(
            "code_levels: expected codes that were fitted, got none. Remedy: fusion.fit_codes(ids of the "
            "training rows' items) before the first step, as train_ranker does, or load trained weights."
        )
