"""What two tasks share below their heads: (B, W) features -> (B, S) for clicks and (B, S) for conversions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

N_EXPERTS = 3  # shared ones of MMoE; of PLE, of each task and shared


class SharedBottom(nn.Sequential):
    """One MLP for both tasks.

    Args:
        width: W of the features.
        dims: widths of the layers, the last is S.
        dropout: after each layer.

    Source: Caruana, Multitask Learning (1997).
    """

    def __init__(self, width: int, dims: Sequence[int], dropout: float) -> None:
        super().__init__(*_mlp(width, dims, dropout))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The same for both tasks."""
        shared_BS = super().forward(features)
        return shared_BS, shared_BS


class MMoE(nn.Module):
    """Experts shared by the tasks, mixed by a gate of each task.

    Args:
        width: W of the features.
        dims: widths of the layers of every expert, the last is S.
        dropout: after each layer.

    Source: Ma et al., Modeling Task Relationships with Multi-gate Mixture-of-Experts (KDD 2018).
    """

    def __init__(self, width: int, dims: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.experts = _experts(width, dims, dropout)
        self.gates = nn.ModuleList(nn.Linear(width, N_EXPERTS, bias=False) for _ in range(2))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Each task's own mixture."""
        outputs_BKS = torch.stack([expert(features) for expert in self.experts], dim=1)
        click_BS, conversion_BS = (_mixed(gate(features), outputs_BKS) for gate in self.gates)
        return click_BS, conversion_BS


class PLE(nn.Module):
    """Layers of shared and of task-own experts; each task mixes its own and the shared ones.

    Every width of `dims` is an extraction layer; a shared gate mixes all experts for the next layer.

    Args:
        width: W of the features.
        dims: widths of the layers, one extraction layer each, the last is S.
        dropout: after each layer.

    Source: Tang et al., Progressive Layered Extraction (RecSys 2020).
    """

    def __init__(self, width: int, dims: Sequence[int], dropout: float) -> None:
        super().__init__()
        widths = [width, *dims]
        self.layers = nn.ModuleList(
            _Extraction(before, after, dropout, is_last=at == len(dims) - 1)
            for at, (before, after) in enumerate(zip(widths, dims, strict=False))
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Both tasks' outputs of the last layer."""
        click, conversion, shared = features, features, features
        for layer in self.layers:
            click, conversion, shared = layer(click, conversion, shared)
        return click, conversion


class _Extraction(nn.Module):
    def __init__(self, width: int, out: int, dropout: float, *, is_last: bool) -> None:
        super().__init__()
        self.click, self.conversion, self.shared = (_experts(width, (out,), dropout) for _ in range(3))
        self.click_gate = nn.Linear(width, 2 * N_EXPERTS, bias=False)
        self.conversion_gate = nn.Linear(width, 2 * N_EXPERTS, bias=False)
        self.shared_gate = None if is_last else nn.Linear(width, 3 * N_EXPERTS, bias=False)

    def forward(self, click: Tensor, conversion: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_click = [expert(click) for expert in self.click]
        of_conversion = [expert(conversion) for expert in self.conversion]
        of_both = [expert(shared) for expert in self.shared]
        click_out = _mixed(self.click_gate(click), torch.stack([*of_click, *of_both], dim=1))
        conversion_out = _mixed(
            self.conversion_gate(conversion), torch.stack([*of_conversion, *of_both], dim=1)
        )
        if self.shared_gate is None:
            return click_out, conversion_out, shared
        everything = torch.stack([*of_click, *of_conversion, *of_both], dim=1)
        return click_out, conversion_out, _mixed(self.shared_gate(shared), everything)


def _mixed(gate_logit: Tensor, outputs: Tensor) -> Tensor:
    """(B, K) logits and (B, K, S) expert outputs -> (B, S)."""
    return (torch.softmax(gate_logit, dim=1)[:, :, None] * outputs).sum(dim=1)


def _experts(width: int, dims: Sequence[int], dropout: float) -> nn.ModuleList:
    return nn.ModuleList(nn.Sequential(*_mlp(width, dims, dropout)) for _ in range(N_EXPERTS))


def _mlp(width: int, dims: Sequence[int], dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for out in dims:
        layers += [nn.Linear(width, out), nn.ReLU(), nn.Dropout(dropout)]
        width = out
    return layers


TASK_LAYERS: dict[str, type[SharedBottom] | type[MMoE] | type[PLE]] = {
    "shared_bottom": SharedBottom,
    "mmoe": MMoE,
    "ple": PLE,
}
