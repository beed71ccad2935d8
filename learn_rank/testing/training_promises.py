"""What a fusion promises of its training: module and probe -> a sentence for each broken promise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from learn_rank.frozen.guard import assert_frozen
from learn_rank.frozen.rows import dequantised
from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
from learn_rank.testing.probe import Probe, differ

_FALLBACKS = ("user_fallback", "item_fallback")


def frozen_tables(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """No table is registered, and a training step leaves its bytes."""
    for table_name in ("user_vectors", "item_vectors"):
        table = getattr(module, table_name)
        stored = dequantised(table.vectors, table.scales)
        registered = [*module.named_parameters(), *module.named_buffers()]
        for name, tensor in registered:
            if _holds(tensor, stored):
                kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
                yield (
                    f"{name}: holds the vectors of {table_name} as a {kind}, where optimizers, wrappers and "
                    f"checkpoints reach them; call self.{table_name}(ids) instead."
                )
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD([*trainable, nn.Parameter(torch.zeros(1))], lr=1.0)
    try:
        with assert_frozen(module, optimizer):
            _train_step(module, probe, optimizer)
    except AssertionError as error:
        yield f"frozen tables: {error}"


def gradients(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """What the ranking loss trains and what the auxiliary loss trains."""
    stops = module.config.stops_gradient
    by_ranking = _reached(module, probe, lambda output: output.features.square().sum())
    by_auxiliary = _reached(module, probe, lambda output: _loss_of(module, output))
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name in sorted(trainable - by_ranking - by_auxiliary):
        yield (
            f"{name}: neither the ranking loss nor the auxiliary loss gives it a gradient; use it, remove "
            "it, or requires_grad_(False). DistributedDataParallel stops at a parameter without a gradient."
        )
    inner = {name for name in by_ranking if name not in _FALLBACKS}
    if stops and inner:
        yield (
            f"stops_gradient: expected no gradient of the ranking loss inside the fusion, got one for "
            f"{sorted(inner)}; hand out fusion.detach()."
        )
    if not stops and not inner:
        yield "features: the ranking loss trains nothing of the fusion; is something detached?"
    head = {name for name in by_auxiliary if "head" in name}
    if not by_auxiliary - head - set(_FALLBACKS):  # those are held in the graph whatever a fusion does
        yield (
            "auxiliary loss: trains nothing but the head; compute auxiliary_logit from the fusion embedding, "
            "not from a detached one."
        )


def auxiliary(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """A finite, weighted scalar."""
    output = probe.call(module)
    loss = _loss_of(module, output)
    if loss.ndim != 0:
        yield f"auxiliary_loss: expected a scalar, got shape {tuple(loss.shape)}; reduce it over the rows."
        return
    if not bool(torch.isfinite(loss)):
        yield (
            "auxiliary_loss: expected a finite number with NaN conversions on unclicked rows, got "
            f"{loss.item()}; use torch.where(click > 0, conversion, 0)."
        )
        return
    weight = module.config.auxiliary_weight
    module.config = replace(module.config, auxiliary_weight=2 * weight)
    if not torch.allclose(_loss_of(module, output), 2 * loss):
        yield (
            f"auxiliary_loss: expected twice the loss at twice the auxiliary_weight, got "
            f"{_loss_of(module, output).item():g} after {loss.item():g}; multiply by config.auxiliary_weight."
        )
    module.config = replace(module.config, auxiliary_weight=weight)
    n = len(probe.user)
    nothing = module.auxiliary_loss(output, torch.zeros(n), torch.full((n,), torch.nan))
    if not bool(torch.isfinite(nothing).all()):
        yield f"auxiliary_loss: expected a finite number for a batch without a click, got {nothing.item()}."


def restored(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """A state dict holds all that training changes."""
    fresh = copy.deepcopy(module)
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for _ in range(2):
        _train_step(module, probe, torch.optim.SGD([*trainable, nn.Parameter(torch.zeros(1))], lr=0.1))
    fresh.load_state_dict(module.state_dict())
    differing = [
        name
        for name in FusionOutput._fields[:-1]
        if differ(probe.call(module.eval()), probe.call(fresh.eval()), name)
    ]
    if differing:
        yield (
            f"state dict: {', '.join(differing)} differ after loading it into a fresh module; keep what "
            "training changes in parameters or buffers."
        )


def _holds(tensor: Tensor, stored: Tensor) -> bool:
    n = stored.shape[0] - 1  # the last row answers for unknown ids
    if tensor.ndim != 2 or tensor.shape[1] != stored.shape[1] or tensor.shape[0] < n:
        return False
    return bool(torch.allclose(tensor.detach()[:n].float(), stored[:n], atol=1e-3))


def _reached(module: LearnFeatureFusion, probe: Probe, loss: Callable[[FusionOutput], Tensor]) -> set[str]:
    module.zero_grad(set_to_none=True)
    value = loss(probe.call(module))
    if value.requires_grad:
        value.backward()
    reached = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    module.zero_grad(set_to_none=True)
    return reached


def _loss_of(module: LearnFeatureFusion, output: FusionOutput) -> Tensor:
    n = len(output.has_user)
    click = (torch.arange(n) % 3 > 0).float()
    conversion = torch.where(click > 0, (torch.arange(n) % 2).float(), torch.nan)
    return module.auxiliary_loss(output, click, conversion)


def _train_step(module: LearnFeatureFusion, probe: Probe, optimizer: torch.optim.Optimizer) -> None:
    module.train()
    output = probe.call(module)
    optimizer.zero_grad()
    (output.features.square().mean() + _loss_of(module, output)).backward()
    optimizer.step()
