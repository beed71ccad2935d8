"""The judgement of a parquet file larger than memory: seconds, peak memory, and whether the digits agree.

    python benchmarks/uauc_stream.py --rows 200_000_000 --users 5_000_000
    python benchmarks/uauc_stream.py --rows 5_000_000 --users 300_000 --check

Writes a file of generated rows (users by a Zipf law, float32 scores in 0..1, a column of buckets), judges it
with benchmarks/uauc.py in a process of its own, and reports what that process took. --check judges the file
in memory as well and compares every number. The command's --memory-rows decides between the two.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_recall.files.whole_files import write_json

_CHUNK = 1_000_000
_COMMAND = Path(__file__).with_name("uauc.py")
BUCKETS = np.array(["cold-start", "long-tail", "other"])


def write_rows(path: Path, n_rows: int, n_users: int, seed: int, shift: float = 0.0) -> None:
    """A row group at a time: user (int64), click (int8), p (float32), age (string, by item, not by user).

    `shift` is added to p; with a negative one the scores are no probabilities, and calibration is left out.
    """
    rng = np.random.default_rng(seed)
    share = np.cumsum(1 / np.arange(1, n_users + 1))
    id_of_user = rng.permutation(n_users).astype(np.int64) * 1009
    writer = None
    try:
        for start in range(0, n_rows, _CHUNK):
            size = min(_CHUNK, n_rows - start)
            user = np.searchsorted(share, rng.random(size) * share[-1], side="right")
            click = (rng.random(size, dtype=np.float32) < 0.1).astype(np.int8)
            score = rng.random(size, dtype=np.float32) * (1 + click) / 2
            age = pa.DictionaryArray.from_arrays(rng.integers(0, 3, size, dtype=np.int8), pa.array(BUCKETS))
            columns = {"user": id_of_user[np.minimum(user, n_users - 1)], "click": click}
            table = pa.table({**columns, "p": (score + np.float32(shift)).astype(np.float32), "age": age})
            writer = pq.ParquetWriter(path, table.schema) if writer is None else writer
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def judged(path: Path, memory_rows: int, spill: Path, out: Path) -> dict[str, Any]:
    """Run the command on the file; {"seconds", "peak_gb", "rows"}, the memory that of its process."""
    options = ["--user", "user", "--label", "click", "--score", "p", "--bucket", "age"]
    limits = ["--memory-rows", str(memory_rows), "--spill", str(spill), "--json", str(out)]
    start = time.perf_counter()
    subprocess.run([sys.executable, str(_COMMAND), str(path), *options, *limits], check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"seconds": seconds, "peak_gb": peak * 1024 / 1e9, "rows": json.loads(out.read_text())["rows"]}


def main(  # noqa: PLR0917 - typer passes every option by name
    rows: Annotated[int, typer.Option(help="Rows of the file.", min=1)] = 200_000_000,
    users: Annotated[int, typer.Option(help="Users they are drawn from.", min=1)] = 5_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Where the file and the partitions go for a while.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the rows.")] = 0,
    check: Annotated[bool, typer.Option("--check", help="Also judge in memory and compare.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
) -> None:
    """Seconds and peak memory of judging a large file."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "predictions.parquet"
        start = time.perf_counter()
        write_rows(path, rows, users, seed)
        found = {"rows": rows, "users": users, "file_gb": path.stat().st_size / 1e9}
        found["writing_seconds"] = time.perf_counter() - start
        on_disk = judged(path, 0, Path(scratch), Path(scratch) / "disk.json")
        found |= {"seconds": on_disk["seconds"], "peak_gb": on_disk["peak_gb"]}
        if check:
            memory = judged(path, rows, Path(scratch), Path(scratch) / "memory.json")
            found |= {"in_memory_seconds": memory["seconds"], "in_memory_peak_gb": memory["peak_gb"]}
            found["has_same_digits"] = on_disk["rows"] == memory["rows"]
    table = WholeTable(title=f"{rows:,} rows, {users:,} users, judged from disk")
    for name, value in found.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else f"{value:,}")
    Console().print(table)
    if json_out is not None:
        write_json(json_out, found)
    if check and not found["has_same_digits"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
