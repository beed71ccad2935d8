"""AdamW with warm-up and a cosine to zero, and random states that leave the caller's own alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from learn_recall.towers.config import TrainConfig
from learn_recall.towers.double_tower import DoubleTower


def make_optimizer(towers: DoubleTower, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; biases, norms and the temperature are not decayed, id embeddings have a decay of their own."""
    trained = [parameter for parameter in towers.parameters() if parameter.requires_grad]
    ids = [] if towers.id_embedding is None else [towers.id_embedding.weight]
    id_decay = config.weight_decay if config.id_weight_decay is None else config.id_weight_decay
    groups = [
        {
            "params": [p for p in trained if p.ndim >= 2 and all(p is not i for i in ids)],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        {"params": ids, "weight_decay": id_decay},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), eps=config.epsilon, fused=True
    )


def learning_rate(step: int, n_steps: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to 0 at the last step of the last epoch."""
    warmup = config.warmup_epochs * n_steps
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(1.0, config.n_epochs * n_steps - warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@contextmanager
def seeded(seed: int, part: int, device: torch.device) -> Iterator[None]:
    """Initialisation and dropout draw from (seed, part); the caller's own random state is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, part]).generate_state(1, np.uint64)[0] >> 1))
        yield


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors, `optimizer.{index}.{name}`."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave; the optimizer must hold the same parameters in the same
    order.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        prefix, _, rest = key.partition(".")
        if prefix == "optimizer":
            index, _, name = rest.partition(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
