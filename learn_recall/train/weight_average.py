"""A running mean of the weights over training steps, which is what is validated and exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_PREFIX = "average."


class WeightAverage:
    """Exponential moving average of a module's trained parameters.

    Definition: after step t (from 1), ``mean <- d mean + (1 - d) weight`` with ``d = min(decay, t / (t +
    9))``: early steps weigh less, so that the random start is soon forgotten.

    Args:
        module: whose parameters are followed; those that are not trained are left alone.
        decay: 0 = the mean is the weights themselves, and nothing is kept.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.n_steps = 0
        self._weights = {name: p for name, p in module.named_parameters() if p.requires_grad and decay > 0}
        self._means = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they stand after one more step."""
        self.n_steps += 1
        if self._means:
            decay = min(self.decay, self.n_steps / (self.n_steps + 9))
            weights = [weight.detach() for weight in self._weights.values()]
            torch._foreach_lerp_(list(self._means.values()), weights, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the module has the mean weights; after it, its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold to go on: the means and the number of steps."""
        if not self._means:
            return {}
        means = {f"{_PREFIX}mean.{name}": mean for name, mean in self._means.items()}
        return {**means, f"{_PREFIX}n_steps": torch.tensor(self.n_steps)}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        if self._means:
            self.n_steps = int(tensors[f"{_PREFIX}n_steps"])
            for name, mean in self._means.items():
                mean.copy_(tensors[f"{_PREFIX}mean.{name}"])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights.items():
            kept = weight.clone()
            weight.copy_(self._means[name])
            self._means[name].copy_(kept)
