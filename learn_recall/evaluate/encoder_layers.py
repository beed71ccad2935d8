"""Every layer of one encoder in one pass over the texts: what each knows of behaviour, and its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from learn_recall.columns import ITEM_ID, USER_ID
from learn_recall.encode.config import EncodeConfig
from learn_recall.encoder.compute_dtype import choose_dtype
from learn_recall.encoder.cpu_lanes import cpu_lanes
from learn_recall.encoder.layers import blocks_of, count_blocks
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.evaluate.compare_encoders import drawn_users, pairs_in_order
from learn_recall.evaluate.vector_geometry import effective_rank, mean_cosine, neighbour_hit_rate
from learn_recall.files.whole_files import atomic_path
from learn_recall.text.coverage import share_outside
from learn_recall.text.prompt import render_items
from learn_recall.towers.whitening import Whitening

MOST_ITEMS = 2_500
_N_SAMPLE = 32
_N_COVERED = 256


@dataclass(frozen=True)
class LayerRow:
    """One layer of an encoder on the sample.

    Args:
        layer: its number; the last one stands after the model's final norm.
        seconds_per_1000: texts, in a pass that ends there, on this machine.
        mean_cosine, effective_rank: `learn_recall.evaluate.vector_geometry`, raw vectors; the rank is None
            where all are the same, as layer 0 of a last token is that all texts end with.
        neighbour_hit_rate: of an item and the next one of the same user, among the 10 nearest; centred
            vectors.
        whitened_hit_rate: the same after ZCA, as the towers whiten.
    """

    layer: int
    seconds_per_1000: float
    mean_cosine: float
    effective_rank: float | None
    neighbour_hit_rate: float
    whitened_hit_rate: float


@dataclass(frozen=True)
class LayerComparison:
    """What `compare_layers` found.

    Args:
        encoder: as it was named.
        pooling, dtype: that the vectors were made with.
        template: of the texts.
        n_items, n_pairs, n_tokens: what was measured on.
        rows: a layer each, lowest first.
        share_outside: of the letters of a sample of the texts, what `learn_recall.text.coverage` counts.
    """

    encoder: str
    pooling: str
    dtype: str
    template: str
    n_items: int
    n_pairs: int
    n_tokens: int
    rows: list[LayerRow]
    share_outside: float | None = None


def compare_layers(
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    model: str,
    *,
    template: str = "short",
    pooling: str | None = None,
    max_users: int = 5_000,
    max_items: int = MOST_ITEMS,
    trust_remote_code: bool = False,
    device: str | None = None,
    seed: int = 0,
) -> LayerComparison:
    """Encode a sample of items once with all layers kept, and measure each layer.

    Definition: the `max_items` items with most events of the drawn users that have a text; pairs are events
    of
    one user that follow each other once events of other items are left out, at most 20,000 of them. Nothing
    is
    trained. The time of a layer is that of the same pass up to it, tokenising aside.

    Args:
        items: item_id and the template's fields.
        interactions: user_id, item_id, and timestamp or position.
        model: an encoder, without a layer.
        template: as `encode_items`.
        pooling: as `encode_items`; None is the model's own, else the mean, or "last" with "one_word".
        max_users, seed: as `learn_recall.evaluate.compare_encoders`.
        max_items: fewer are quicker.
        trust_remote_code: run code that lies in the model's folder.
        device: where the encoder computes; None is the GPU where there is one.

    Raises:
        EncoderError: the model cannot be loaded, or its blocks are not found.
        ValueError: no user with three events.

    Source: middle layers against the last: Skean et al., Layer by Layer (arXiv 2502.02013).
    """
    events = drawn_users(interactions, max_users, seed)
    items = items.assign(text=render_items(items, template))
    items = items[items["text"] != ""].drop_duplicates(ITEM_ID)
    counts = events.loc[events[ITEM_ID].isin(items[ITEM_ID]), ITEM_ID].value_counts(sort=False)
    kept = counts.sort_values(ascending=False, kind="stable").index[:max_items]
    texts = items.set_index(ITEM_ID).loc[kept, "text"].tolist()
    events = events[events[ITEM_ID].isin(kept)]
    row = pd.Series(np.arange(len(kept)), index=kept).loc[events[ITEM_ID]].to_numpy()
    pairs = pairs_in_order(row, events[USER_ID].to_numpy(), seed)

    def load(layer: str) -> TextEncoder:
        return EncodeConfig(
            encoder=model,
            template=template,
            pooling=pooling,
            layer=layer,
            trust_remote_code=trust_remote_code,
            device=device,
        ).load()

    encoder = load(f"0..{count_blocks(load('last').model)}")
    check = choose_dtype(encoder, texts[:: max(len(texts) // _N_SAMPLE, 1)][:_N_SAMPLE])
    encoder = encoder.with_dtype(check.dtype)
    with _clocks(encoder) as seconds:
        vectors = encoder.encode_layers(texts)
    lanes = cpu_lanes() if encoder.device.type == "cpu" else 1
    return LayerComparison(
        encoder=model,
        pooling=encoder.pooling,
        dtype=check.dtype,
        template=template,
        n_items=len(texts),
        n_pairs=len(pairs),
        n_tokens=int(encoder.tokenize(texts).n_tokens.sum()),
        rows=[
            _row(number, vectors[:, number], pairs, float(seconds[number]) / lanes / len(texts) * 1000)
            for number in range(vectors.shape[1])
        ],
        share_outside=share_outside(
            encoder.tokenizer, texts[:_N_COVERED], is_lower_case=encoder.folder.is_lower_case
        ),
    )


def draw_layers(found: LayerComparison, path: Path) -> None:
    """Draw neighbour hits and time against the layer.

    Args:
        found: of `compare_layers`.
        path: its ending is the format: png or svg.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only the figure needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    hits = figure.add_subplot()
    layers = [row.layer for row in found.rows]
    hits.plot(layers, [row.whitened_hit_rate for row in found.rows], marker="o", label="whitened")
    hits.plot(layers, [row.neighbour_hit_rate for row in found.rows], marker="s", label="centred")
    hits.set_xlabel("layer (0: what goes into the first block; the last one after the final norm)")
    hits.set_ylabel("share of next items among the 10 nearest")
    hits.set_ylim(bottom=0)
    hits.grid(alpha=0.3)
    cost = hits.twinx()
    times = [row.seconds_per_1000 for row in found.rows]
    cost.plot(layers, times, color="grey", linestyle=":", label="time (right)")
    cost.set_ylabel("seconds per 1,000 texts")
    cost.set_ylim(bottom=0)
    lines = [*hits.get_lines(), *cost.get_lines()]
    hits.legend(lines, [str(line.get_label()) for line in lines], loc="lower right")
    hits.set_title(
        f"{found.encoder}, pooling {found.pooling}, prompt {found.template}: {found.n_items:,} items"
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png", dpi=120)


def _row(layer: int, vectors: np.ndarray, pairs: np.ndarray, seconds_per_1000: float) -> LayerRow:
    is_constant = bool((vectors == vectors[0]).all())
    whitened = vectors
    if not is_constant:
        whitening = Whitening(vectors.shape[1]).fit(vectors)
        whitened = whitening(torch.from_numpy(np.ascontiguousarray(vectors))).numpy()
    return LayerRow(
        layer=layer,
        seconds_per_1000=seconds_per_1000,
        mean_cosine=mean_cosine(vectors),
        effective_rank=effective_rank(vectors),
        neighbour_hit_rate=neighbour_hit_rate(vectors, pairs),
        whitened_hit_rate=neighbour_hit_rate(whitened, pairs),
    )


@contextmanager
def _clocks(encoder: TextEncoder) -> Iterator[np.ndarray]:
    """Seconds from the start of a pass to each layer, summed over passes and threads, (layers,)."""
    model, layers = encoder.run.model, encoder.run.layers
    seconds = np.zeros(len(layers.numbers))
    start, lock = threading.local(), threading.Lock()

    def now() -> float:
        if encoder.device.type == "cuda":
            torch.cuda.synchronize(encoder.device)
        return time.perf_counter()

    def begin(*_: Any) -> None:
        start.time = now()

    def stop_at(number: int) -> Any:
        def stop(*_: Any) -> None:
            passed = now() - start.time
            with lock:
                seconds[number] += passed

        return stop

    blocks = blocks_of(model, layers.n_blocks)
    with ExitStack() as hooks:
        hooks.callback(model.register_forward_pre_hook(begin).remove)
        hooks.callback(blocks[0].register_forward_pre_hook(stop_at(0)).remove)
        for number, block in enumerate(blocks[:-1], start=1):
            hooks.callback(block.register_forward_hook(stop_at(number)).remove)
        hooks.callback(model.register_forward_hook(stop_at(layers.n_blocks)).remove)
        yield seconds


__all__ = ["MOST_ITEMS", "LayerComparison", "LayerRow", "compare_layers", "draw_layers"]
