"""What the history by content costs: attention over slots, and long histories searched, as a request asks.

python benchmarks/slots.py --json slots.json
python benchmarks/slots.py --candidates 100 --history 200 --rounds 1 --n-vectors 2000
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from torch import Tensor
from torchrec import JaggedTensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.fusion_overhead import about
from benchmarks.overhead.host import BLOCKS, draw_vectors, frozen_table
from benchmarks.overhead.timing import in_turns, ratio
from learn_rank import FusionConfig, LearnFeatureFusion
from learn_rank.fusion import HistorySlots, SlotAttention
from learn_rank.rankers.history_content import ContentWeights
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import write_json
from learn_recall.terminal import WholeTable

DIM = 16  # E of the host's embeddings, as in the reference ranker
PLUGIN = "plugin, newest 80"
TARGET = 0.10
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    *,
    candidates: Annotated[int, typer.Option(min=1, help="Rows of a request.")] = 1000,
    history: Annotated[list[int] | None, typer.Option(help="Items of the user's history.")] = None,
    n_vectors: Annotated[int, typer.Option(min=1, help="Items with a frozen vector.")] = 100_000,
    dtype: Annotated[str, typer.Option(help="Of the frozen tables.")] = "int8",
    rounds: Annotated[int, typer.Option(min=1, help="Turns.")] = 7,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there.")] = None,
) -> None:
    """Time one request in turns: the plugin, attention over its slots, histories searched."""
    with plain_errors():
        torch.set_num_threads(threads)
        generator = torch.Generator().manual_seed(0)
        table = frozen_table(draw_vectors(n_vectors, generator), dtype)
        torch.manual_seed(0)
        plugin = LearnFeatureFusion(table, table, FusionConfig()).eval()
        searching = LearnFeatureFusion(table, table, FusionConfig(searched_block=0)).eval()
        rows = {n: _request(n, candidates, n_vectors, generator) for n in (80, *(history or (1000, 5000)))}
        works: dict[str, Callable[[int], object]] = {PLUGIN: partial(_fuse, plugin, rows[80])}
        slots = plugin(rows[80]).slots
        values = torch.randn(1, 80, DIM, generator=generator)
        score = torch.randn(candidates, 80, generator=generator)
        works["SlotAttention over its slots"] = lambda _: attention(values, score, slots)
        attention = SlotAttention(BLOCKS).eval()
        works["slots in the reference ranker"] = _in_ranker(score, slots)
        for n in history or (1000, 5000):
            works[f"plugin, nearest 80 of {n:,}"] = partial(_fuse, searching, rows[n])
        with torch.inference_mode():
            found = measure(works, rounds)
        result: dict[str, Any] = {
            "about": about("slots.py", threads),
            "candidates": candidates,
            "rows": found,
        }
        show(found, Console())
        if json_out is not None:
            write_json(json_out, result)


def measure(works: Mapping[str, Callable[[int], object]], n_rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of processor time of each, and its ratio to the plugin's within a turn."""
    spent = in_turns(works, n_rounds)
    return [
        {
            "work": name,
            "cpu_ms": 1e3 * sorted(spent[name]["cpu_seconds"])[n_rounds // 2],
            "of_plugin": ratio(spent, name, PLUGIN, "cpu_seconds"),
        }
        for name in works
    ]


def show(found: list[dict[str, Any]], console: Console) -> None:
    """Print the rows."""
    shown = WholeTable(title="One request, processor time (quartiles over the turns)", box=SIMPLE)
    for column in ("work", "ms", "of the plugin"):
        shown.add_column(column, justify="left" if column == "work" else "right")
    for row in found:
        part = row["of_plugin"]
        words = f"{part['ratio']:.3f} [{part['low']:.3f}, {part['high']:.3f}]"
        shown.add_row(row["work"], f"{row['cpu_ms']:.1f}", "" if row["work"] == PLUGIN else words)
    console.print(shown)


def _fuse(fusion: LearnFeatureFusion, rows: dict[str, JaggedTensor], _: int) -> None:
    fusion(rows)


def _in_ranker(score: Tensor, slots: HistorySlots) -> Callable[[int], object]:
    """What the reference ranker's attention does with the slots besides."""
    content = ContentWeights(BLOCKS, DIM).eval()
    items, lengths, flat = torch.zeros(80, DIM), torch.tensor([80]), score.reshape(-1)

    def run(_: int) -> Tensor:
        added, factor = content(slots, items, lengths, lengths)
        return (content.slots.of_id + factor) * flat + added

    return run


def _request(
    n_history: int, n_rows: int, n_vectors: int, generator: torch.Generator
) -> dict[str, JaggedTensor]:
    """One user with one history and many candidates, as a program of one request is given them."""
    history = torch.randint(0, n_vectors, (n_history,), generator=generator)
    item = torch.randint(0, n_vectors, (n_rows,), generator=generator)
    one = torch.ones(1, dtype=torch.int64)
    return {
        "learn_user": JaggedTensor(one, lengths=one),
        "learn_item": JaggedTensor(item, lengths=one.repeat(n_rows)),
        "learn_history": JaggedTensor(history, lengths=n_history * one),
    }


if __name__ == "__main__":
    app()
