"""`learn-recall encode`: item texts become a content store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import say
from learn_recall.plain_errors import plain_errors


def encode(
    *,
    items: Annotated[Path, typer.Option(help="item_id, title, and any of category, brand, price, ..")],
    out: Annotated[Path, typer.Option(help="Content store; the same command goes on after a stop.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="Model folder or hub name. Default: MiniLM, offline."),
    ] = None,
    template: Annotated[
        str, typer.Option(help="Prompt: paper (six fields), short, or your own, e.g. 'Title: {title}'.")
    ] = "paper",
    pooling: Annotated[str | None, typer.Option(help="mean, last, cls. Default: the model's own.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Texts are cut here. Default: the model's own, at most 256.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Arithmetic: auto, float32, bfloat16, float16, int8.")] = "auto",
    batch_tokens: Annotated[int, typer.Option(min=1, help="Padded tokens per batch.")] = 2048,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the model's folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a store of another making.")
    ] = False,
) -> None:
    """Turn item texts into frozen content vectors with a language model.

    [bold]Examples[/bold]

      learn-recall encode --items items.parquet --out stores/content

      learn-recall encode --items items.csv.gz --encoder Qwen/Qwen3-Embedding-0.6B --template short --out
      stores/qwen
    """
    with plain_errors():
        from learn_recall.encode import encode_items
        from learn_recall.tables import read_items

        store = encode_items(
            read_items(items),
            out,
            encoder=encoder,
            template=template,
            pooling=pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            batch_tokens=batch_tokens,
            trust_remote_code=trust_remote_code,
            overwrite=overwrite,
        )
        say(
            f"{store.card.n_present} of {store.card.n_ids} items have a vector of "
            f"{store.card.dimension} components: {out}"
        )
