"""Memory and time of the loss core beside the same loss written plainly, with its whole matrix of logits.

python benchmarks/loss_core.py
python benchmarks/loss_core.py --users 512 --json loss_core.json
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import psutil
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_recall.files.whole_files import write_json
from learn_recall.towers.loss import catalogue_softmax_loss, dense_all_action_loss, sampled_softmax_loss

TEMPERATURE = 0.05
SIDES = ("ours", "plain")
MEASURES = ("peak_megabytes", "cpu_seconds", "seconds")
LOSSES = ("dense all action", "sampled softmax", "full catalogue")
HELP = """Forward and backward of each loss: ours beside the plain one, which holds every logit at once.

Every run has a process of its own, ours and the plain one in turn; shown are medians. Memory is the peak
above what the process held before, gradients included (Linux). Elapsed seconds depend on what else runs,
CPU seconds hardly. Exit code 1 where the two do not agree.
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=HELP)
def main(  # noqa: D103
    *,
    users: Annotated[int, typer.Option(min=2, help="B of the dense all-action loss.")] = 2048,
    pairs: Annotated[int, typer.Option(min=1, help="J and K: drawn history positions and targets.")] = 10,
    dimension: Annotated[int, typer.Option(min=1, help="D of the vectors.")] = 64,
    catalogue: Annotated[int, typer.Option(min=2, help="N of the full-catalogue softmax.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 3,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch decides.")] = 0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there.")] = None,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,  # the child: LOSS:ours or LOSS:plain
) -> None:
    if threads:
        torch.set_num_threads(threads)
    shape = {"users": users, "pairs": pairs, "dimension": dimension, "catalogue": catalogue}
    if only is not None:
        loss, which = only.split(":")
        print(json.dumps(_measured(loss, which, shape)))
        return
    rows = []
    for loss in LOSSES:
        needed = 4 * 4.5 * _n_logits(loss, users, pairs, catalogue)
        free = psutil.virtual_memory().available
        if needed > free:
            Console(stderr=True).print(
                f"{loss}: the plain loss expects {needed / 1e9:.1f} GB of free memory, got {free / 1e9:.1f}; "
                "left out. Lower --users or --catalogue."
            )
            continue
        runs = [{which: _in_child(loss, which, shape, threads) for which in SIDES} for _ in range(repeats)]
        rows.append({"loss": loss, **_medians(runs), **_agreement(loss, shape)})
    _print(rows)
    if json_out is not None:
        environment = {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        }
        write_json(json_out, {"rows": rows, "shape": shape, "environment": environment})
    raise typer.Exit(any(not row["agrees"] for row in rows))


def _n_logits(loss: str, users: int, pairs: int, catalogue: int) -> int:
    n_rows = users * pairs
    return {
        "dense all action": n_rows**2,
        "sampled softmax": n_rows * 4096,
        "full catalogue": users * catalogue,
    }[loss]


def _inputs(
    loss: str, users: int, pairs: int, dimension: int, catalogue: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Vectors that take gradients, and ids; items by a Zipf law, so that users share some."""
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> Tensor:
        return F.normalize(torch.randn(*shape, generator=generator), dim=-1).requires_grad_()

    def ids(*shape: int) -> Tensor:
        uniform = torch.rand(*shape, generator=generator)
        return (catalogue**uniform).long().clamp(max=catalogue - 1)

    if loss == "dense all action":
        return [unit(users, pairs, dimension), unit(users, pairs, dimension)], [ids(users, pairs)]
    if loss == "sampled softmax":
        n_rows = users * pairs
        return [unit(n_rows, dimension), unit(n_rows, dimension), unit(4096, dimension)], [
            ids(n_rows),
            ids(4096),
        ]
    return [unit(users, dimension), unit(catalogue, dimension)], [ids(users)]


def ours(loss: str, vectors: list[Tensor], ids: list[Tensor]) -> Tensor:
    """The loss core."""
    if loss == "dense all action":
        return dense_all_action_loss(*vectors, *ids, temperature=TEMPERATURE)
    if loss == "sampled softmax":
        user, positive, candidate = vectors
        none = torch.zeros(len(candidate))
        return sampled_softmax_loss(
            user, positive, ids[0], candidate, ids[1], candidate_log_expected=none, temperature=TEMPERATURE
        )
    return catalogue_softmax_loss(*vectors, *ids, temperature=TEMPERATURE)


def plain(loss: str, vectors: list[Tensor], ids: list[Tensor]) -> Tensor:
    """The same by ordinary operations and autograd."""
    if loss == "dense all action":
        user_BJD, target_BKD = vectors
        n_users, n_rows = len(user_BJD), user_BJD.shape[1]
        logit = (user_BJD / TEMPERATURE).flatten(0, 1) @ target_BKD.flatten(0, 1).T
        own = torch.arange(n_users)
        positive_BJK = logit.view(n_users, n_rows, n_users, -1)[own, :, own]
        is_own = (ids[0][:, None, :, None] == ids[0].flatten()[None, None, None]).any(2)  # (B, 1, M)
        negatives = logit.view(n_users, n_rows, -1).masked_fill(is_own, -torch.inf).logsumexp(-1)
        return F.softplus(negatives[:, :, None] - positive_BJK).mean()
    if loss == "sampled softmax":
        user, positive, candidate = vectors
        logit = (user / TEMPERATURE) @ candidate.T
        negatives = logit.masked_fill(ids[0][:, None] == ids[1][None], -torch.inf).logsumexp(-1)
        return F.softplus(negatives - (user / TEMPERATURE * positive).sum(-1)).mean()
    return F.cross_entropy((vectors[0] / TEMPERATURE) @ vectors[1].T, ids[0])


def _run(which: str, loss: str, vectors: list[Tensor], ids: list[Tensor]) -> tuple[float, list[Tensor]]:
    value = (ours if which == "ours" else plain)(loss, vectors, ids)
    return float(value.detach()), list(torch.autograd.grad(value, vectors))


def _agreement(loss: str, shape: dict[str, int]) -> dict[str, Any]:
    """Do the two agree? On a smaller shape, where both fit at once."""
    small = {**shape, "users": min(shape["users"], 200), "catalogue": min(shape["catalogue"], 5_000)}
    vectors, ids = _inputs(loss, **small)
    (one, one_gradients), (other, other_gradients) = (_run(which, loss, vectors, ids) for which in SIDES)
    pairs = zip(one_gradients, other_gradients, strict=True)
    difference = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    agrees = abs(one - other) <= 1e-4 * abs(other) and difference < 1e-3
    return {"gradient_difference": difference, "agrees": agrees}


def _medians(runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for measure in MEASURES:
        middle = {which: median(run[which][measure] for run in runs) for which in SIDES}
        row[measure] = {**middle, "ratio": middle["ours"] / middle["plain"]}
    return row


def _measured(loss: str, which: str, shape: dict[str, int]) -> dict[str, float]:
    small = {**shape, "users": 2, "catalogue": 100}
    _run(which, loss, *_inputs(loss, **small))  # load libraries and start threads before counting
    vectors, ids = _inputs(loss, **shape)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = psutil.Process().memory_info().rss
    started, cpu = time.perf_counter(), time.process_time()
    _run(which, loss, vectors, ids)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    status = Path("/proc/self/status").read_text().split()
    peak = 1024 * int(status[status.index("VmHWM:") + 1]) - before
    return dict(zip(MEASURES, (peak / 1e6, cpu, seconds), strict=True))


def _in_child(loss: str, which: str, shape: dict[str, int], threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", f"{loss}:{which}", "--threads", str(threads)]
    command += [word for name, value in shape.items() for word in (f"--{name}", str(value))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print(rows: list[dict[str, Any]]) -> None:
    names = {"peak_megabytes": "peak MB", "cpu_seconds": "CPU seconds", "seconds": "elapsed seconds"}
    table = WholeTable("loss", "", "ours", "plain", "ratio", box=SIMPLE)
    for row in rows:
        for place, measure in enumerate(MEASURES):
            digits = 0 if measure == "peak_megabytes" else 2
            cells = [f"{row[measure][which]:.{digits}f}" for which in SIDES]
            table.add_row(
                "" if place else row["loss"], names[measure], *cells, f"{row[measure]['ratio']:.3f}"
            )
        table.add_row("", "gradients differ by", f"{row['gradient_difference']:.0e}")
    Console().print(table)


if __name__ == "__main__":
    app()
