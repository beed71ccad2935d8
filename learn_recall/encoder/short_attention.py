"""Attention of short texts on a CPU as two batched products and a softmax.

The fused CPU kernel spends most of its time per row of scores where a text has a few dozen tokens. Longer
texts and other devices go to transformers' own `sdpa` path, unchanged.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "learn_recall_short"
_VECTOR = 16  # float32 numbers that an AVX-512 register holds
_MAX_TOKENS = 128  # measured: 48 tokens take 6 tenths of the fused kernel's time, 128 nine tenths, 192 more


def use_short_attention(model: Any) -> None:
    """Let a model that uses transformers' `sdpa` attention use this one; any other model is left as it is."""
    if getattr(model.config, "_attn_implementation", None) == "sdpa" and model._can_set_attn_implementation():
        model.set_attn_implementation(_NAME)


def short_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend as `sdpa_attention_forward` of transformers does, with the same arguments and result.

    Args:
        module: the attention layer; its `is_causal` counts where the option is not given.
        query, key, value: (B, heads, L, d); key and value may have fewer heads (grouped queries).
        attention_mask: (B, 1, L, L) bool, True where a token is seen; None where all are real.
        scaling: factor of the scores; None is d ** -0.5.
        options: what else transformers passes on.

    Returns:
        (B, L, heads, d), and None in place of the weights.
    """
    n_texts, n_heads, length, width = query.shape
    is_plain = options.get("position_bias") is None and options.get("softcap") is None
    is_square = length == key.shape[2] and (attention_mask is None or attention_mask.dtype == torch.bool)
    if not is_plain or not is_square or length > _MAX_TOKENS or query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    n_groups = n_heads // key.shape[1]
    if n_groups > 1:
        key, value = (each.repeat_interleave(n_groups, dim=1) for each in (key, value))
    query, key, value = (each.reshape(n_texts * n_heads, length, -1) for each in (query, key, value))
    score = torch.bmm(query, key.transpose(1, 2)).float().mul_(width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        hidden = torch.where(attention_mask, 0.0, torch.finfo(torch.float32).min)  # finite: no row is NaN
        score.view(n_texts, n_heads, length, length).add_(hidden)
    else:
        is_causal = options.get("is_causal")
        if getattr(module, "is_causal", True) if is_causal is None else is_causal:
            score += torch.full((length, length), -torch.inf).triu_(1)
    attended = torch.bmm(_softmax(score).to(value.dtype), value).reshape(n_texts, n_heads, length, -1)
    return attended.transpose(1, 2).contiguous(), None


def _softmax(score: Tensor) -> Tensor:
    """The softmax over the last dimension; torch's takes one number at a time where it has under 16."""
    if score.shape[-1] >= _VECTOR:
        return torch.softmax(score, dim=-1)
    weight = score.sub_(score.amax(dim=-1, keepdim=True)).exp_()
    return weight.div_(weight.sum(dim=-1, keepdim=True))


AttentionInterface.register(_NAME, short_attention)
AttentionMaskInterface.register(_NAME, sdpa_mask)

__all__ = ["short_attention", "use_short_attention"]
