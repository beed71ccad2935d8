"""AUC, UAUC and WUAUC as a torchrec `RecMetric`: over batches and ranks, the digits of the exact function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors
from torchrec.metrics.metrics_config import RecMetricEnumBase, RecTaskInfo
from torchrec.metrics.metrics_namespace import MetricNameBase, MetricNamespaceBase, MetricPrefix
from torchrec.metrics.rec_metric import MetricComputationReport, RecMetric, RecMetricComputation

from learn_rank.metrics.auc import AUC, UAUC, WUAUC, GroupedMetric, Metric, MetricResult
from learn_rank.metrics.streaming.all_gather import gather_rows
from learn_rank.metrics.streaming.row_buffer import (
    COLUMNS,
    append_batch,
    as_batch,
    check_metrics,
    drop_oldest,
    joined,
    last_rows,
    metric_results,
    n_kept,
    task_rows,
)

WINDOW_ROWS = 10_000_000  # torchrec's own default of a RecMetricDef


class UserAUCNamespace(MetricNamespaceBase):
    """The first part of a reported key."""

    USER_AUC = "user_auc"


class UserAUCName(MetricNameBase):
    """The name in a reported key."""

    AUC = "auc"
    UAUC = "uauc"
    WUAUC = "wuauc"
    N_ROWS = "n_rows"


class UserAUCEnum(RecMetricEnumBase):
    """The key under which `REC_METRICS_MAPPING` and a `MetricsConfig` may know the metric."""

    USER_AUC = "user_auc"


_NAMES: dict[type[Metric], Any] = {
    AUC: UserAUCName.AUC,
    UAUC: UserAUCName.UAUC,
    WUAUC: UserAUCName.WUAUC,
}


class UserAUCMetricComputation(RecMetricComputation):
    """Keeps the rows of one task, or of all fused tasks, and judges them; made by `UserAUCMetric`."""

    def __init__(
        self, *args: Any, metrics: Sequence[Metric], user_key: str, has_lifetime: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._metrics = tuple(metrics)
        self._user_key = user_key
        self._has_lifetime = has_lifetime
        for name in COLUMNS:
            self._add_state(name, [], add_window_state=False, dist_reduce_fx=_join, persistent=False)
        self._shard_rows: list[int] | None = None

    @torch.compiler.disable
    def update(
        self, *, predictions: Tensor | None, labels: Tensor, weights: Tensor | None, **kwargs: Any
    ) -> None:
        """Keep a batch: predictions, labels, weights (T, N), required_inputs[user_key] N ids."""
        users = kwargs.get("required_inputs", {}).get(self._user_key)
        if users is None:
            raise ValueError(
                f"required_inputs: expected the user ids under {self._user_key!r}, got none. "
                "Remedy: put them into the model's output under that key, or name their key as user_key="
            )
        names = ("predictions", "labels", self._user_key, "weights")
        batch = as_batch(predictions, labels, users.reshape(-1), weights, device=self.device, names=names)
        append_batch(self._kept(), batch)
        if not self._has_lifetime:
            drop_oldest(self._kept(), self._window_size)

    def _compute(self) -> list[MetricComputationReport]:
        rows = joined(self._kept())
        shards = [n_kept(self._kept())] if self._shard_rows is None else self._shard_rows
        spans = {MetricPrefix.WINDOW: last_rows(shards, self._window_size)}
        if self._has_lifetime:
            spans[MetricPrefix.LIFETIME] = torch.arange(sum(shards))
        reports = []
        for prefix, chosen in spans.items():
            results = [
                metric_results(self._metrics, *task_rows(rows, task, chosen)) for task in range(self._n_tasks)
            ]
            for name, description, values in _report_values(self._metrics, results):
                value = torch.tensor(values, dtype=torch.float64, device=self.device)
                reports.append(MetricComputationReport(name, prefix, value, description))
        return reports

    def _kept(self) -> dict[str, list[Tensor]]:
        return {name: getattr(self, name) for name in COLUMNS}

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any = None
    ) -> None:
        group = process_group if process_group is not None else self.process_group
        rows, self._shard_rows = gather_rows(
            self._kept(), lambda column: dist_sync_fn(column, group=group), self.device, (self._n_tasks,)
        )
        for name, columns in rows.items():
            setattr(self, name, columns)

    def unsync(self, should_unsync: bool = True) -> None:
        """Return to this rank's own rows."""
        super().unsync(should_unsync)
        if should_unsync:
            self._shard_rows = None

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._shard_rows = None


class UserAUCMetric(RecMetric):
    """AUC, UAUC and WUAUC of each task over the last rows of all ranks.

    Definition: `window_` values are those of `learn_rank.metrics` on the last ceil(window_size / world_size)
    rows of every rank, put together: the window of torchrec's AUC. `lifetime_` values, where asked for, are
    those on all rows since the last reset. Rows of weight 0 count for the window and are then left out, which
    is how a torchrec task says that a row is not its own (CVR: weight_name="click"); where all others have
    weight 1, the digits are those without weights.

    Reported keys: `user_auc-TASK|window_uauc` with `.._n_users`, `.._n_skipped_users`, `.._covered_rows`, the
    same for wuauc, then `window_auc` and `window_n_rows`. Values are float64; undefined is NaN.

    Args:
        world_size: number of trainers.
        my_rank: rank of this trainer; rank 0 reports, or all with `compute_on_all_ranks`.
        batch_size: rows of a batch on this trainer.
        tasks: torchrec's description of the tasks.
        metrics: what to compute; settings such as UAUC(min_rows=5) become part of the key.
        user_key: where the model's output holds the user ids, (N,) integers.
        has_lifetime: also keep and judge every row since the last reset: memory grows with the rows.
        window_size: rows over all ranks; a row takes 13 bytes in float32, and 4 more for its weight.
        should_validate_update: accepted, and never acted on: batches of weight 0 do no harm here, and
            torchrec's validation would report 0 where a value is undefined.
        fused_update_limit: 0; torchrec's buffer of updates drops the user ids.
        **kwargs: those of torchrec's `RecMetric`.

    Raises:
        ValueError: naming the argument.

    Example:
        >>> ctr = RecTaskInfo("ctr", label_name="click", prediction_name="pctr", weight_name="one")
        >>> metric = UserAUCMetric(world_size=1, my_rank=0, batch_size=4, tasks=[ctr])
        >>> metric.update(
        ...     predictions={"ctr": torch.tensor([0.9, 0.1, 0.3, 0.3])},
        ...     labels={"ctr": torch.tensor([1.0, 0.0, 1.0, 0.0])},
        ...     weights=None,
        ...     required_inputs={"user_id": torch.tensor([7, 7, 8, 8])},
        ... )
        >>> metric.compute()["user_auc-ctr|window_uauc"].item()  # (1 + 1/2) / 2
        0.75

    Source: as `learn_rank.metrics.UAUC`; the interface is that of torchrec 1.8.
    """

    _namespace = UserAUCNamespace.USER_AUC
    _computation_class = UserAUCMetricComputation

    def __init__(
        self,
        *,
        world_size: int,
        my_rank: int,
        batch_size: int,
        tasks: list[RecTaskInfo],
        metrics: Sequence[Metric] = (AUC(), UAUC(), WUAUC()),
        user_key: str = "user_id",
        has_lifetime: bool = False,
        window_size: int = WINDOW_ROWS,
        should_validate_update: bool = False,
        fused_update_limit: int = 0,
        **kwargs: Any,
    ) -> None:
        check_metrics(metrics)
        unknown = [str(metric) for metric in metrics if type(metric) not in _NAMES]
        if unknown:
            raise ValueError(f"metrics: expected AUC, UAUC or WUAUC, got {', '.join(unknown)}")
        if fused_update_limit > 0:
            raise ValueError(
                f"fused_update_limit: expected 0, got {fused_update_limit}. Remedy: leave it at 0; "
                "torchrec's buffer of updates drops the user ids"
            )
        super().__init__(
            world_size=world_size,
            my_rank=my_rank,
            batch_size=batch_size,
            tasks=tasks,
            window_size=window_size,
            metrics=metrics,
            user_key=user_key,
            has_lifetime=has_lifetime,
            **kwargs,
        )
        self._required_inputs.add(user_key)


def _report_values(
    metrics: Sequence[Metric], results: Sequence[Sequence[MetricResult]]
) -> Iterator[tuple[Any, str | None, list[Any]]]:
    """(name, what follows the name in the key, values of the tasks); `results` are tasks x metrics."""
    for at, metric in enumerate(metrics):
        found = [task[at] for task in results]
        name, settings = _NAMES[type(metric)], str(metric)[len(type(metric).__name__) :]
        yield name, settings, [result.value for result in found]
        if isinstance(metric, GroupedMetric):
            for count in ("n_users", "n_skipped_users", "covered_rows"):
                yield name, f"{settings}_{count}", [getattr(result, count) for result in found]
    yield UserAUCName.N_ROWS, None, [task[0].n_rows for task in results]


def _join(columns: Sequence[Tensor]) -> list[Tensor]:
    return [torch.cat(list(columns), dim=-1)]
