"""The core of every loss here: positives against masked candidates, in memory that is linear in the inputs.

G groups (users), J rows and K positives of a group, M candidates, D embedding; R rows and C cells at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_LOGITS_AT_ONCE = 1 << 20
_LEAST_ROWS = 16  # of a matrix product; fewer would read all candidates for little
_EXACT = 40.0  # from here on log(1 + e^x) is x, to the last bit of a double


class Exclusion:
    """Which candidates are no negatives of a group: those whose key is among the group's own keys.

    Args:
        candidate_keys: (M,) integers.
        own_keys: (G, E) integers. has_own: (G, E) bool, False = padding.
    """

    def __init__(self, candidate_keys: Tensor, own_keys: Tensor, has_own: Tensor):
        self.sorted_keys, self.column_M = torch.sort(candidate_keys, stable=True)
        self.own_keys, self.has_own = own_keys, has_own

    def cells(self, groups: slice) -> tuple[Tensor, Tensor]:
        """Excluded (group, candidate) pairs of some groups, groups counted from the slice's start."""
        own_GE = self.own_keys[groups].contiguous()
        first_GE = torch.searchsorted(self.sorted_keys, own_GE)
        n_GE = torch.searchsorted(self.sorted_keys, own_GE, right=True) - first_GE
        n_N = (n_GE * self.has_own[groups]).flatten()
        cell_C = torch.repeat_interleave(n_N)
        within_C = torch.arange(len(cell_C), device=n_N.device) - (n_N.cumsum(0) - n_N)[cell_C]
        column_C = self.column_M[first_GE.flatten()[cell_C] + within_C]
        return cell_C // own_GE.shape[1], column_C


def contrast(
    user: Tensor,
    positive: Tensor,
    candidate: Tensor,
    exclusion: Exclusion,
    *,
    user_weight: Tensor,
    positive_weight: Tensor,
    positive_shift: Tensor | None = None,
    candidate_shift: Tensor | None = None,
) -> Tensor:
    """Weighted sum, over all rows and positives of each group, of the softmax loss against candidates.

    Definition: ``sum_gjk w_gj w_gk log(1 + sum_m e^(u_gj . c_m + b_m) / e^(u_gj . p_gk + a_gk))`` over the
    candidates m that are not excluded for group g. A row without any such candidate adds 0.

    Value and gradients are computed together, a few rows at a time: beyond inputs and gradients the memory
    does not grow with G, and the logits of all rows never stand beside each other. Gradients of gradients are
    not supported.

    Args:
        user: (G, J, D) float, already divided by the temperature.
        positive: (G, K, D) float.
        candidate: (M, D) float.
        exclusion: over the same G and M.
        user_weight, positive_weight: (G, J), (G, K) float >= 0; 0 = not there.
        positive_shift, candidate_shift: (G, K), (M,) float added to the logits. None = 0.

    Returns:
        Scalar.
    """
    if positive_shift is None:
        positive_shift = positive.new_zeros(positive.shape[:2])
    if candidate_shift is None:
        candidate_shift = candidate.new_zeros(len(candidate))
    return _Contrast.apply(
        user, positive, candidate, positive_shift, candidate_shift, (user_weight, positive_weight), exclusion
    )


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917, one argument per gradient
        ctx: Any,
        user_GJD: Tensor,
        positive_GKD: Tensor,
        candidate_MD: Tensor,
        positive_shift_GK: Tensor,
        candidate_shift_M: Tensor,
        weights: tuple[Tensor, Tensor],
        exclusion: Exclusion,
    ) -> Tensor:
        user_weight_GJ, positive_weight_GK = weights
        inputs = (user_GJD, positive_GKD, candidate_MD, positive_shift_GK, candidate_shift_M)
        has_gradient = any(ctx.needs_input_grad)
        gradients = [
            torch.zeros_like(x, memory_format=torch.contiguous_format) for x in inputs if has_gradient
        ]
        n_groups, n_rows, dimension = user_GJD.shape
        at_once = max(_LOGITS_AT_ONCE // max(len(candidate_MD), 1), _LEAST_ROWS)
        step = max(1, at_once // max(n_rows, 1))
        buffer = user_GJD.new_empty(min(step, n_groups) * n_rows, len(candidate_MD))
        total = torch.zeros((), dtype=torch.float64, device=user_GJD.device)
        for start in range(0, n_groups, step):
            part = slice(start, min(start + step, n_groups))
            user_gJD, positive_gKD = user_GJD[part], positive_GKD[part]
            row_RD = user_gJD.reshape(-1, dimension)
            exp_RM = torch.addmm(candidate_shift_M, row_RD, candidate_MD.T, out=buffer[: len(row_RD)])
            group_C, column_C = exclusion.cells(part)
            exp_RM.view(len(user_gJD), n_rows, len(candidate_MD))[group_C, :, column_C] = -torch.inf
            sum_R1, log_negatives_R1 = _exponentiate(exp_RM)

            logit_gJK = user_gJD @ positive_gKD.mT + positive_shift_GK[part][:, None]
            excess_gJK = log_negatives_R1.view(len(user_gJD), n_rows, 1) - logit_gJK
            weight_gJK = user_weight_GJ[part][:, :, None] * positive_weight_GK[part][:, None]
            total += _where_there(weight_gJK, F.softplus(excess_gJK, threshold=_EXACT)).sum(
                dtype=torch.float64
            )
            if not has_gradient:
                continue
            grad_user, grad_positive, grad_candidate, grad_positive_shift, grad_candidate_shift = gradients
            share_gJK = _where_there(weight_gJK, torch.sigmoid(excess_gJK))
            share_R1 = share_gJK.sum(-1).view(-1, 1)
            scale_R1 = torch.where(sum_R1 > 0, share_R1 / sum_R1, 0.0)
            pull_gJD = ((exp_RM @ candidate_MD) * scale_R1).view_as(user_gJD)
            grad_user[part] = torch.baddbmm(pull_gJD, share_gJK, positive_gKD, alpha=-1)
            grad_positive[part] = -(share_gJK.mT @ user_gJD)
            grad_candidate.addmm_(exp_RM.T, row_RD * scale_R1)
            grad_positive_shift[part] = -share_gJK.sum(1)
            if ctx.needs_input_grad[4]:
                grad_candidate_shift.addmv_(exp_RM.T, scale_R1[:, 0])
        ctx.save_for_backward(*gradients)
        return total.to(user_GJD.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad
        given = [gradient * upstream if needed[n] else None for n, gradient in enumerate(ctx.saved_tensors)]
        return (*given, None, None)


def _exponentiate(logit_RM: Tensor) -> tuple[Tensor, Tensor]:
    """In place to e^(logit - row maximum); returns the row sums, and their logarithms of the logits as they
    were.
    """
    if logit_RM.shape[1] == 0:
        none_R1 = logit_RM.new_zeros(len(logit_RM), 1)
        return none_R1, none_R1.log()
    highest_R1 = logit_RM.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(logit_RM.dtype).min)
    sum_R1 = logit_RM.sub_(highest_R1).exp_().sum(dim=1, keepdim=True)
    return sum_R1, sum_R1.log() + highest_R1


def _where_there(weight: Tensor, value: Tensor) -> Tensor:
    """weight x value, 0 where the weight is 0 whatever the value (padding may hold anything)."""
    return torch.where(weight > 0, weight * value, 0.0)
