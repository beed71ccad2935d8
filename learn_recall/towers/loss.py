"""The losses of the double tower, as functions of vectors; value and gradient in memory linear in the inputs.

B users, J history positions, K targets, P predictions, M candidates, N items, E excluded items, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from learn_recall.towers.contrastive_core import Exclusion, contrast

SIMILARITIES = ("dot", "cosine")


def dense_all_action_loss(
    user: Tensor,
    target: Tensor,
    target_ids: Tensor,
    *,
    has_user: Tensor | None = None,
    has_target: Tensor | None = None,
    user_weight: Tensor | None = None,
    target_weight: Tensor | None = None,
    temperature: float | Tensor = 0.05,
    similarity: str = "dot",
    mask_equal_ids: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Every sampled history position predicts every sampled target of its user.

    Definition: ``- sum_ijk log e^s(u_ij, v_ik) / (e^s(u_ij, v_ik) + sum_{z != i} sum_k' e^s(u_ij, v_zk'))``
    with s = similarity / temperature. Negatives are the targets of the *other* users; the user's own other
    targets stand neither as negatives nor in the denominator.

    Args:
        user: (B, J, D) float, user vectors at the sampled history positions.
        target: (B, K, D) float, item vectors of the sampled targets.
        target_ids: (B, K) integers; what counts as the same item.
        has_user: (B, J) bool, False = padding. None = all there.
        has_target: (B, K) bool, False = padding. None = all there.
        user_weight, target_weight: (B, J), (B, K) float >= 0; a pair weighs their product, for instance
            `recency_weights` where stage 2 did not draw by them. None = 1.
        temperature: divisor of the similarities, a number or a tensor that is learned. The paper states none;
            0.05 is the released code's.
        similarity: "dot", of vectors as they come (the towers' are of unit length), or "cosine".
        mask_equal_ids: an item of another user that is also one of the user's own targets is no negative. The
            formula is silent; the released code masks.
        reduction: "mean" over pairs (default: the step does not depend on the batch) or "sum" (the formula).

    Returns:
        Scalar; 0 when there is no pair, and for a user whom no other user gives a negative.

    Raises:
        ValueError: shapes that do not fit or an unknown reduction or similarity.

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
    has_target = torch.ones_like(target_ids, dtype=torch.bool) if has_target is None else has_target
    user, target = _prepared(user, similarity) / temperature, _prepared(target, similarity)
    user_weight = _weight("user_weight", user_weight, has_user, user)
    target_weight = _weight("target_weight", target_weight, has_target, target)
    owner_BK = torch.arange(len(user), device=user.device)[:, None].expand_as(target_ids)
    key_BK = target_ids if mask_equal_ids else owner_BK
    exclusion = Exclusion(key_BK[has_target], key_BK, has_target)
    total = contrast(
        user, target, target[has_target], exclusion, user_weight=user_weight, positive_weight=target_weight
    )
    if reduction == "sum":
        return total
    weight = (user_weight.sum(1, dtype=torch.float64) * target_weight.sum(1, dtype=torch.float64)).sum()
    return total / torch.where(weight > 0, weight, 1.0).to(total)


def sampled_softmax_loss(
    user: Tensor,
    positive: Tensor,
    positive_ids: Tensor,
    candidate: Tensor,
    candidate_ids: Tensor,
    *,
    candidate_log_expected: Tensor,
    positive_log_expected: Tensor | None = None,
    positive_bias: Tensor | None = None,
    candidate_bias: Tensor | None = None,
    excluded_ids: Tensor | None = None,
    has_excluded: Tensor | None = None,
    weight: Tensor | None = None,
    temperature: float | Tensor = 0.05,
    similarity: str = "dot",
) -> Tensor:
    """Softmax of one positive against shared sampled candidates, corrected for how often each was to be
    expected.

    Definition: ``mean_p log(1 + sum_m e^(z_pm - log q_m) / e^(z_p - log q_p))`` over candidates m whose id is
    neither p's nor excluded for p, with z = similarity / temperature + bias and q_m the expected number of
    copies of m among the candidates. The candidates may be drawn uniformly, from the batch, or both: only q
    tells.

    *Corrected* logQ (default): q_p = 1, since the positive is there for certain and not by a draw. With all
    items as candidates and q = 1 it is the full softmax; with sampled candidates it estimates the full
    softmax. *Standard* logQ gives the positive a correction as well (``positive_log_expected``), as most
    systems do; no correction is ``candidate_log_expected`` of zeros, and a correction of strength a takes a
    times log q.

    Args:
        user, positive: (P, D) float vectors.
        positive_ids: (P,) integers.
        candidate_ids: (M,) integers.
        candidate: (M, D) float vectors, shared by all P.
        candidate_log_expected: (M,) float, ``log q``.
        positive_log_expected: (P,) float, ``log q`` of the positives, for standard logQ. None = corrected.
        positive_bias, candidate_bias: (P,) and (M,) added to the logits; a share of the log popularity here
            lowers popular items in the scores (`LossConfig.logq_strength`). None = 0.
        excluded_ids: (P, E) integers, items that are no negatives of p either, such as what the user has.
        has_excluded: (P, E) bool, False = padding. None = none, and all of them.
        weight: (P,) float >= 0 of each prediction in the mean. None = 1.
        temperature: divisor of the similarities, a number or a tensor that is learned.
        similarity: "dot", of vectors as they come (the towers' are of unit length), or "cosine".

    Returns:
        Scalar mean over P; 0 when P = 0.

    Raises:
        ValueError: shapes that do not fit or an unknown similarity.

    Source: sampled softmax with logQ correction (Yi et al., RecSys 2019); positive left uncorrected after
    arXiv 2507.09331.
    """
    if user.ndim != 2 or user.shape != positive.shape or candidate.shape[1:] != user.shape[1:]:
        raise ValueError(
            "user, positive, candidate: expected shapes (P, D), (P, D), (M, D); got "
            f"{tuple(user.shape)}, {tuple(positive.shape)}, {tuple(candidate.shape)}"
        )
    if positive_ids.shape != user.shape[:1] or candidate_ids.shape != candidate.shape[:1]:
        raise ValueError(
            f"positive_ids, candidate_ids: expected shapes ({len(user)},), ({len(candidate)},); got "
            f"{tuple(positive_ids.shape)}, {tuple(candidate_ids.shape)}"
        )
    if len(user) == 0:
        return user.sum() * 0.0
    own_ids, has_own = positive_ids[:, None], torch.ones_like(positive_ids, dtype=torch.bool)[:, None]
    if excluded_ids is not None:
        has_excluded = (
            torch.ones_like(excluded_ids, dtype=torch.bool) if has_excluded is None else has_excluded
        )
        own_ids, has_own = torch.cat([own_ids, excluded_ids], 1), torch.cat([has_own, has_excluded], 1)
    scaled_PD = _prepared(user, similarity) / temperature
    weight_P1 = _weight("weight", None if weight is None else weight[:, None], None, scaled_PD[:, None])
    positive_shift_P = _shift(positive_bias, positive_log_expected)
    total = contrast(
        scaled_PD[:, None],
        _prepared(positive, similarity)[:, None],
        _prepared(candidate, similarity),
        Exclusion(candidate_ids, own_ids, has_own),
        user_weight=weight_P1,
        positive_weight=torch.ones_like(weight_P1),
        positive_shift=None if positive_shift_P is None else positive_shift_P[:, None].to(scaled_PD),
        candidate_shift=_shift(candidate_bias, candidate_log_expected).to(scaled_PD),  # type: ignore[union-attr]
    )
    total_weight = weight_P1.sum(dtype=torch.float64)
    return total / torch.where(total_weight > 0, total_weight, 1.0).to(total)


def catalogue_softmax_loss(
    user: Tensor,
    item: Tensor,
    target: Tensor,
    *,
    item_bias: Tensor | None = None,
    excluded: Tensor | None = None,
    has_excluded: Tensor | None = None,
    weight: Tensor | None = None,
    temperature: float | Tensor = 0.05,
    similarity: str = "dot",
) -> Tensor:
    """Softmax of each target against the whole catalogue: cross-entropy without its matrix of logits.

    Args:
        user: (P, D) float.
        item: (N, D) float, every item.
        target: (P,) integers, rows of ``item``.
        item_bias: (N,) float added to the logits. None = 0.
        excluded: (P, E) integers, rows of ``item`` left out of the sum for p; has_excluded: as in
            `sampled_softmax_loss`, and so are weight, temperature and similarity.

    Returns:
        Scalar mean over P; 0 when P = 0.

    Raises:
        ValueError: shapes that do not fit, a target that is no row of ``item``, or an unknown similarity.
    """
    if len(target) and not 0 <= int(target.min()) <= int(target.max()) < len(item):
        raise ValueError(
            f"target: expected rows 0..{len(item) - 1} of item; got {int(target.min())}..{int(target.max())}"
        )
    return sampled_softmax_loss(
        user,
        F.embedding(target, item),
        target,
        item,
        torch.arange(len(item), device=item.device),
        candidate_log_expected=item.new_zeros(len(item)),
        positive_bias=None if item_bias is None else item_bias[target],
        candidate_bias=item_bias,
        excluded_ids=excluded,
        has_excluded=has_excluded,
        weight=weight,
        temperature=temperature,
        similarity=similarity,
    )


def _prepared(vectors: Tensor, similarity: str) -> Tensor:
    """Vectors whose dot product is the similarity, in float32 at least."""
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity: expected one of {', '.join(SIMILARITIES)}; got {similarity!r}")
    vectors = vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors
    return F.normalize(vectors, dim=-1) if similarity == "cosine" else vectors


def _weight(name: str, weight: Tensor | None, has: Tensor | None, vectors: Tensor) -> Tensor:
    """Weights (B, J) of vectors (B, J, D), 0 where there is none."""
    for given in (weight, has):
        if given is not None and given.shape != vectors.shape[:2]:
            raise ValueError(f"{name}: expected shape {tuple(vectors.shape[:2])}; got {tuple(given.shape)}")
    filled = vectors.new_ones(vectors.shape[:2]) if weight is None else weight.detach().to(vectors)
    if bool((filled < 0).any()):
        raise ValueError(f"{name}: expected numbers of at least 0; got {float(filled.min())}")
    return filled if has is None else torch.where(has, filled, 0.0)


def _shift(bias: Tensor | None, log_expected: Tensor | None) -> Tensor | None:
    """bias - log q; None where there is neither."""
    if log_expected is None:
        return bias
    return -log_expected if bias is None else bias - log_expected
