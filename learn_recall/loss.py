"""The losses of the double tower, as pure functions of unit vectors.

B users, J history positions, K targets, P predictions, M candidates, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def dense_all_action_loss(
    user: Tensor,
    target: Tensor,
    target_ids: Tensor,
    *,
    has_user: Tensor | None = None,
    has_target: Tensor | None = None,
    temperature: float | Tensor = 0.05,
    mask_equal_ids: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Every sampled history position predicts every sampled target of its user.

    Definition: ``- sum_ijk log e^s(u_ij, v_ik) / (e^s(u_ij, v_ik) + sum_{z != i} sum_k' e^s(u_ij, v_zk'))``
    with s = dot product / temperature. Negatives are the targets of the *other* users; the user's own other
    targets stand neither as negatives nor in the denominator.

    Args:
        user: (B, J, D) float, unit user vectors at the sampled history positions.
        target: (B, K, D) float, unit item vectors of the sampled targets.
        target_ids: (B, K) integers; what counts as the same item.
        has_user: (B, J) bool, False = padding. None = all there.
        has_target: (B, K) bool, False = padding. None = all there.
        temperature: divisor of the similarities. The paper states none; 0.05 is the released code's.
        mask_equal_ids: an item of another user that is also one of the user's own targets is no negative. The
            formula is silent; the released code masks.
        reduction: "mean" over pairs (default: the step does not depend on the batch) or "sum" (the formula).

    Returns: scalar; 0 when there is no pair, and for a user whom no other user gives a negative.

    Raises: ValueError for shapes that do not fit or an unknown reduction.

    Source: LEARN (AAAI 2025), the loss of preference alignment; PinnerFormer, dense all action.
    """
    if (
        user.ndim != 3
        or target.ndim != 3
        or user.shape[0] != target.shape[0]
        or user.shape[2] != target.shape[2]
    ):
        raise ValueError(
            f"user, target: expected shapes (B, J, D) and (B, K, D); got {tuple(user.shape)}, "
            f"{tuple(target.shape)}"
        )
    if target_ids.shape != target.shape[:2]:
        raise ValueError(
            f"target_ids: expected shape {tuple(target.shape[:2])}; got {tuple(target_ids.shape)}"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction: expected 'mean' or 'sum'; got {reduction!r}")
    n_users, n_positions, _ = user.shape
    n_targets = target.shape[1]
    has_user = (
        torch.ones(user.shape[:2], dtype=torch.bool, device=user.device) if has_user is None else has_user
    )
    has_target = torch.ones_like(target_ids, dtype=torch.bool) if has_target is None else has_target

    logit_BJM = ((user / temperature).flatten(0, 1) @ target.flatten(0, 1).T).view(n_users, n_positions, -1)
    is_negative_BBK = has_target[None] & ~torch.eye(n_users, dtype=torch.bool, device=user.device)[:, :, None]
    if mask_equal_ids:
        is_negative_BBK = is_negative_BBK & ~_is_own_id(target_ids, has_target)
    never = torch.finfo(user.dtype).min / 4
    negative_BJM = logit_BJM.masked_fill(~is_negative_BBK.flatten(1)[:, None], never)
    log_negatives_BJ = negative_BJM.logsumexp(dim=-1)
    own = torch.arange(n_users, device=user.device)
    positive_BJK = logit_BJM.view(n_users, n_positions, n_users, n_targets)[own, :, own]
    loss_BJK = F.softplus(log_negatives_BJ[:, :, None] - positive_BJK)
    has_pair_BJK = has_user[:, :, None] & has_target[:, None]
    total = torch.where(has_pair_BJK, loss_BJK, 0.0).sum()
    return total if reduction == "sum" else total / has_pair_BJK.sum().clamp(min=1)


def sampled_softmax_loss(
    user: Tensor,
    positive: Tensor,
    positive_ids: Tensor,
    candidate: Tensor,
    candidate_ids: Tensor,
    *,
    candidate_log_expected: Tensor,
    positive_bias: Tensor | None = None,
    candidate_bias: Tensor | None = None,
    temperature: float | Tensor = 0.05,
) -> Tensor:
    """Softmax of one positive against shared sampled candidates, corrected for how often each was to be
    expected.

    Definition: ``mean_p log(1 + sum_m e^(z_pm - log q_m) / e^(z_p))`` over candidates m whose id is not
    p's, with z = dot product / temperature + bias and q_m the expected number of copies of m among the
    candidates. With q = 1 and all items as candidates it is the full softmax; with sampled candidates it
    estimates the full softmax. The positive was not sampled and so gets no correction.

    Args:
        user, positive: (P, D) float unit vectors.
        positive_ids: (P,) integers. candidate_ids: (M,) integers.
        candidate: (M, D) float unit vectors, shared by all P.
        candidate_log_expected: (M,) float, ``log q``.
        positive_bias, candidate_bias: (P,) and (M,) added to the logits; a share of the log popularity here
            lowers popular items in the scores (`LossConfig.logq_strength`). None = 0.
        temperature: divisor of the similarities.

    Returns: scalar mean over P; 0 when P = 0.

    Source: sampled softmax with logQ correction (Yi et al., RecSys 2019); positive left uncorrected after
    arXiv 2507.09331.
    """
    if len(user) == 0:
        return user.sum() * 0.0
    scaled_PD = user / temperature
    positive_logit_P = (scaled_PD * positive).sum(-1)
    shift_M = -candidate_log_expected.to(user.dtype)
    if candidate_bias is not None:
        shift_M = shift_M + candidate_bias
    if positive_bias is not None:
        positive_logit_P = positive_logit_P + positive_bias
    logit_PM = torch.addmm(shift_M, scaled_PD, candidate.T)
    is_same_PM = positive_ids[:, None] == candidate_ids[None]
    log_rest_P = logit_PM.masked_fill_(is_same_PM, torch.finfo(user.dtype).min / 4).logsumexp(dim=-1)
    return F.softplus(log_rest_P - positive_logit_P).mean()


def _is_own_id(target_ids_BK: Tensor, has_target_BK: Tensor) -> Tensor:
    """(B, B, K): is target k of user z an item that is also among user i's own targets?"""
    unique, dense_BK = torch.unique(target_ids_BK, return_inverse=True)
    owns_BV = torch.zeros(len(target_ids_BK), len(unique), dtype=torch.bool, device=target_ids_BK.device)
    row_BK, column_BK = torch.nonzero(has_target_BK, as_tuple=True)
    owns_BV[row_BK, dense_BK[row_BK, column_BK]] = True
    return owns_BV[:, dense_BK]
