"""Running a frozen model on rows of token ids: padding, mask, positions, prefix, arithmetic, pooling."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn_recall.encoder.load import counts_positions
from learn_recall.encoder.pooling import POOLERS
from learn_recall.encoder.prompt_prefix import PromptPrefix, make_prefix, starts_with
from learn_recall.encoder.token_batches import pad_rows


@dataclass(frozen=True, eq=False)
class ModelRun:
    """A model and how it is run.

    Args:
        model: the base model, with linear layers in the compute dtype.
        pooling: "mean", "last" or "cls".
        padding_side: "right" or "left".
        pad_id: what fills shorter rows.
        half: the dtype of autocast; None computes as the model is.
        is_causal: whether no token sees a later one.
        device: where the model lies.
    """

    model: Any
    pooling: str
    padding_side: str
    pad_id: int
    half: torch.dtype | None
    is_causal: bool
    device: torch.device

    def prefix(self, ids: list[int]) -> PromptPrefix | None:
        """Compute a beginning once; None where there is none, or where this model's texts need it anew."""
        takes_past = "past_key_values" in inspect.signature(self.model.forward).parameters
        if not ids or not self.is_causal or not takes_past or self.padding_side == "left":
            return None
        with torch.inference_mode(), self._autocast():
            return make_prefix(self.model, ids, self.device)

    def vectors(self, rows: list[list[int]], prefix: PromptPrefix | None = None) -> Tensor:
        """Encode rows of token ids, those that begin with the prefix after it: (n, C) float32."""
        if prefix is None:
            return self._batch(rows)
        has_prefix = starts_with(rows, prefix.ids)
        n_cut = len(prefix.ids)
        vectors = torch.empty(len(rows), prefix.hidden.shape[2])
        for is_member, ahead in ((has_prefix, prefix), (~has_prefix, None)):
            members = np.flatnonzero(is_member)
            if len(members):
                part = [rows[number][n_cut:] if ahead is not None else rows[number] for number in members]
                vectors[torch.from_numpy(members)] = self._batch(part, ahead).cpu()
        return vectors

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
            hidden_BLC = self.model(**inputs).last_hidden_state
            if prefix is not None:
                ahead_BPC = prefix.hidden.to(hidden_BLC.dtype).expand(len(rows), -1, -1)
                hidden_BLC = torch.cat([ahead_BPC, hidden_BLC], dim=1)
                has_token_BL = torch.cat([has_token_BL.new_ones(ahead_BPC.shape[:2]), has_token_BL], dim=1)
            return POOLERS[self.pooling](hidden_BLC, has_token_BL)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None)


def _takes_positions(model: Any) -> bool:
    """Tell whether left padding needs our positions; RoBERTa-like models count theirs from the pad token."""
    return "position_ids" in inspect.signature(model.forward).parameters and not counts_positions(model)


__all__ = ["ModelRun"]
