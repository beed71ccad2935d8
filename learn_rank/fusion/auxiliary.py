"""The loss that supervises the fusion embedding: conversion, click, or both."""

from __future__ import annotations

from torch import Tensor, ones_like, where, zeros_like
from torch.nn import functional

#: auxiliary task -> what each of its logits predicts
AUXILIARY_TASKS = {"cvr": ("cvr",), "ctr": ("ctr",), "both": ("cvr", "ctr")}


def auxiliary_loss(logit: Tensor, click: Tensor, conversion: Tensor, *, task: str, space: str) -> Tensor:
    """Cross-entropy of each logit of the task, a mean over the rows that it may see, summed over the logits.

    Args:
        logit: (B,), or (B, 2) for "both": conversion, click.
        click: (B,) 0 or 1.
        conversion: (B,) 0 or 1; anything, NaN included, where not clicked.
        task: of `AUXILIARY_TASKS`.
        space: rows that conversion is learned from: "clicked", or "all" with an unclicked row as none.

    Returns:
        A scalar; 0 where no row may be seen.

    Source: LEARN (arXiv 2405.03988), section 3.4, for conversion; the other choices are ours.
    """
    targets = AUXILIARY_TASKS[task]
    logit_BK = logit.reshape(logit.shape[0], len(targets))
    losses = []
    for logit_B, target in zip(logit_BK.unbind(1), targets, strict=True):
        label_B, counts_B = click, ones_like(click)
        if target == "cvr":
            label_B = where(click > 0, conversion, zeros_like(conversion))
            counts_B = click if space == "clicked" else counts_B
        loss_B = functional.binary_cross_entropy_with_logits(logit_B, label_B, reduction="none")
        losses.append((loss_B * counts_B).sum() / counts_B.sum().clamp(min=1))
    return losses[0] if len(losses) == 1 else losses[0] + losses[1]
