"""The plugin enters a host without changing one bit of what it says, and is trained from there.

Appending columns to a layer's weight, even zeros, makes another matrix product with another order of
additions: the last bits move. Here the host's own product is computed as before and the plugin's part is a
product of its own that starts at zero, and ``y + 0 == y`` exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.fusion.slots import SlotAttention
from learn_rank.rankers.beside import BesideHost
from learn_rank.rankers.history_content import ContentWeights

_OF_PLUGIN = LearnFeatureFusion, SlotAttention, ContentWeights, BesideHost

torch.fx.wrap("plus_product")  # it looks at shapes, which torch.fx cannot trace


class WidenedLinear(nn.Linear):
    """A host's first linear layer that takes the plugin's features as well and starts as if it did not.

    Definition: ``W x + b + A f`` for the input ``[x, f]``; W and b are the layer's own parameters, under
    their old names, so the host's checkpoints and optimizers still fit; A is new and zero.

    A zero A gets a gradient at once and moves in the first step; what lies behind it (the fusion) gets its
    first gradient of the ranking loss in the second, and that of the auxiliary loss from the first.

    Args:
        layer: the host's layer, fresh or trained.
        n_added: width of f, `LearnFeatureFusion.output_dim`.

    Raises:
        ValueError: ``n_added`` is below 1.

    Example:
        >>> host = nn.Linear(3, 2)
        >>> wide = WidenedLinear(host, n_added=4)
        >>> row = torch.ones(1, 3)
        >>> torch.equal(wide(torch.cat([row, torch.ones(1, 4)], dim=1)), host(row))
        True
    """

    def __init__(self, layer: nn.Linear, n_added: int) -> None:
        if n_added < 1:
            raise ValueError(f"n_added: expected at least 1, got {n_added}; give fusion.output_dim.")
        nn.Module.__init__(self)
        self.in_features = layer.in_features + n_added
        self.out_features = layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.added = nn.Parameter(layer.weight.new_zeros(layer.out_features, n_added))

    def forward(self, input: Tensor) -> Tensor:
        """(..., N + n_added) -> (..., out)."""
        n_host = self.weight.shape[1]
        # contiguous, because a matrix product may round otherwise where its rows lie further apart
        host = functional.linear(input[..., :n_host].contiguous(), self.weight, self.bias)
        return plus_product(host, input[..., n_host:], self.added)


def plus_product(host: Tensor, added: Tensor, weight: Tensor) -> Tensor:
    """(..., out) + (..., n) @ (out, n).T; of matrices in one pass over the output in place of three."""
    if host.ndim == 2:
        return torch.addmm(host, added, weight.T)
    return host + functional.linear(added, weight)


class LogitResidual(nn.Module):
    """What the plugin adds to a host's logits; nothing at the start.

    Definition: ``delta = A relu(V f)`` with A = 0 at the start; add it to the host's logits. For hosts whose
    layers cannot be touched: the plugin then knows its own features alone, and none of the host's.

    Args:
        n_features: width of f, `LearnFeatureFusion.output_dim`.
        n_logits: of the host.
        hidden_dim: width of V.
    """

    def __init__(self, n_features: int, n_logits: int, *, hidden_dim: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_features, hidden_dim)
        self.added = nn.Parameter(torch.zeros(n_logits, hidden_dim))

    def forward(self, features: Tensor) -> Tensor:
        """(B, n_features) -> (B, n_logits)."""
        return functional.linear(functional.relu(self.hidden(features)), self.added)


def widen_first_layers(module: nn.Module, width: int, n_added: int) -> None:
    """Replace every linear layer inside a module that reads the module's input itself by a `WidenedLinear`.

    Args:
        module: takes one (B, width) tensor, such as an MLP or a mixture of experts with its gates.
        width: of the host's features.
        n_added: width of the plugin's features, appended to them.

    Raises:
        ValueError: no linear layer reads the input.
    """
    probe = next(module.parameters()).new_zeros(2, width)
    names: list[str] = []
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, inputs, name=name: names.append(name) if inputs[0] is probe else None
        )
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    was_training = {each: each.training for each in module.modules()}
    try:
        with torch.no_grad():
            module.eval()(probe)
    finally:
        for hook in hooks:
            hook.remove()
        for each, flag in was_training.items():
            each.training = flag
    if not names:
        raise ValueError(
            f"module: expected a linear layer that reads the input itself, found none in "
            f"{type(module).__name__}. Remedy: put WidenedLinear where the host's features enter."
        )
    for name in names:
        parent, _, own = name.rpartition(".")
        layer = module.get_submodule(name)
        if isinstance(layer, nn.Linear):
            setattr(module.get_submodule(parent), own, WidenedLinear(layer, n_added))


def zero_start_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters that start at zero; optimizers may give them a larger learning rate."""
    for name, module in model.named_modules():
        if isinstance(module, WidenedLinear | LogitResidual):
            yield f"{name}.added" if name else "added", module.added


def start_from_host(model: nn.Module, host_state: Mapping[str, Tensor]) -> None:
    """Give a model with the plugin the weights of the same host without it, and check that they are its own.

    Args:
        model: the host with `WidenedLinear` or `LogitResidual` and a `LearnFeatureFusion`.
        host_state: state dict of the running host; layers beside it (`BesideHost`) start afresh.

    Raises:
        ValueError: the state lacks a weight of the host, or holds one that the model has no place for. What
            belongs to the plugin may be absent and then keeps its start.
    """
    own = {name for name, _ in zero_start_parameters(model)}
    inside = tuple(
        f"{name}."
        for name, module in model.named_modules()
        if isinstance(module, (*_OF_PLUGIN, LogitResidual))
    )
    beside = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, BesideHost))
    host_state = {name: value for name, value in host_state.items() if not name.startswith(beside)}
    missing, unexpected = model.load_state_dict(host_state, strict=False)
    lacking = [name for name in missing if name not in own and not name.startswith(inside)]
    if lacking or unexpected:
        raise ValueError(
            f"host_state: expected the weights of this host, lacking {lacking}, unknown {list(unexpected)}. "
            "Remedy: build the host as it was when its checkpoint was made, then add the plugin."
        )


__all__ = ["LogitResidual", "WidenedLinear", "start_from_host", "widen_first_layers", "zero_start_parameters"]
