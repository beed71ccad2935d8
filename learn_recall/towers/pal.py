"""PAL, the preference alignment: content adaptor, causal transformer from scratch, projection to the shared
space.

B users, L positions, C content, H hidden, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learn_recall.towers.config import TowerConfig


class CausalBlock(nn.Module):
    """One transformer layer in which a position sees itself and earlier ones.

    Args:
        hidden, n_heads, feed_forward, dropout: as in `TowerConfig`; dropout acts on both residual branches.
        norm_first: LayerNorm before each branch instead of after each sum (BERT).
    """

    def __init__(self, hidden: int, n_heads: int, feed_forward: int, dropout: float, norm_first: bool):
        super().__init__()
        self.n_heads = n_heads
        self.norm_first = norm_first
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden)
        self.expand = nn.Linear(hidden, feed_forward)
        self.contract = nn.Linear(feed_forward, hidden)
        self.feed_forward_norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLH: Tensor) -> Tensor:
        """(B, L, H) -> (B, L, H)."""
        if self.norm_first:
            x_BLH = x_BLH + self._attend(self.attention_norm(x_BLH))
            return x_BLH + self._feed_forward(self.feed_forward_norm(x_BLH))
        x_BLH = self.attention_norm(x_BLH + self._attend(x_BLH))
        return self.feed_forward_norm(x_BLH + self._feed_forward(x_BLH))

    def _attend(self, x_BLH: Tensor) -> Tensor:
        n_rows, length, hidden = x_BLH.shape
        if length == 1:  # a softmax over one key is exactly 1: the output is the value
            value_BLH = F.linear(
                x_BLH, self.query_key_value.weight[2 * hidden :], self.query_key_value.bias[2 * hidden :]
            )
            return self.dropout(self.attention_output(value_BLH))
        heads_3BNLE = (
            self.query_key_value(x_BLH)
            .view(n_rows, length, 3, self.n_heads, hidden // self.n_heads)
            .permute(2, 0, 3, 1, 4)
        )
        query_BNLE, key_BNLE, value_BNLE = heads_3BNLE.unbind(0)
        mixed_BNLE = F.scaled_dot_product_attention(query_BNLE, key_BNLE, value_BNLE, is_causal=True)
        return self.dropout(self.attention_output(mixed_BNLE.transpose(1, 2).reshape(n_rows, length, hidden)))

    def _feed_forward(self, x_BLH: Tensor) -> Tensor:
        return self.dropout(self.contract(F.gelu(self.expand(x_BLH))))


class PreferenceAlignment(nn.Module):
    """PAL: adaptor Linear(C -> hidden), N causal layers, Linear(hidden -> D), L2-normalised at every
    position.

    Sequences are padded on the right. Because a position sees only earlier ones, padding never reaches a real
    position and no mask is needed; what stands at padded positions is meaningless and is the caller's to
    ignore.

    Args:
        content_dimension: C of the (whitened) content vectors.
        config: shape of the tower.
        output_dimension: D; None = ``config.dimension``.

    Source: LEARN (AAAI 2025), section "Preference Alignment". The paper does not state position embedding,
    order of
    norms or dropout: see docs/decisions/towers.md.
    """

    def __init__(self, content_dimension: int, config: TowerConfig, output_dimension: int | None = None):
        super().__init__()
        hidden = config.hidden
        feed_forward = 4 * hidden if config.feed_forward is None else config.feed_forward
        self.max_length = config.max_length
        self.adaptor: nn.Module
        if config.adaptor == "linear":
            self.adaptor = nn.Linear(content_dimension, hidden)
        else:
            self.adaptor = nn.Sequential(
                nn.Linear(content_dimension, hidden), nn.GELU(), nn.Linear(hidden, hidden)
            )
        self.position = (
            nn.Embedding(config.max_length, hidden) if config.position_embedding == "learned" else None
        )
        self.input_dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            CausalBlock(hidden, config.n_heads, feed_forward, config.dropout, config.norm_first)
            for _ in range(config.n_layers)
        )
        self.final_norm = nn.LayerNorm(hidden) if config.norm_first else nn.Identity()
        self.output = nn.Linear(hidden, config.dimension if output_dimension is None else output_dimension)
        self.apply(_initialise)

    def embed(self, content: Tensor) -> Tensor:
        """Content adaptor: (..., C) -> (..., hidden)."""
        return self.adaptor(content)

    def align(self, embedded: Tensor) -> Tensor:
        """Adapted items in sequence to unit vectors at every position: (B, L, hidden) -> (B, L, D).

        Raises:
            ValueError: L exceeds ``max_length``.
        """
        length = embedded.shape[1]
        if length > self.max_length:
            raise ValueError(
                f"sequence: expected at most max_length = {self.max_length} positions; got {length}"
            )
        x_BLH = embedded
        if self.position is not None:
            x_BLH = x_BLH + self.position.weight[:length]
        x_BLH = self.input_dropout(x_BLH)
        for block in self.blocks:
            x_BLH = block(x_BLH)
        return F.normalize(self.output(self.final_norm(x_BLH)), dim=-1)

    def forward(self, content: Tensor) -> Tensor:
        """Content vectors of sequences, right-padded, (B, L, C) -> unit user vectors at every position (B,
        L, D).
        """
        return self.align(self.embed(content))


def _initialise(module: nn.Module) -> None:
    """Weights as in BERT: normal with deviation 0.02, biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        torch.nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            torch.nn.init.zeros_(module.bias)
