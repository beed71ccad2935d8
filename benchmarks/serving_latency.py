"""How long one request takes: one user, 1 to 1,000 candidates, eager and exported, with and without plugin.

    python benchmarks/serving_latency.py
    python benchmarks/serving_latency.py --rounds 500 --json latency.json

The reference ranker with ten id features and random weights: what is measured does not depend on what was
learned. The variants take turns, request by request, so that a busy machine slows all of them alike; read the
ratios, not the milliseconds. On a machine that others use, `--clock cpu` counts the time that the request's
thread computes and leaves out the time that it waits for a core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from torch.nn import functional
from torchrec import KeyedJaggedTensor

from learn_recall.terminal import WholeTable, track_steps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.data.batch import Batch
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.serving import export_ranker, load_exported
from learn_recall.files.whole_files import write_json

CANDIDATES = (1, 10, 50, 100, 500, 1000)
N_CATEGORIES, N_CODES, N_DENSE, HISTORY = 8, 100_000, 20, 30
BLOCKS = ((0, 64), (64, 192))  # tower and content, as a run exports them
OF_REQUEST = ("user_id", "learn_user", "learn_history")
BASE = "host, eager"
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}


@dataclass(frozen=True)
class Timing:
    """Milliseconds a request of one variant and number of candidates."""

    variant: str
    n_candidates: int
    p50_ms: float
    p99_ms: float
    to_host: float  # median of the request-by-request ratio to the eager host


def request(n: int, generator: torch.Generator, n_vectors: int) -> Batch:
    """One user and n candidates: user, context and history are the same in every row."""

    def draw(high: int, size: int) -> torch.Tensor:
        return torch.randint(0, high, (size,), generator=generator)

    history = draw(n_vectors, HISTORY).repeat(n)
    categories = [draw(N_CODES, n) for _ in range(N_CATEGORIES)]
    columns = [draw(N_CODES, 1).repeat(n), draw(N_CODES, n), *categories]
    keys = ["user_id", "item_id", *(f"category_{at}" for at in range(N_CATEGORIES))]
    columns += [draw(n_vectors, 1).repeat(n), draw(n_vectors, n), history]
    ones = torch.ones(n, dtype=torch.int64)
    sparse = KeyedJaggedTensor(
        keys=[*keys, "learn_user", "learn_item", "learn_history"],
        values=torch.cat(columns),
        lengths=torch.cat([ones.repeat(len(keys) + 2), HISTORY * ones]),
    )
    nothing = torch.zeros(n)
    return Batch(sparse, torch.randn(n, N_DENSE, generator=generator), nothing, nothing)


def variants(n_vectors: int, folder: Path) -> dict[str, Callable[[Batch], object]]:
    """Name -> a function that scores a request."""
    torch.manual_seed(0)
    codes = {"user_id": N_CODES, "item_id": N_CODES} | {
        f"category_{at}": N_CODES for at in range(N_CATEGORIES)
    }
    host = MultiTaskRanker(codes, N_DENSE).eval()
    vectors = functional.normalize(torch.randn(n_vectors, BLOCKS[-1][1]), dim=1)
    users, items = (
        FrozenEmbedding(torch.arange(n_vectors), part, blocks=BLOCKS) for part in (vectors, vectors.flip(0))
    )
    plugin = LearnFeatureFusion(users, items, FusionConfig(history_length=HISTORY))
    fused = MultiTaskRanker(codes, N_DENSE, fusion=plugin).eval()
    example = request(8, torch.Generator().manual_seed(1), n_vectors)

    def exported(
        ranker: MultiTaskRanker, dtype: str | None, per_request: tuple[str, ...] = ()
    ) -> Callable[[Batch], object]:
        out = export_ranker(
            ranker,
            folder / f"{id(ranker)}-{dtype}-{len(per_request)}",
            example.sparse,
            example.dense,
            dtype=dtype,
            per_request=per_request,
        )
        served = load_exported(out, verify=False)
        return lambda batch: served(batch.sparse, batch.dense)

    return {
        BASE: torch.inference_mode()(lambda batch: host(batch.sparse, batch.dense)),
        "host, exported": exported(host, None),
        "with plugin, eager, float32": torch.inference_mode()(lambda batch: fused(batch.sparse, batch.dense)),
        "with plugin, exported, float32": exported(fused, None),
        "with plugin, exported, float16": exported(fused, "float16"),
        "with plugin, exported, int8": exported(fused, "int8"),
        "host, exported, one request": exported(host, None, OF_REQUEST[:1]),
        "with plugin, exported, one request, int8": exported(fused, "int8", OF_REQUEST),
    }


def measure(
    scorers: dict[str, Callable[[Batch], object]], n: int, rounds: int, n_vectors: int, clock: str
) -> list[Timing]:
    """Time `rounds` requests of n candidates in every variant, one after the other in each round."""
    now, generator = CLOCKS[clock], torch.Generator().manual_seed(n)
    seconds = np.zeros((len(scorers), rounds))
    for at in range(-5, rounds):  # five to warm up
        for row, score in enumerate(scorers.values()):
            batch = request(n, generator, n_vectors)
            began = now()
            score(batch)
            seconds[row, at] = now() - began
    ratio = np.median(seconds / seconds[0], axis=1)
    p50, p99 = np.percentile(seconds, [50, 99], axis=1) * 1000
    return [Timing(name, n, *map(float, row)) for name, *row in zip(scorers, p50, p99, ratio, strict=True)]


def main(
    *,
    rounds: Annotated[int, typer.Option(min=10, help="Requests of each variant and number.")] = 300,
    vectors: Annotated[int, typer.Option(min=100, help="Rows of each frozen table.")] = 200_000,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a request.")] = 1,
    clock: Annotated[str, typer.Option(help="wall, or cpu: time of the computing thread.")] = "wall",
    json: Annotated[Path | None, typer.Option(help="Write the numbers there.")] = None,
) -> None:
    """Print p50 and p99 in milliseconds and the median ratio to the eager host, by number of candidates."""
    if clock not in CLOCKS or (clock == "cpu" and threads > 1):
        raise typer.BadParameter(f"--clock: expected wall, or cpu with --threads 1, got {clock}.")
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        scorers = variants(vectors, Path(folder))
        found = [
            timing
            for n in track_steps(CANDIDATES, "candidates", len(CANDIDATES))
            for timing in measure(scorers, n, rounds, vectors, clock)
        ]
    table = WholeTable("p50 / p99 ms (ratio)", *map(str, CANDIDATES))
    for name in scorers:
        own = [timing for timing in found if timing.variant == name]
        table.add_row(name, *(f"{t.p50_ms:.2f} / {t.p99_ms:.2f} ({t.to_host:.2f})" for t in own))
    Console(width=150).print(table)
    if json is not None:
        write_json(
            json, {"rounds": rounds, "vectors": vectors, "threads": threads, "clock": clock, "timings": found}
        )


if __name__ == "__main__":
    typer.run(main)
