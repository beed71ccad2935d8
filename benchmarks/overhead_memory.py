"""Whether training with the plugin grows: resident memory over many steps of a small host.

python benchmarks/overhead_memory.py --steps 10000
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import torch
import typer

from learn_recall.terminal import track_steps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.fusion_overhead import step_of
from benchmarks.overhead.host import SHAPES, Host, Tables, draw_rows, draw_vectors, frozen_table
from learn_rank import FusionConfig, LearnFeatureFusion
from learn_rank.engine import EngineConfig, processes
from learn_rank.engine.sharding import sharded
from learn_recall.files.whole_files import write_json

N_SAMPLES = 20


def main(
    steps: Annotated[int, typer.Option(min=N_SAMPLES, help="Training steps.")] = 10_000,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 64,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the curve there.")] = None,
) -> None:
    """Train the small host with the plugin; every batch is new, with histories of other lengths."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    vectors = draw_vectors(10_000, generator)
    fusion = LearnFeatureFusion(frozen_table(vectors, "int8"), frozen_table(vectors, "int8"), FusionConfig())
    process, curve = psutil.Process(), list[tuple[int, float]]()
    with processes(device="cpu") as here:
        tables, optimizer = sharded(Tables(1000, 16), here, EngineConfig())
        batches = [draw_rows(batch_size, 1000, 10_000, 30, generator)]
        run = step_of(tables, optimizer, Host(SHAPES["small"], 16, fusion), batches)
        for number in track_steps(range(steps), "steps", steps):
            batches[0] = draw_rows(batch_size, 1000, 10_000, number % 31, generator)
            run(0)
            if (number + 1) % (steps // N_SAMPLES) == 0:
                gc.collect()
                curve.append((number + 1, process.memory_info().rss / 2**20))
        del tables, optimizer, run
    late = np.array(curve[N_SAMPLES // 5 :])
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0] * 1000)
    print("\n".join(f"{step:>7,} steps {size:8.1f} MiB" for step, size in curve))
    print(f"after the first fifth: {slope:+.3f} MiB for 1,000 steps")
    if json_out is not None:
        write_json(json_out, {"mebibytes": curve, "slope_mebibytes_per_1000_steps": slope})


if __name__ == "__main__":
    typer.run(main)
