"""Rows that a metric keeps while batches come in: checked, compact, judged exactly once somebody asks.

Functions of tensors under `torchmetrics_auc.py` and `torchrec_auc.py`. An AUC cannot be put together from
those of batches, since a user's rows are compared with each other wherever they arrived; so the rows are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from learn_rank.metrics.auc import AUC, GroupedMetric, Metric, MetricResult
from learn_rank.metrics.grouped_auc import fold_users
from learn_rank.metrics.labelled_rows import LabelledRows

COLUMNS = ("scores", "labels", "users", "weights")
Kept = Mapping[str, list[Tensor]]

# small batches are joined up to this many rows, so that tensors do not outweigh what they hold
_BLOCK = 1 << 16
_NOT_A_LABEL = 255
FLOATS = (torch.float32, torch.float64)
_INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


def as_batch(
    scores: Any, labels: Any, users: Any, weights: Any, *, device: torch.device, names: Sequence[str]
) -> dict[str, Tensor]:
    """Copy a batch's columns to `device`, in the smallest dtype that loses nothing.

    Nothing here waits for the device: values (finite scores, labels 0 or 1) are checked by `metric_results`.

    Args:
        scores: (.., N) floating point; float16 and bfloat16 become float32, float64 stays.
        labels: (.., N) 0/1 of any dtype, as scores; become uint8, with 255 for anything else.
        users: (N,) integers; become int64.
        weights: (.., N) row weights as scores, or None for all 1.
        device: where the rows are kept.
        names: how messages call scores, labels, users, weights.

    Raises:
        ValueError: naming the argument: no tensor, a dtype that would merge scores or ids, another shape.
    """
    columns = dict(zip(names, (scores, labels, users, weights), strict=True))
    score_name, _, user_name, weight_name = names
    for name, column in columns.items():
        if not isinstance(column, Tensor) and not (name == weight_name and column is None):
            remedy = (
                "make integers of string ids with learn_recall.store.id_keys"
                if name == user_name
                else "torch.as_tensor"
            )
            raise ValueError(f"{name}: expected a tensor, got {type(column).__name__}. Remedy: {remedy}")
        if column is not None and name != user_name and column.shape != scores.shape:
            raise ValueError(
                f"{name}: expected shape {tuple(scores.shape)}, as {score_name}, got {tuple(column.shape)}"
            )
    if scores.dim() == 0 or users.shape != scores.shape[-1:]:
        raise ValueError(
            f"{user_name}: expected one id for each row, shape {tuple(scores.shape[-1:])}, "
            f"got {tuple(users.shape)} with {score_name} of shape {tuple(scores.shape)}. Remedy: flatten both"
        )
    if not scores.is_floating_point():
        raise ValueError(
            f"{score_name}: expected floating point, got {scores.dtype}. Remedy: {score_name}.double()"
        )
    if users.dtype not in _INTEGERS:
        raise ValueError(
            f"{user_name}: expected integer ids up to int64, got {users.dtype}. "
            "Remedy: keep ids as int64 from the start; as floats, large ids have already fallen together"
        )
    is_label = (labels == 0) | (labels == 1)
    batch = {
        "scores": _as_float(scores, device),
        "labels": torch.where(is_label, labels, 0).to(torch.uint8).masked_fill(~is_label, _NOT_A_LABEL),
        "users": users.detach().to(device, torch.int64, copy=True),
    }
    batch["labels"] = batch["labels"].to(device)
    if weights is not None:
        batch["weights"] = _as_float(weights, device)
    return batch


def _as_float(column: Tensor, device: torch.device) -> Tensor:
    is_wide = column.dtype == torch.float64 or not column.is_floating_point()
    return column.detach().to(device, torch.float64 if is_wide else torch.float32, copy=True)


def append_batch(kept: Kept, batch: Mapping[str, Tensor]) -> None:
    """Add a batch to the lists, in place; small batches are joined with the one before.

    Raises:
        ValueError: row weights in some batches but not in others.
    """
    if batch["users"].numel() == 0:
        return
    if kept["users"] and bool(kept["weights"]) != ("weights" in batch):
        raise ValueError(
            "weights: expected in every batch or in none, got both. Remedy: pass ones where none is given"
        )
    is_joined = bool(kept["users"]) and kept["users"][-1].numel() + batch["users"].numel() <= _BLOCK
    for name, column in batch.items():
        if is_joined:
            kept[name][-1] = torch.cat([kept[name][-1], column], dim=-1)
        else:
            kept[name].append(column)


def drop_oldest(kept: Kept, max_rows: int) -> None:
    """Shorten the lists, in place, to the last `max_rows` rows."""
    n_surplus = n_kept(kept) - max_rows
    for columns in kept.values():
        n_left = n_surplus
        while columns and n_left >= columns[0].shape[-1]:
            n_left -= columns.pop(0).shape[-1]
        if columns and n_left > 0:
            columns[0] = columns[0][..., n_left:].clone()


def n_kept(kept: Kept) -> int:
    """Rows in the lists."""
    return sum(column.numel() for column in kept["users"])


def joined(kept: Kept) -> dict[str, Tensor | None]:
    """Each list as one tensor; None for an empty list."""
    return {name: torch.cat(kept[name], dim=-1) if kept[name] else None for name in COLUMNS}


def metric_results(
    metrics: Sequence[Metric], scores: Tensor, labels: Tensor, users: Tensor, weights: Tensor | None
) -> list[MetricResult]:
    """The metrics of `learn_rank.metrics` on kept rows; means over users share one pass.

    Args:
        metrics: what to compute.
        scores: (N,).
        labels: (N,) uint8 as `as_batch` makes them.
        users: (N,) int64.
        weights: (N,) or None.

    Raises:
        ValueError: see `Metric.__call__`; besides, labels that were neither 0 nor 1.
    """
    n_bad = int((labels == _NOT_A_LABEL).sum())
    if n_bad:
        raise ValueError(
            f"labels: expected only 0 and 1, got {n_bad} other row(s) among {labels.numel()}. "
            "Remedy: leave rows without a label out, and turn grades into 0/1"
        )
    rows = LabelledRows.of(
        labels.cpu().numpy(), users.cpu().numpy(), None if weights is None else weights.cpu().numpy()
    )
    score = scores.cpu().numpy()
    is_fold = [isinstance(metric, GroupedMetric) for metric in metrics]
    per_user = fold_users(rows, score) if any(is_fold) else None
    return [
        metric.result(metric.fold(per_user))
        if isinstance(metric, GroupedMetric) and per_user is not None
        else metric.compute(rows, score)
        for metric in metrics
    ]


def check_metrics(metrics: Sequence[Metric]) -> None:
    """Refuse a metric other than AUC and means of it, and one that needs a further column."""
    for metric in metrics:
        if not isinstance(metric, AUC | GroupedMetric):
            raise ValueError(f"metric: expected AUC(), UAUC() or WUAUC(), got {metric!r}")
        if isinstance(metric, GroupedMetric):
            try:
                metric.columns_used({})
            except ValueError:
                raise ValueError(
                    f"metric: expected user weights 'impressions' or 'positives', got {metric}. "
                    "Remedy: compute it from the prediction table; further columns are not kept here"
                ) from None


def task_rows(
    rows: dict[str, Tensor | None], task: int, chosen: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Scores, labels, users and weights of one task's rows: the chosen ones whose weight is not 0."""
    scores, labels, users, weights = (rows[name] for name in COLUMNS)
    if scores is None or labels is None or users is None:
        return torch.empty(0), torch.empty(0, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), None
    chosen = chosen.to(scores.device)
    weight = None if weights is None else weights[task, chosen]
    if weight is not None:
        chosen, weight = chosen[weight != 0], weight[weight != 0]
        weight = None if bool((weight == 1).all()) else weight
    return scores[task, chosen], labels[task, chosen], users[chosen], weight


def last_rows(shards: Sequence[int], window: int) -> Tensor:
    """Positions of each shard's last `window` rows, where shards lie one after the other."""
    ends = torch.tensor(shards).cumsum(0).tolist()
    return torch.cat(
        [torch.arange(end - min(size, window), end) for size, end in zip(shards, ends, strict=True)]
    )
