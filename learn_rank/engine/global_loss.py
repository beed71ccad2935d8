"""The loss of the global batch, the same number on every process and on any number of them.

A mean of the processes' means is another number wherever a loss divides by something other than the rows (the
clicked ones, say). The scores of a row are a few numbers, so they are gathered and the loss is taken once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from learn_rank.data.batch import Batch
from learn_rank.fusion.learn_feature_fusion import FusionOutput
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.scores import Scores


class GlobalLoss(nn.Module):
    """`Ranker.loss` over the rows of all processes; every process brings as many rows.

    Args:
        ranker: whose loss it is; it is not registered as a part of this module.
        group: the processes.
    """

    def __init__(self, ranker: Ranker, group: dist.ProcessGroup) -> None:
        super().__init__()
        self._ranker = (ranker,)
        self._group = group

    def forward(self, scores: Scores, batch: Batch) -> Tensor:
        """Scores and labels of this process -> scalar loss of all."""
        if dist.get_world_size(self._group) > 1:
            scores, batch = gathered(scores, batch, self._group)
        return self._ranker[0].loss(scores, batch)


def gathered(scores: Scores, batch: Batch, group: dist.ProcessGroup) -> tuple[Scores, Batch]:
    """Scores and labels of all processes, with gradients to this process's own.

    The gradient is multiplied by the number of processes, because data parallel wrappers and sharded tables
    take the mean over them.
    """
    fused = () if scores.fusion is None else tuple(scores.fusion.columns.values())  # no loss reads the slots
    of_host = () if scores.host is None else tuple(logit for logit in scores.host if logit is not None)
    conversion_logit = () if scores.cvr_logit is None else (scores.cvr_logit,)
    columns = [batch.click, batch.conversion, scores.ctr_logit, *conversion_logit, *of_host, *fused]
    table = torch.cat([column.reshape(len(column), -1).float() for column in columns], dim=1)
    whole: Tensor = _Gather.apply(table, group)
    parts = whole.split([column.shape[1:].numel() for column in columns], dim=1)
    click, conversion, ctr, *rest = (
        part.reshape(len(whole), *column.shape[1:]).to(column.dtype)
        for part, column in zip(parts, columns, strict=True)
    )
    cvr = rest.pop(0) if conversion_logit else None
    host = None
    if scores.host is not None:
        host = Scores(rest.pop(0), rest.pop(0) if scores.host.cvr_logit is not None else None, None)
    fusion = None if scores.fusion is None else FusionOutput(*rest)
    return Scores(ctr, cvr, fusion, host), replace(batch, click=click, conversion=conversion)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group, ctx.n_rows = group, len(table)
        pieces = [torch.empty_like(table) for _ in range(dist.get_world_size(group))]
        dist.all_gather(pieces, table.contiguous(), group=group)
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        first = dist.get_rank(ctx.group) * ctx.n_rows
        # every process computes the same loss, so its own slice is all there is to know
        return gradients[0][first : first + ctx.n_rows] * dist.get_world_size(ctx.group), None
