"""AUC, UAUC and WUAUC as a torchmetrics object: over batches and ranks, the digits of the exact function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric as TorchMetric
from torchmetrics.utilities.distributed import gather_all_tensors

from learn_rank.metrics.auc import UAUC, Metric, MetricResult
from learn_rank.metrics.streaming.all_gather import gather_rows
from learn_rank.metrics.streaming.row_buffer import (
    COLUMNS,
    append_batch,
    as_batch,
    check_metrics,
    drop_oldest,
    joined,
    metric_results,
)


class StreamedAUC(TorchMetric):
    """AUC, UAUC or WUAUC of rows that come in batches, on any number of ranks.

    Definition: the value of `metric` on all rows of all ranks since the last reset; the same digits however
    the rows were split, since they are kept and judged together. With row weights the digits hold over
    batches; over ranks they hold unless two rows share user, score and label: then their weights are added
    in another order, which is felt in the last digit. One row takes 13 bytes in float32 (17 in float64), on
    the metric's device; row weights add 4 or 8.

    Args:
        metric: default UAUC(). `WUAUC` by impressions or positives, since other columns are not kept.
        max_rows: keep only the last so many rows of each rank, a sliding window for training. None: all of
            them, as an evaluation needs it.
        **kwargs: those of `torchmetrics.Metric` (process_group, dist_sync_on_step, ..).

    Raises:
        ValueError: naming the argument; scores and labels themselves are checked by `compute`, so that
            `update` does not wait for the device.

    Example:
        >>> judged = StreamedAUC(UAUC())
        >>> judged.update(torch.tensor([0.9, 0.1]), torch.tensor([1, 0]), torch.tensor([7, 7]))
        >>> judged.update(torch.tensor([0.9, 0.2]), torch.tensor([0, 1]), torch.tensor([7, 8]))
        >>> judged.compute().item()  # user 7: one pair won, one tied; user 8 has one class
        0.75
        >>> result = judged.result()
        >>> result.n_users, result.n_skipped_users, result.covered_rows
        (2, 1, 0.75)

    Source: as `learn_rank.metrics.UAUC`.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, metric: Metric | None = None, *, max_rows: int | None = None, **kwargs: Any) -> None:
        # torchmetrics 1.0 does not clear the caches of a MetricCollection's grouped members
        super().__init__(**{"compute_with_cache": False, **kwargs})
        self.metric = UAUC() if metric is None else metric
        check_metrics([self.metric])
        if max_rows is not None and (not isinstance(max_rows, int) or max_rows < 1):
            raise ValueError(f"max_rows: expected an integer of at least 1, or None, got {max_rows!r}")
        self.max_rows = max_rows
        # a MetricCollection shares rows between metrics whose first state is equal: those of the same window
        self.add_state("window", torch.tensor(0 if max_rows is None else max_rows), dist_reduce_fx="max")
        for name in COLUMNS:
            self.add_state(name, [], dist_reduce_fx="cat")
        self._result: MetricResult | None = None

    def update(self, preds: Tensor, target: Tensor, users: Tensor, weights: Tensor | None = None) -> None:
        """Keep a batch.

        Args:
            preds: (N,) scores, floating point; logits and probabilities alike.
            target: (N,) 0/1.
            users: (N,) integer ids.
            weights: (N,) row weights >= 0, in every batch or in none.
        """
        names = ("preds", "target", "users", "weights")
        batch = as_batch(preds, target, users, weights, device=self.device, names=names)
        if preds.dim() != 1:
            raise ValueError(f"preds: expected shape (N,), got {tuple(preds.shape)}. Remedy: flatten it")
        append_batch(self._kept(), batch)
        if self.max_rows is not None:
            drop_oldest(self._kept(), self.max_rows)

    def compute(self) -> Tensor:
        """The value, float64 scalar; NaN where the metric is undefined."""
        rows = joined(self._kept())
        scores, labels, users = (
            torch.empty(0, dtype=dtype) if column is None else column
            for column, dtype in (
                (rows["scores"], torch.float32),
                (rows["labels"], torch.uint8),
                (rows["users"], torch.int64),
            )
        )
        (self._result,) = metric_results([self.metric], scores, labels, users, rows["weights"])
        return torch.tensor(self._result.value, dtype=torch.float64, device=self.device)

    def result(self) -> MetricResult:
        """The value with its counts, see `MetricResult`. All ranks call it, as they call `compute`."""
        self.compute()
        if self._result is None:
            raise RuntimeError(
                "result: expected compute to leave its counts. Remedy: override it with super()"
            )
        return self._result

    def _kept(self) -> dict[str, list[Tensor]]:
        return {name: getattr(self, name) for name in COLUMNS}

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any = None
    ) -> None:
        group = process_group if process_group is not None else self.process_group
        rows, _ = gather_rows(self._kept(), lambda column: dist_sync_fn(column, group=group), self.device)
        for name, columns in rows.items():
            setattr(self, name, columns)
