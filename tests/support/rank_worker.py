"""What one of two ranks does in test_metric_ranks.py."""

import gc
import json
import os
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

N_RANKS = 2


def rows(n_rows=600, n_users=40, seed=0):
    """labels, float64 scores with many ties, user ids above 2^24, weights; every user's rows lie anywhere."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, n_users, n_rows) + 2**24
    labels = (rng.random(n_rows) < 0.3).astype(np.int64)
    scores = np.round(rng.normal(size=n_rows) + 0.5 * labels, 1)
    return labels, scores, users, rng.random(n_rows)


def untied_rows():
    """Rows without two of the same user, score and label."""
    labels, _, users, weights = rows(seed=1)
    return labels, np.random.default_rng(2).permutation(labels.size) / 7, users, weights


def batches(columns, rank, size=37):
    """Every second batch of the rows."""
    n_rows = len(columns[0])
    for start in range(rank * size, n_rows, size * N_RANKS):
        yield [torch.as_tensor(column[start : start + size]) for column in columns]


def streamed(metric, chunks, *, has_weights=False, dtype=torch.float64):
    for labels, scores, users, weights in chunks:
        metric.update(scores.to(dtype), labels, users, weights if has_weights else None)
    return metric.result().as_dict()


def refusal(metric, chunks, has_weights):
    try:
        return streamed(metric, chunks, has_weights=has_weights)
    except ValueError as error:
        return str(error)


def torchmetrics_findings(rank):
    from learn_rank.metrics.auc import AUC, UAUC, WUAUC
    from learn_rank.metrics.streaming.torchmetrics_auc import StreamedAUC

    found = {}
    for metric in (AUC(), UAUC(), WUAUC(), WUAUC("positives")):
        found[str(metric)] = streamed(StreamedAUC(metric), batches(rows(), rank))
        untied = batches(untied_rows(), rank)
        found[f"weighted {metric}"] = streamed(StreamedAUC(metric), untied, has_weights=True)
    alone = (chunk for chunk in batches(rows(), 0) if rank == 0)
    found["one rank without rows"] = streamed(StreamedAUC(), alone)
    alone = (chunk for chunk in batches(untied_rows(), 0) if rank == 1)
    found["first rank without rows"] = streamed(StreamedAUC(), alone, has_weights=True)
    found["no rows"] = streamed(StreamedAUC(), [])
    found["window"] = streamed(StreamedAUC(max_rows=50), batches(rows(), rank))
    dtype = (torch.float32, torch.float64)[rank]
    found["two dtypes"] = streamed(StreamedAUC(), batches(rows(), rank), dtype=dtype)
    found["weights on one rank"] = refusal(StreamedAUC(), batches(rows(), rank), rank == 0)
    metric = StreamedAUC()
    found["forward"] = [
        metric(scores, labels, users).item() for labels, scores, users, _ in batches(rows(), rank)
    ]
    first = metric.result().as_dict()
    streamed(metric, batches(untied_rows(), rank))
    found["after forward"], found["then more"] = first, metric.result().as_dict()
    return found


def rec_module(rank, **settings):
    from torchrec.metrics.metric_module import RecMetricModule
    from torchrec.metrics.metrics_config import RecTaskInfo
    from torchrec.metrics.rec_metric import RecMetricList

    from learn_rank.metrics.streaming.torchrec_auc import UserAUCMetric

    tasks = [RecTaskInfo("ctr", "click", "pctr", "one"), RecTaskInfo("cvr", "buy", "pcvr", "click")]
    metric = UserAUCMetric(
        world_size=N_RANKS, my_rank=rank, batch_size=37, tasks=tasks, compute_on_all_ranks=True, **settings
    )
    return RecMetricModule(
        batch_size=37, world_size=N_RANKS, rec_tasks=tasks, rec_metrics=RecMetricList([metric])
    )


def model_out(labels, scores, users, weights):
    return {
        "click": labels.double(),
        "pctr": scores,
        "buy": (labels * (weights > 0.5)).double(),
        "pcvr": -scores,
        "one": torch.ones_like(scores),
        "user_id": users,
    }


def rec_values(module, chunks):
    for chunk in chunks:
        module.update(model_out(*chunk))
    return {key: value.item() for key, value in module.compute().resolve().items()}


def torchrec_findings(rank):
    from torchrec.metrics.metrics_config import RecComputeMode

    found = {"window": rec_values(rec_module(rank, window_size=100), batches(rows(), rank))}
    module = rec_module(rank, window_size=100, has_lifetime=True)
    half = list(batches(rows(), rank))
    rec_values(module, half[:3])
    found["lifetime"] = rec_values(module, half[3:])
    found["local"] = {key: value.item() for key, value in module.local_compute().resolve().items()}
    fused = rec_module(rank, compute_mode=RecComputeMode.FUSED_TASKS_COMPUTATION)
    found["fused"] = rec_values(fused, batches(rows(), rank))
    fused = rec_module(rank, compute_mode=RecComputeMode.FUSED_TASKS_COMPUTATION)
    found["fused, one rank without rows"] = rec_values(fused, batches(rows(), 0) if rank == 1 else [])
    found["no rows"] = rec_values(rec_module(rank), [])
    return found


def work(rank: int, folder: str) -> None:
    """Joins the group, finds everything, writes it to folder/RANK.json, and leaves in order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=N_RANKS)
    found = {"torchmetrics": torchmetrics_findings(rank), "torchrec": torchrec_findings(rank)}
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()
