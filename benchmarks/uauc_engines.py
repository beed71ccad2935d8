"""The judgement of one file from disk by our own partitions, and on engines: seconds, memory, and the digits.

    python benchmarks/uauc_engines.py --rows 10_000_000 --users 500_000
    python benchmarks/uauc_engines.py --rows 1_000_000 --users 50_000 --engines duckdb,spark

Generated rows as in benchmarks/uauc_stream.py, with scores that are no probabilities, since calibration is
judged in memory alone. Every way judges the file in a process of its own, in turn, `--rounds` times; the
table shows medians. Seconds of the processor stand beside seconds, which other work on the machine stretches.
Exits 1 where a digit differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.uauc_stream import write_rows
from learn_recall.files.whole_files import write_json
from learn_recall.terminal import WholeTable

_COMMAND = Path(__file__).with_name("uauc.py")
PARTITIONS = "our partitions"


def judged(path: Path, way: str, folder: Path, buckets: bool) -> dict[str, Any]:
    """One run of the command: {"seconds", "cpu_seconds", "peak_gb", "rows"}, of its process."""
    out = folder / "found.json"
    options = [
        "--user",
        "user",
        "--label",
        "click",
        "--score",
        "p",
        *(["--bucket", "age"] if buckets else []),
    ]
    where = ["--memory-rows", "0"] if way == PARTITIONS else ["--engine", way]
    start = time.perf_counter()
    command = [sys.executable, _COMMAND, path, *options, *where, "--spill", folder, "--json", out]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise ValueError(f"{way}: expected exit code 0, got {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_gb": used.ru_maxrss * 1024 / 1e9,
        "rows": json.loads(out.read_text())["rows"],
    }


def main(  # noqa: PLR0917 - typer passes every option by name
    rows: Annotated[int, typer.Option(help="Rows of the file.", min=1)] = 10_000_000,
    users: Annotated[int, typer.Option(help="Users they are drawn from.", min=1)] = 500_000,
    engines: Annotated[str, typer.Option(help="Engines, separated by commas.")] = "duckdb",
    rounds: Annotated[int, typer.Option(help="How often each judges.", min=1)] = 3,
    buckets: Annotated[bool, typer.Option(help="Also judge a column of three buckets.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Where files go for a while.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
) -> None:
    """Seconds and memory of our own way beyond memory and of engines, on the same file."""
    ways = [PARTITIONS, *engines.split(",")]
    found = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "predictions.parquet"
        write_rows(path, rows, users, seed=0, shift=-0.5)
        for _ in range(rounds):
            for way in ways:
                found[way].append(judged(path, way, Path(scratch), buckets))
    names = ("seconds", "cpu_seconds", "peak_gb")
    figures = {
        way: {name: median(run[name] for run in runs) for name in names} for way, runs in found.items()
    }
    digits = found[PARTITIONS][0]["rows"]
    differing = [way for way, runs in found.items() if any(run["rows"] != digits for run in runs)]
    table = WholeTable("judged by", "seconds", "x", "processor", "x", "peak GB", "same digits")
    ours = figures[PARTITIONS]
    for way, figure in figures.items():
        ratios = {name: f"{figure[name] / ours[name]:.2f}" for name in names[:2]}
        seconds, cpu, peak = (f"{figure[name]:.1f}" for name in names)
        if way == "spark":  # Java's are not this process's
            ratios["cpu_seconds"], cpu, peak = "-", "-", "-"
        is_same = "no" if way in differing else "yes"
        table.add_row(way, seconds, ratios["seconds"], cpu, ratios["cpu_seconds"], peak, is_same)
    Console().print(table)
    if json_out is not None:
        write_json(json_out, {"rows": rows, "users": users, "figures": figures, "differing": differing})
    if differing:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
