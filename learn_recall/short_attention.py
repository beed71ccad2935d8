"""Attention of short texts on a CPU as two batched products and a softmax.

The fused CPU kernel spends most of its time per row of scores where a text has a few dozen tokens. Longer
texts, batches with padding and other devices go to transformers' own `sdpa` path, unchanged.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "learn_recall_short"
_MAX_TOKENS = 48  # measured: 36 tokens take half the fused kernel's time, 64 tokens half as much again


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
        module: The attention layer; its `is_causal` counts where the option is not given.
        query, key, value: (B, heads, L, d); key and value may have fewer heads (grouped queries).
        attention_mask: None where all tokens of all texts are real.
        scaling: Factor of the scores; None is d ** -0.5.
        options: What else transformers passes on.

    Returns:
        (B, L, heads, d), and None in place of the weights.
    """
    n_texts, n_heads, length, width = query.shape
    is_plain = options.get("position_bias") is None and options.get("softcap") is None
    is_short = length == key.shape[2] <= _MAX_TOKENS and query.device.type == "cpu"
    if attention_mask is not None or not is_plain or not is_short:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    n_groups = n_heads // key.shape[1]
    if n_groups > 1:
        key, value = (each.repeat_interleave(n_groups, dim=1) for each in (key, value))
    query, key, value = (each.reshape(n_texts * n_heads, length, -1) for each in (query, key, value))
    score = torch.bmm(query, key.transpose(1, 2)).float().mul_(width**-0.5 if scaling is None else scaling)
    is_causal = options.get("is_causal")
    if getattr(module, "is_causal", True) if is_causal is None else is_causal:
        score += torch.full((length, length), -torch.inf).triu_(1)
    weight = torch.softmax(score, dim=-1).to(value.dtype)
    attended = torch.bmm(weight, value).reshape(n_texts, n_heads, length, -1)
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(_NAME, short_attention)
AttentionMaskInterface.register(_NAME, sdpa_mask)

__all__ = ["short_attention", "use_short_attention"]
