"""A copy of a model whose linear layers compute in bfloat16, float16 or int8; the rest is shared.

Autocast alone would cast every frozen weight again in every batch; here they are cast once, and on a CPU laid
out once as oneDNN wants them.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
LOW_PRECISION_DTYPES = (*HALF_DTYPES, "int8")
_ROWS_HINT = 2048  # for how many tokens at once oneDNN lays a weight out; others are computed as well
_INT8_MAX = 127


class HalfLinear(nn.Module):
    """A frozen linear layer with weight, input and output in a half-precision dtype.

    Args:
        linear: the float32 layer.
        dtype: torch.bfloat16 or torch.float16.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight = linear.weight.detach().to(dtype)
        self.bias = None if linear.bias is None else linear.bias.detach().to(dtype)
        self._packed: Tensor | None = None
        is_cpu = linear.weight.device.type == "cpu"
        if is_cpu and dtype is torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, _ROWS_HINT)
            self.weight = self.weight[:0]  # dtype and device, for code that asks; the numbers are packed

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) of any float dtype -> (..., out) of the half one."""
        half = input.to(self.weight.dtype)
        if self._packed is None:
            return F.linear(half, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(half, self._packed, self.bias, "none", [], "")


class Int8Linear(nn.Module):
    """A frozen linear layer in int8: weights scaled per output, inputs per token as they come.

    Definition: `y = (round(x / a) @ round(W / w)^T) * a * w + bias`, a = max |x| / 127 of the token, w = max
        |W| /
    127 of the output's row; products are summed in int32.

    Args:
        linear: the float32 layer, on a CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight = linear.weight.detach()
        scale = _scale(weight)
        self.weight = (weight / scale).round().to(torch.int8)
        self.scale = scale[:, 0]
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) float -> (..., out) float32."""
        rows = input.reshape(-1, self.in_features).float()
        scale = _scale(rows)
        whole = torch._int_mm((rows / scale).round_().to(torch.int8), self.weight.t())
        output = whole.float().mul_(scale).mul_(self.scale)
        if self.bias is not None:
            output += self.bias
        return output.reshape(*input.shape[:-1], self.out_features)


def in_low_precision(model: Any, dtype: str) -> Any:
    """Copy a model, with its linear layers in another dtype.

    Args:
        model: A frozen float32 module. The copy shares every parameter and buffer with it, but the replaced
            ones.
        dtype: "bfloat16", "float16" or "int8".
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        if type(module) is nn.Linear:
            low = Int8Linear(module) if dtype == "int8" else HalfLinear(module, HALF_DTYPES[dtype])
            memo[id(module)] = low.eval()
    return copy.deepcopy(model, memo)


def _scale(rows: Tensor) -> Tensor:
    return rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / _INT8_MAX


__all__ = ["HALF_DTYPES", "LOW_PRECISION_DTYPES", "HalfLinear", "Int8Linear", "in_low_precision"]
