"""A ranker on disk: its weights without the frozen tables, and what a stopped training goes on from."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from learn_rank.rankers.base import Ranker
from learn_recall.files.whole_files import atomic_path


def trainable_weights(ranker: Ranker) -> dict[str, Tensor]:
    """Weights without the frozen tables, which the stores hold already."""
    return {name: value for name, value in ranker.state_dict().items() if "_vectors." not in name}


def resumable_state(ranker: Ranker, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The weights and the state of the optimizer, as tensors of one file."""
    tensors = {f"model.{name}": value for name, value in trainable_weights(ranker).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, object]) -> None:
    """Write tensors and what belongs to them as one safetensors file, atomically."""
    kept = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(kept, temporary, metadata={"learn_rank": json.dumps(header, sort_keys=True)})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors and the header that `save_tensors` wrote."""
    with safe_open(path, framework="pt") as file:
        names = file.keys()  # safe_open is no mapping and cannot be iterated
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["learn_rank"])


def load_weights(ranker: Ranker, tensors: dict[str, Tensor]) -> None:
    """Give a ranker all weights but its frozen tables.

    Raises:
        ValueError: weights of a ranker of another shape.
    """
    missing, unexpected = ranker.load_state_dict(tensors, strict=False)
    lacking = [name for name in missing if "_vectors." not in name]
    if lacking or unexpected:
        raise ValueError(
            f"checkpoint: expected the weights of this ranker, lacking {lacking}, unknown {unexpected}; "
            "it was made with another configuration, train into a new folder."
        )
