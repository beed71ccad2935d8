"""Frozen tables by themselves: their memory, and how fast they are read beside a plain `index_select`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from torch import Tensor

from benchmarks.overhead.timing import in_turns
from learn_rank import FrozenEmbedding
from learn_recall.terminal import WholeTable

LIMITS = {"float32": 1.0, "float16": 0.51, "int8": 0.26}


def memory_of_tables(tables: Mapping[str, FrozenEmbedding], console: Console) -> list[dict[str, Any]]:
    """Bytes of every tensor that a table holds, keys, scales and masks included, per id and of fp32.

    Args:
        tables: dtype -> table of the same ids and vectors.
        console: where the table is printed.
    """
    n_bytes = {
        name: {field: tensor.nbytes for field, tensor in table.rows._asdict().items() if tensor is not None}
        for name, table in tables.items()
    }
    rows = []
    for name, table in tables.items():
        whole = sum(n_bytes[name].values())
        # what fp32 would hold: the same tensors, four bytes a component, no scales
        plain = whole - n_bytes[name]["vectors"] - n_bytes[name].get("scales", 0) + 4 * table.vectors.numel()
        rows.append(
            {"tables": name, "bytes": n_bytes[name], "of_float32": whole / plain, "limit": LIMITS[name]}
        )
    shown = WholeTable(title=f"Memory of a table, {len(next(iter(tables.values())).keys):,} ids", box=SIMPLE)
    for column in ("tables", "bytes an id", "of fp32", "limit"):
        shown.add_column(column, justify="right")
    for row in rows:
        n_ids = len(tables[row["tables"]].keys)
        per_id = " + ".join(f"{count / n_ids:.2f} {field}" for field, count in row["bytes"].items())
        shown.add_row(row["tables"], per_id, f"{row['of_float32']:.4f}", f"{row['limit']:.2f}")
    console.print(shown)
    return rows


def look_up_rates(
    tables: Mapping[str, FrozenEmbedding], ids: Sequence[Tensor], n_rounds: int, console: Console
) -> list[dict[str, Any]]:
    """Stored bytes read a second of processor time: by `index_select`, by a lookup, and by comparing.

    Args:
        tables: dtype -> table.
        ids: of each turn, (n,) ids of recent items, which a target is compared with thirty at a time.
        n_rounds: turns.
        console: where the table is printed.
    """
    found: list[dict[str, Any]] = []
    for name, table in tables.items():
        spent = in_turns(_ways(table, ids), n_rounds)
        n_bytes = ids[0].numel() * table.dimension * table.vectors.element_size()
        rates = {way: n_bytes / median(clocks["cpu_seconds"]) for way, clocks in spent.items()}
        found.append({"tables": name, "n_ids": ids[0].numel(), "bytes_per_second": rates})
    shown = WholeTable(title=f"Stored GB a second, {ids[0].numel():,} ids", box=SIMPLE)
    for column in ("tables", "index_select", "lookup (float32 out)", "cosines (no vectors out)"):
        shown.add_column(column, justify="right")
    for row in found:
        plain = row["bytes_per_second"]["index_select"]
        shown.add_row(
            row["tables"],
            *(f"{rate / 1e9:.2f} ({rate / plain:.2f} x)" for rate in row["bytes_per_second"].values()),
        )
    console.print(shown)
    return found


def _ways(table: FrozenEmbedding, ids: Sequence[Tensor]) -> dict[str, Callable[[int], object]]:
    return {
        "index_select": lambda turn: table.vectors.index_select(0, ids[turn % len(ids)]),
        "lookup": lambda turn: table(ids[turn % len(ids)]),
        "cosines": lambda turn: _compare(table, ids[turn % len(ids)]),
    }


@torch.no_grad()
def _compare(table: FrozenEmbedding, ids: Tensor) -> tuple[Tensor, Tensor]:
    slots = ids.reshape(-1, 30 if len(ids) % 30 == 0 else 1)
    return table.cosines(slots, torch.ones_like(slots, dtype=torch.bool), table(slots[:, 0])[0])
