"""The plugin beside a host: its layers add to the host's logits, and the host is trained to do without.

B rows, W width of the host's features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learn_rank.fusion.learn_feature_fusion import FusionOutput
from learn_rank.rankers.task_layers import TASK_LAYERS


class BesideHost(nn.Module):
    """What the plugin adds to the logits of a host; nothing for a row whose item has no vector.

    Definition: ``logit = host + g * T(L([x, f]))`` for the host's features x and the plugin's f, where host
    and x are taken without gradient; L are layers like the host's own, T a small head for each task whose
    last layer starts at zero, and g is 1 for a row whose item has a vector and 0 otherwise. The host learns
    by a loss of its own (`Scores.host`) and by nothing else, so it is the host without the plugin: one that
    is trained together with the vectors leaves to them what it could say itself, and is far below itself
    where they are missing.

    A second set of layers is capacity, too, which learns something from the host's features alone. A baseline
    has it as well, without a plugin (``n_added=0``), so that a difference is what the vectors bring.

    Unlike `LogitResidual` these layers read the host's features as well, so the plugin's meaning may depend
    on who asks and for what; unlike `WidenedLinear` the host's layers never see a vector.

    Args:
        layers: of `learn_rank.rankers.task_layers.TASK_LAYERS`.
        width: W.
        n_added: width of f, `LearnFeatureFusion.output_dim`; 0 without a plugin.
        dims: widths of the layers.
        tower_dim: hidden width of each head.
        dropout: after each layer.

    Example:
        >>> beside = BesideHost("shared_bottom", width=3, n_added=2, dims=(4,), tower_dim=4, dropout=0.0)
        >>> sum(parameter.numel() for parameter in beside.parameters())
        74
    """

    def __init__(
        self, layers: str, *, width: int, n_added: int, dims: Sequence[int], tower_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.bottom = TASK_LAYERS[layers](width + n_added, dims, dropout)
        self.ctr_tower, self.cvr_tower = (task_tower(dims[-1], tower_dim, zero=True) for _ in range(2))

    def forward(self, host_BW: Tensor, fused: FusionOutput | None) -> Tensor:
        """(B, 2) to add to the logits of click and of conversion."""
        features = host_BW if fused is None else torch.cat([host_BW, fused.features], dim=1)
        click_BS, conversion_BS = self.bottom(features)
        delta_B2 = torch.cat([self.ctr_tower(click_BS), self.cvr_tower(conversion_BS)], dim=1)
        return delta_B2 if fused is None else delta_B2 * fused.has_item[:, None].to(delta_B2.dtype)


def task_tower(width: int, hidden: int, *, zero: bool = False) -> nn.Sequential:
    """A head with one hidden layer, (B, width) -> (B, 1); `zero`: it starts by saying 0."""
    last = nn.Linear(hidden, 1)
    if zero:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), last)


__all__ = ["BesideHost", "task_tower"]
