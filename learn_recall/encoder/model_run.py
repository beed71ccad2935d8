"""Running a frozen model on rows of token ids: padding, mask, positions, prefix, arithmetic, pooling."""

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn_recall.encoder.layers import states_of
from learn_recall.encoder.load import counts_positions
from learn_recall.encoder.pooling import ECHO, POOLERS, echo_pool
from learn_recall.encoder.prompt_prefix import PromptPrefix, make_prefix, starts_with
from learn_recall.encoder.token_batches import pad_rows
from learn_recall.model_files.layer_names import Layers


@dataclass(frozen=True, eq=False)
class ModelRun:
    """A model and how it is run.

    Args:
        model: the base model, with linear layers in the compute dtype.
        pooling: "mean", "last", "cls" or "echo".
        padding_side: "right" or "left".
        pad_id: what fills shorter rows.
        half: the dtype of autocast; None computes as the model is.
        is_causal: whether no token sees a later one.
        device: where the model lies.
        layers: that are read, as `learn_recall.encoder.layers.read_at` has prepared the model.
        is_averaged: whether a vector is the mean over these layers; False keeps them apart.
        n_apart: of `learn_recall.encoder.pooling.echo_pool`.
    """

    model: Any
    pooling: str
    padding_side: str
    pad_id: int
    half: torch.dtype | None
    is_causal: bool
    device: torch.device
    layers: Layers
    is_averaged: bool = True
    n_apart: int = 0

    def prefix(self, ids: list[int]) -> PromptPrefix | None:
        """Compute a beginning once; None where there is none, or where this model's texts need it anew."""
        takes_past = "past_key_values" in inspect.signature(self.model.forward).parameters
        if not ids or not self.is_causal or not takes_past or self.padding_side == "left":
            return None
        with torch.inference_mode(), self._autocast():
            return make_prefix(partial(states_of, self.model, self.layers), ids, self.device)

    def vectors(self, rows: list[list[int]], prefix: PromptPrefix | None = None) -> Tensor:
        """Encode rows of token ids, those that begin with the prefix after it: (n, C) or (n, layers, C)."""
        if prefix is None:
            return self._batch(rows)
        has_prefix = starts_with(rows, prefix.ids)
        n_cut = len(prefix.ids)
        vectors: Tensor | None = None
        for is_member, ahead in ((has_prefix, prefix), (~has_prefix, None)):
            members = np.flatnonzero(is_member)
            if len(members):
                part = [rows[number][n_cut:] if ahead is not None else rows[number] for number in members]
                found = self._batch(part, ahead).cpu()
                vectors = found.new_empty(len(rows), *found.shape[1:]) if vectors is None else vectors
                vectors[torch.from_numpy(members)] = found
        return self._batch(rows) if vectors is None else vectors

    def _batch(self, rows: list[list[int]], prefix: PromptPrefix | None = None) -> Tensor:
        ids, has_token = pad_rows(rows, pad_id=self.pad_id, padding_side=self.padding_side)
        has_token_BL = torch.from_numpy(has_token).to(self.device)
        inputs: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(self.device)}
        is_seen = self.padding_side == "left" or not self.is_causal  # by real tokens: what is padded
        if is_seen and not has_token.all():
            inputs["attention_mask"] = has_token_BL.long()
        if self.padding_side == "left" and _takes_positions(self.model):
            inputs["position_ids"] = (has_token_BL.long().cumsum(dim=1) - 1).clamp(min=0)
        if prefix is not None:
            inputs["past_key_values"] = prefix.cache()
        with torch.inference_mode(), self._autocast():
            _, states = states_of(self.model, self.layers, inputs)
            if prefix is not None:
                ahead = [each.to(here.dtype) for each, here in zip(prefix.hidden, states, strict=True)]
                states = [
                    torch.cat([each_1PC.expand(len(rows), -1, -1), state_BLC], dim=1)
                    for each_1PC, state_BLC in zip(ahead, states, strict=True)
                ]
                has_token_BL = torch.cat(
                    [has_token_BL.new_ones(len(rows), len(prefix.ids)), has_token_BL], dim=1
                )
            pooled = [self._pool(state_BLC, has_token_BL) for state_BLC in states]
            if not self.is_averaged:
                return torch.stack(pooled, dim=1)
            return pooled[0] if len(pooled) == 1 else torch.stack(pooled).mean(dim=0)

    def _pool(self, state_BLC: Tensor, has_token_BL: Tensor) -> Tensor:
        if self.pooling == ECHO:
            return echo_pool(state_BLC, has_token_BL, self.n_apart)
        return POOLERS[self.pooling](state_BLC, has_token_BL)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None)


def _takes_positions(model: Any) -> bool:
    """Tell whether left padding needs our positions; RoBERTa-like models count theirs from the pad token."""
    return "position_ids" in inspect.signature(model.forward).parameters and not counts_positions(model)


__all__ = ["ModelRun"]
