"""From token states to one vector per text: masked mean, last token, first token, the second of two copies.

B texts, L token places, C components. `has_token` is True at real tokens, whatever the side of the padding.
States at padding may be anything, NaN included: they never enter.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def mean_pool(hidden: Tensor, has_token: Tensor) -> Tensor:
    """Average the states of the real tokens, accumulated in float32.

    Definition: `sum_l has_token[b, l] * hidden[b, l] / sum_l has_token[b, l]`, zeros for a text
    without tokens.

    Args:
        hidden: (B, L, C) last hidden states, any float dtype.
        has_token: (B, L) bool.

    Returns:
        (B, C) float32.

    Source: LEARN (arXiv 2405.03988), content extraction: "average pooling" of the last decoder layer.
    """
    real = torch.where(has_token[..., None], hidden.float(), 0.0)  # not a product: NaN * 0 is NaN
    return real.sum(dim=1) / has_token.sum(dim=1, keepdim=True).clamp(min=1)


def last_pool(hidden: Tensor, has_token: Tensor) -> Tensor:
    """Take the state of the last real token, as decoder-only embedding models do; shapes as `mean_pool`."""
    places = torch.arange(hidden.shape[1], device=hidden.device)
    return _state_at(hidden, has_token, (has_token * places).argmax(dim=1))


def cls_pool(hidden: Tensor, has_token: Tensor) -> Tensor:
    """Take the state of the first real token, [CLS] in BERT-like models; shapes as `mean_pool`."""
    return _state_at(hidden, has_token, has_token.int().argmax(dim=1))


def echo_pool(hidden: Tensor, has_token: Tensor, n_apart: int) -> Tensor:
    """Average the states of a text's second copy, which has seen the whole text; shapes as `mean_pool`.

    Definition: a row is a beginning, the text, a separator, and the text again; the mean is over its last
    `(n - n_apart) / 2` real tokens, n how many it has.

    Args:
        hidden: (B, L, C) states.
        has_token: (B, L) bool.
        n_apart: tokens of the beginning and the separator.

    Source: Repetition Improves Language Model Embeddings (arXiv 2402.15449), echo embeddings.
    """
    n_tokens_B1 = has_token.sum(dim=1, keepdim=True)
    n_first_B1 = n_tokens_B1 - (n_tokens_B1 - n_apart).clamp(min=0) // 2
    return mean_pool(hidden, has_token & (has_token.cumsum(dim=1) > n_first_B1))


def _state_at(hidden: Tensor, has_token: Tensor, place: Tensor) -> Tensor:
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    return torch.where(has_token.any(dim=1, keepdim=True), hidden[rows, place].float(), 0.0)


ECHO = "echo"
POOLERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": mean_pool,
    "last": last_pool,
    "cls": cls_pool,
}

__all__ = ["ECHO", "POOLERS", "cls_pool", "echo_pool", "last_pool", "mean_pool"]
