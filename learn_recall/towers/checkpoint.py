"""Checkpoints: one safetensors file each, settings and progress in its header, written atomically, no pickle.

A folder holds `model.safetensors` (the best epoch: weights, whitening, known items), `last.safetensors`
(the newest epoch with the optimizer's state, for resuming), and for people `config.json` and
`history.jsonl`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learn_recall.files.tensor_files import read_tensors
from learn_recall.files.whole_files import sha256_of_file
from learn_recall.store import EmbeddingStore
from learn_recall.store.ids import id_keys
from learn_recall.towers.config import RecallConfig
from learn_recall.towers.double_tower import DoubleTower

MODEL, LAST, CONFIG, HISTORY = "model.safetensors", "last.safetensors", "config.json", "history.jsonl"
IDENTITY_FIELDS = ("encoder_sha256", "prompt", "pooling", "max_tokens", "dimension")


@dataclass(frozen=True)
class TowerCheckpoint:
    """A trained double tower as read from disk.

    towers: the module, in evaluation mode. config: its settings.
    content_identity: fields of the content store's card that a store must share to be used with these towers.
    item_keys, train_counts: (n,) int64, sorted `id_keys` of the items seen in training and their number of
    events. item_mean: (D,) mean tower vector of those items.
    as_of: unix seconds of the newest event that went in, None if unknown.
    sha256: of the model file. extra: epoch and validation scores of the model.
    """

    towers: DoubleTower
    config: RecallConfig
    content_identity: dict[str, Any]
    item_keys: np.ndarray
    train_counts: np.ndarray
    item_mean: Tensor
    as_of: float | None
    sha256: str
    extra: dict[str, Any]

    def known_rows(self, ids: np.ndarray) -> np.ndarray:
        """Row of each item among the training items, (n,) int64, -1 = not seen in training."""
        if len(self.item_keys) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        key = id_keys(ids)
        place = np.minimum(np.searchsorted(self.item_keys, key), len(self.item_keys) - 1)
        return np.where(self.item_keys[place] == key, place, -1)

    def counts(self, ids: np.ndarray) -> np.ndarray:
        """Training events of each item, (n,) int64."""
        row = self.known_rows(ids)
        return np.where(row >= 0, self.train_counts[np.maximum(row, 0)] if len(self.train_counts) else 0, 0)

    def centred(self, vectors: Tensor) -> Tensor:
        """Tower vectors (n, D) less the mean of the training items, of unit length; zeros stay zeros.

        Tower vectors lie in a narrow cone: only without what they share does a cosine tell two items apart.
        """
        is_vector_N1 = (vectors != 0).any(dim=1, keepdim=True)
        return functional.normalize(vectors - self.item_mean, dim=1) * is_vector_N1

    def check_content(self, content: EmbeddingStore) -> None:
        """Raise StoreError unless the store was made by the encoder, prompt and pooling that the towers
        learned on.
        """
        content.card.check_expected({"kind": "content", **self.content_identity})


def content_identity(content: EmbeddingStore) -> dict[str, Any]:
    """What must not change between training and use: encoder hash, prompt, pooling, tokens, dimension."""
    return {name: getattr(content.card, name) for name in IDENTITY_FIELDS}


def load_checkpoint(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> TowerCheckpoint:
    """Read `model.safetensors` of a checkpoint folder.

    Raises:
        FileNotFoundError: without one.
        StoreError: a file that is damaged or not a tower checkpoint.
    """
    file = Path(path) / MODEL
    if not file.is_file():
        raise FileNotFoundError(
            f"{file}: expected a trained tower; got no such file. Remedy: run `learn-recall train` "
            f"with --out {path} first"
        )
    header, tensors = read_tensors(file)
    config = RecallConfig.from_dict(header["config"])
    counts = tensors.pop("train_counts").numpy()
    keys = tensors.pop("item_keys").numpy()
    mean = tensors.pop("item_mean")
    towers = DoubleTower(header["content"]["dimension"], config.tower, counts)
    towers.load_state_dict(tensors)
    return TowerCheckpoint(
        towers=towers.to(device).eval().requires_grad_(False),
        config=config,
        content_identity=header["content"],
        item_keys=keys,
        train_counts=counts,
        item_mean=mean.to(device),
        as_of=header["as_of"],
        sha256=sha256_of_file(file),
        extra=header["extra"],
    )
