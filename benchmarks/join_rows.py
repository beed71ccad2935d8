"""What joining costs: CPU seconds a million rows, and the memory of a join against the number of its rows.

Run: python benchmarks/join_rows.py --rows 100000,400000
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from learn_recall.store import write_store

N_USERS, N_ITEMS, HISTORY = 100_000, 50_000, 30
ROW_GROUP = 50_000
MADE = {"encoder": "none", "encoder_sha256": "0", "prompt": "none", "pooling": "mean", "max_tokens": 1}


def write_world(folder: Path, *, dimension: int) -> None:
    """Stores of random unit vectors under string user ids and integer item ids."""
    rng = np.random.default_rng(0)
    for kind, ids in (("user", [f"user-{n}" for n in range(N_USERS)]), ("item", np.arange(N_ITEMS))):
        vectors = rng.normal(size=(len(ids), dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        write_store(folder / kind, ids=ids, vectors=vectors, kind=kind, dtype="float16", **MADE)


def write_rows(path: Path, n_rows: int) -> None:
    """Impressions with histories of up to 30 items, one row group in memory at a time."""
    rng = np.random.default_rng(1)
    writer = None
    for start in range(0, n_rows, ROW_GROUP):
        n = min(ROW_GROUP, n_rows - start)
        lengths = rng.integers(0, HISTORY + 1, n)
        offsets = pa.array(np.append(0, lengths.cumsum()).astype(np.int32))
        history = pa.ListArray.from_arrays(offsets, pa.array(rng.integers(0, N_ITEMS, int(lengths.sum()))))
        users = pa.array([f"user-{user}" for user in rng.integers(0, N_USERS, n)])
        items = pa.array(rng.integers(0, N_ITEMS, n))
        table = pa.table({"user_id": users, "item_id": items, "history": history})
        writer = writer if writer is not None else pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def join_here(folder: Path, rows: Path) -> None:
    """Join in this process and print its CPU seconds and its peak of memory, the imports apart."""
    from learn_rank.adapters.join import JoinConfig, join_vectors

    before = resource.getrusage(resource.RUSAGE_SELF)
    config = JoinConfig(history_column="history", timestamp_column=None)
    join_vectors(rows, folder / "user", folder / "item", rows.with_suffix(".joined.parquet"), config)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {"cpu_seconds": cpu, "import_mib": before.ru_maxrss / 1024, "peak_mib": after.ru_maxrss / 1024}
        )
    )


def measured(folder: Path, sizes: list[int]) -> Iterator[tuple[int, dict[str, float]]]:
    """Each size in a process of its own."""
    for n_rows in sizes:
        path = folder / f"{n_rows}.parquet"
        write_rows(path, n_rows)
        command = [sys.executable, __file__, "--folder", str(folder), "--one", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        yield n_rows, json.loads(done.stdout.splitlines()[-1])


def main(
    rows: Annotated[str, typer.Option(help="Sizes, comma-separated.")] = "100000,400000",
    dimension: Annotated[int, typer.Option(help="Of a vector.")] = 64,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
    one: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print a table: rows, CPU seconds, memory after the imports and at the peak."""
    if folder is not None and one is not None:
        join_here(folder, one)
        return
    with tempfile.TemporaryDirectory() as made:
        write_world(Path(made), dimension=dimension)
        print("| rows | CPU s | CPU s per million rows | MiB after the imports | MiB at the peak |")
        print("|---" * 5 + "|")
        for n_rows, found in measured(Path(made), [int(size) for size in rows.split(",")]):
            cpu, start, peak = (found[name] for name in ("cpu_seconds", "import_mib", "peak_mib"))
            print(f"| {n_rows:,} | {cpu:.1f} | {cpu / n_rows * 1e6:.0f} | {start:.0f} | {peak:.0f} |")


if __name__ == "__main__":
    typer.run(main)
