"""The beginning that prompts share, computed once: in a causal model later tokens never change it.

A template such as 'Represent this product for search: {title}' puts the same tokens in front of every item.
Their states, keys and values are the same for all items, so every text is run from its first own token on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

MIN_PREFIX_TOKENS = 2
MIN_TEXTS = 8  # that share it; fewer are not worth a run of its own
_PROBE_TOKENS = 4


@dataclass(frozen=True, eq=False)
class PromptPrefix:
    """Token ids that begin many texts, and what a causal model makes of them.

    Args:
        ids: P token ids.
        hidden: (1, P, C) states of each layer that is read.
        layers: keys and values of each layer, (1, heads, P, d) each.
    """

    ids: list[int]
    hidden: list[Tensor]
    layers: list[tuple[Tensor, Tensor]]

    def cache(self) -> Cache:
        """The cache that a model reads its past from; it keeps nothing of the texts that follow."""
        return Cache(layers=[_PrefixLayer(keys, values) for keys, values in self.layers])


class _PrefixLayer(DynamicLayer):
    """Keys and values of the prefix, in front of those of any batch."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values
        self._ahead = keys, values

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        own = key_states, value_states
        ahead = (
            each.to(here.dtype).expand(len(here), -1, -1, -1)
            for each, here in zip(self._ahead, own, strict=True)
        )
        keys, values = (torch.cat(pair, dim=2) for pair in zip(ahead, own, strict=True))
        return keys, values


def shared_prefix(rows: Sequence[list[int]]) -> list[int]:
    """The longest beginning that at least half of the rows share.

    Definition: rows in lexicographic order; those that share a beginning stand together, so it is the longest
    common beginning of any two rows that stand n // 2 places apart. At least one token of every row remains.

    Args:
        rows: n rows of token ids.

    Returns:
        Token ids; none where fewer than 2 tokens are shared, or by fewer than 8 rows.

    Example:
        >>> shared_prefix([[2, 5, 6, number] for number in range(20)] + [[2, 9]])
        [2, 5, 6]
    """
    apart = len(rows) // 2
    if apart < MIN_TEXTS:
        return []
    ordered = sorted(rows)
    longest: list[int] = []
    for first, last in zip(ordered, ordered[apart:], strict=False):
        common = _common(first, last)
        if common > len(longest):
            longest = first[:common]
    return longest if len(longest) >= MIN_PREFIX_TOKENS else []


def make_prefix(
    run: Callable[[dict[str, Any]], tuple[Any, list[Tensor]]], ids: list[int], device: torch.device
) -> PromptPrefix | None:
    """Run the prefix once; None where the model keeps something else than keys and values of every token.

    Args:
        run: gives a causal model's output, and the states of each layer that is read.
        ids: P token ids.
        device: where the model lies.
    """
    output, hidden = run({"input_ids": torch.tensor([ids], device=device), "use_cache": True})
    past: Any = output.get("past_key_values")
    layers: list[Any] = getattr(past, "layers", [])
    is_plain = all(type(layer) is DynamicLayer and layer.get_seq_length() == len(ids) for layer in layers)
    if not layers or not is_plain:
        return None
    return PromptPrefix(ids, hidden, [(layer.keys, layer.values) for layer in layers])


def is_causal(model: Any, ids: Sequence[int], device: torch.device) -> bool:
    """Tell by a run whether no token of the model sees a later one.

    Args:
        model: any encoder, in float32.
        ids: at least two ids of ordinary tokens.
        device: where the model lies.
    """
    one, other = [ids[0]] * _PROBE_TOKENS, [ids[0]] * (_PROBE_TOKENS - 1) + [ids[1]]
    with torch.inference_mode():
        hidden = model(input_ids=torch.tensor([one, other], device=device)).last_hidden_state.float()
    change = (hidden[0, :-1] - hidden[1, :-1]).abs().max()
    return bool(change <= 1e-5 * hidden.abs().max())


def two_tokens(tokenizer: Any) -> list[int]:
    """The ids of two ordinary tokens."""
    special = set(tokenizer.all_special_ids)
    return list(islice((number for number in range(len(tokenizer)) if number not in special), 2))


def starts_with(rows: Sequence[list[int]], ids: list[int]) -> np.ndarray:
    """Tell which rows begin with `ids` and go on after them, (n,) bool."""
    return np.array([len(row) > len(ids) and row[: len(ids)] == ids for row in rows], dtype=bool)


def _common(first: list[int], last: list[int]) -> int:
    """Count the tokens that both begin with; the last token of either does not count."""
    most = min(len(first), len(last)) - 1
    return next((place for place in range(most) if first[place] != last[place]), max(most, 0))


__all__ = ["PromptPrefix", "is_causal", "make_prefix", "shared_prefix", "starts_with", "two_tokens"]
