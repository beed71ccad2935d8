"""What it saves to compute the beginning that all prompts share once: a random decoder on real titles.

    python benchmarks/prompt_prefix.py --items data/amazon_beauty/items.jsonl.gz

The weights are random, because speed does not depend on them; the tokens are those of the offline MiniLM.
Both ways are the same code: `TextEncoder.encode_rows`, once as it is and once told that no beginning is
shared. They take turns, and the ratio is the median over the rounds.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from unittest import mock

import numpy as np
import torch
import typer
from rich.console import Console
from transformers import Qwen2Config, Qwen2Model

from learn_recall.encoder import text_encoder as encoder_module
from learn_recall.encoder.compute_dtype import lowest_cosine
from learn_recall.encoder.prompt_prefix import shared_prefix
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.tables.read import read_items
from learn_recall.terminal import WholeTable
from learn_recall.text.prompt import render_items

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
PROMPTS = {
    "none": "{title}",
    "paper": 'Item title is "{title}".',
    "instruction": (
        "Instruct: Given the title of a product in an online shop, describe it so that products which the "
        "same customers buy are close to each other. Title: {title}"
    ),
}


def decoder(hidden: int, n_layers: int, n_tokens: int) -> Qwen2Model:
    """A random decoder of Qwen's shape, frozen."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=n_tokens,
        hidden_size=hidden,
        intermediate_size=hidden * 11 // 2,
        num_hidden_layers=n_layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(hidden // 448, 1),
        use_cache=False,
    )
    return Qwen2Model(config).eval().requires_grad_(False)


def measure(encoder: TextEncoder, texts: list[str], n_rounds: int) -> tuple[int, float, float, float]:
    """Give tokens of the shared beginning, texts per second with it, the gain, the lowest cosine of both."""
    rows = encoder.tokenize(texts)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    vectors = {}
    for number in range(n_rounds):
        for is_shared in (True, False) if number % 2 else (False, True):
            found = shared_prefix if is_shared else lambda _: []
            with mock.patch.object(encoder_module, "shared_prefix", found):
                start = time.perf_counter()
                vectors[is_shared] = encoder.encode_rows(rows)
                seconds[is_shared].append(time.perf_counter() - start)
    gain = float(np.median(np.array(seconds[False]) / np.array(seconds[True])))
    speed = len(texts) / float(np.median(seconds[True]))
    return len(shared_prefix(rows.ids)), speed, gain, lowest_cosine(vectors[True], vectors[False])


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    items: Annotated[Path, typer.Option(help="Items table with a title.")],
    n_texts: Annotated[int, typer.Option(help="Texts of each prompt.")] = 256,
    hidden: Annotated[int, typer.Option(help="896 is the width of a decoder of 0.5B.")] = 896,
    layers: Annotated[int, typer.Option(help="The gain does not depend on it; 0.5B has 24.")] = 4,
    rounds: Annotated[int, typer.Option(help="Of both ways, in turns.")] = 3,
    dtype: Annotated[str, typer.Option(help="Arithmetic of the decoder.")] = "bfloat16",
    threads: Annotated[int, typer.Option(help="0: as torch decides.")] = 0,
) -> None:
    if threads:
        torch.set_num_threads(threads)
    words = TextEncoder.load(device="cpu")
    model = decoder(hidden, layers, len(words.tokenizer))
    encoder = replace(words, name="random decoder", model=model, pooling="last", dtype=dtype)
    known = read_items(items).head(n_texts)
    table = WholeTable("prompt", "tokens", "shared", "texts/s", "gain", "lowest cosine of both ways")
    for name, template in PROMPTS.items():
        texts = render_items(known, template)
        n_shared, speed, gain, cosine = measure(encoder, texts, rounds)
        tokens = encoder.tokenize(texts).n_tokens.mean()
        table.add_row(name, f"{tokens:.1f}", str(n_shared), f"{speed:.1f}", f"{gain:.2f}", f"{cosine:.5f}")
    Console().print(table)


if __name__ == "__main__":
    app()
