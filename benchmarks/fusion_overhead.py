"""What the plugin costs a production-shaped ranker: time of a step and of a score, lookups, and memory.

python benchmarks/fusion_overhead.py --json overhead.json
python benchmarks/fusion_overhead.py --host small --n-ids 10000 --n-vectors 10000 --batch-size 512
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from torch.nn import functional

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.overhead.host import (
    ENTRIES,
    SHAPES,
    Host,
    HostRows,
    Tables,
    draw_rows,
    draw_vectors,
    frozen_table,
)
from benchmarks.overhead.tables import look_up_rates, memory_of_tables
from benchmarks.overhead.timing import in_turns, ratio
from learn_rank import FusionConfig, LearnFeatureFusion
from learn_rank.engine import EngineConfig, processes
from learn_rank.engine.sharding import sharded
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import write_json

BASE = "host alone"
DTYPES = ("int8", "float16", "float32")
TRAINING, INFERENCE, REQUESTS = "training step", "inference", "inference of requests"
TARGETS = {TRAINING: 1.10, INFERENCE: 1.05, REQUESTS: 1.05}
HELP = """The plugin's cost as ratios to the host ranker alone, measured in turns within one run.

Hosts: 13 dense and 26 categorical features as in Criteo, embeddings on torchrec's engine (fused row-wise
Adagrad), bottom MLP 512-256-E. dcn_v2 is MLPerf's DLRM-DCNv2, dlrm its predecessor, small the
defaults of torchrec's example. Plugin: the default fusion, tables of users and items, blocks of 64 and 128;
its features enter behind the dense ones, as in learn_rank.rankers.host.HostRanker, or with --entry top beside
the interactions.

In "training step" and "inference" every row is another user's; in "inference of requests" the rows of a batch
are the candidates of one user after another, as a ranker is asked.

The ratio is that of processor time, which a busy machine hardly changes; elapsed time stands beside it.
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=HELP)
def main(  # noqa: D103
    *,
    host: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(SHAPES)}.")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(DTYPES)}.")] = None,
    entry: Annotated[str, typer.Option(help=f"Where the features enter: {', '.join(ENTRIES)}.")] = "dense",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 4096,
    embedding_dim: Annotated[int, typer.Option(min=1, help="E of the host's embeddings.")] = 64,
    n_ids: Annotated[int, typer.Option(min=1, help="Ids of each of the 26 features.")] = 1_000_000,
    n_vectors: Annotated[
        int, typer.Option(min=1, help="Users, and items, with a frozen vector.")
    ] = 1_000_000,
    n_history: Annotated[int, typer.Option(min=0, help="Recent items of a row.")] = 30,
    candidates: Annotated[int, typer.Option(min=1, help="Candidates of a request.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Turns.")] = 7,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there.")] = None,
) -> None:
    with plain_errors():
        torch.set_num_threads(threads)
        console = Console()
        hosts, dtypes = _some_of(SHAPES, host, "host"), _some_of(DTYPES, dtype, "dtype")
        _some_of(ENTRIES, [entry], "entry")
        generator = torch.Generator().manual_seed(0)
        vectors = draw_vectors(n_vectors, generator)
        fusions = {}
        for name in dtypes:
            torch.manual_seed(0)
            sides = frozen_table(vectors, name), frozen_table(vectors, name)
            fusions[name] = LearnFeatureFusion(*sides, FusionConfig())
        batches, requests = (
            [draw_rows(batch_size, n_ids, n_vectors, n_history, generator, n) for _ in range(4)]
            for n in (1, candidates)
        )
        works = {TRAINING: (step_of, batches), INFERENCE: (_score, batches), REQUESTS: (_score, requests)}
        result: dict[str, Any] = {"about": about("fusion_overhead.py", threads), "hosts": []}
        result["memory"] = memory_of_tables({name: fusions[name].item_vectors for name in dtypes}, console)
        history_ids = [rows.context["learn_history"].values() for rows in batches]
        result["lookups"] = look_up_rates(
            {name: fusions[name].item_vectors for name in dtypes}, history_ids, rounds, console
        )
        with processes(device="cpu") as here:
            tables, optimizer = sharded(Tables(n_ids, embedding_dim), here, EngineConfig())
            for name in hosts:
                arms = {
                    arm: Host(SHAPES[name], embedding_dim, fusion, entry)
                    for arm, fusion in ({BASE: None} | fusions).items()
                }
                rows = measure(arms, tables, optimizer, works, rounds)
                result["hosts"] += [{"host": name, "entry": entry, **row} for row in rows]
                show(result["hosts"], console)
            del tables, optimizer
        if json_out is not None:
            write_json(json_out, result)


def measure(
    arms: Mapping[str, Host],
    tables: torch.nn.Module,
    optimizer: Any,
    works: Mapping[str, tuple[Callable[..., Callable[[int], object]], list[HostRows]]],
    n_rounds: int,
) -> list[dict[str, Any]]:
    """Rows of the table of one host, for every dtype over `BASE`: each kind of work on its own batches."""
    found = []
    for work, (make, batches) in works.items():
        spent = in_turns(
            {arm: make(tables, optimizer, host, batches) for arm, host in arms.items()}, n_rounds
        )
        found += [
            {
                "work": work,
                "tables": dtype,
                "target": TARGETS[work],
                "cpu": ratio(spent, dtype, BASE, "cpu_seconds"),
                "elapsed": ratio(spent, dtype, BASE, "seconds"),
                "host_cpu_seconds": sorted(spent[BASE]["cpu_seconds"])[n_rounds // 2],
                "cpu_seconds": sorted(spent[dtype]["cpu_seconds"])[n_rounds // 2],
            }
            for dtype in arms
            if dtype != BASE
        ]
    return found


def step_of(
    tables: torch.nn.Module, of_tables: Any, host: Host, batches: list[HostRows]
) -> Callable[[int], object]:
    """One step of training, whole: both optimizers, the tables' fused into backward."""
    optimizer = torch.optim.AdamW(host.parameters(), lr=1e-3)

    def run(number: int) -> None:
        tables.train(), host.train()
        rows = batches[number % len(batches)]
        of_tables.zero_grad(), optimizer.zero_grad()
        logit, auxiliary = host(tables(rows.sparse), rows)
        (functional.binary_cross_entropy_with_logits(logit, rows.click) + auxiliary).backward()
        of_tables.step(), optimizer.step()

    return run


def _score(
    tables: torch.nn.Module, of_tables: Any, host: Host, batches: list[HostRows]
) -> Callable[[int], object]:
    def run(number: int) -> None:
        tables.eval(), host.eval()
        rows = batches[number % len(batches)]
        with torch.no_grad():
            host(tables(rows.sparse), rows)

    return run


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the ratios."""
    table = WholeTable(title="With the plugin / host alone (quartiles over the turns)", box=SIMPLE)
    for column in ("host", "work", "tables", "cpu ratio", "elapsed ratio", "target", "host ms", "plugin ms"):
        table.add_column(column, justify="left" if column in ("host", "work", "tables") else "right")
    for row in rows:
        added = row["cpu_seconds"] - row["host_cpu_seconds"]
        mark = "met" if row["cpu"]["ratio"] <= row["target"] else "not met"
        table.add_row(
            row["host"],
            row["work"],
            row["tables"],
            _words(row["cpu"]),
            _words(row["elapsed"]),
            f"{row['target']:.2f} {mark}",
            f"{1e3 * row['host_cpu_seconds']:,.0f}",
            f"{1e3 * added:,.0f}",
        )
    console.print(table)


def _words(found: Mapping[str, float]) -> str:
    return f"{found['ratio']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _some_of(known: Any, asked: list[str] | None, option: str) -> list[str]:
    unknown = sorted(set(asked or ()) - set(known))
    if unknown:
        raise ValueError(f"--{option}: expected some of {list(known)}, got {unknown}.")
    return asked if asked else list(known)


def about(command: str, threads: int) -> dict[str, Any]:
    """Command, machine, versions and commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    return {
        "command": " ".join(["python", f"benchmarks/{command}", *sys.argv[1:]]),
        "commit": commit.stdout.strip() if commit.stdout else "unknown",
        "machine": f"{os.cpu_count()} cores, {cpu}, no GPU",
        "threads": threads,
        "versions": {name: version(name) for name in ("torch", "torchrec", "fbgemm-gpu-cpu", "numpy")},
    }


if __name__ == "__main__":
    app()
