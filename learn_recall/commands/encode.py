"""`learn-recall encode`: item texts become a content store."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learn_recall.commands.common import Device, Threads, compute_device, say, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.places import check_place
from learn_recall.terminal.choices import COMPUTE_DTYPES, ENCODERS, POOLINGS, STORE_DTYPES, TEMPLATES
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_recall.encode.start import EncodeRequest


@plain_errors()
def encode(
    *,
    items: Annotated[
        list[str],
        typer.Option(
            help="item_id, title, any of category, brand, price, ..: a file, a folder, or a quoted pattern "
            "such as 'items/*.parquet'; repeat for more. Read piece by piece, whatever its size."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Content store; the same command goes on after a stop.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Model folder, .gguf file, smollm2, installed package, or hub name; NAME@12 reads layer 12. "
            "Default: MiniLM, offline.",
            autocompletion=ENCODERS,
        ),
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            help="Prompt: paper (six fields), short, one_word (for a decoder's last token), or your own, "
            "e.g. "
            "'Title: {title}'.",
            autocompletion=TEMPLATES,
        ),
    ] = "paper",
    pooling: Annotated[
        str | None,
        typer.Option(
            help="mean, last, cls, echo (the text twice, the second pooled). Default: the model's own.",
            autocompletion=POOLINGS,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Where the model ends: last, 12, or 9..12 (their mean). Default: last; of a decoder without "
            "pooling settings a middle one."
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Texts are cut here. Default: the model's own, at most 256.")
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="Arithmetic: auto, float32, bfloat16, float16, int8.", autocompletion=COMPUTE_DTYPES
        ),
    ] = "auto",
    store_dtype: Annotated[
        str, typer.Option(help="Of the stored vectors: float16 or float32.", autocompletion=STORE_DTYPES)
    ] = "float16",
    batch_tokens: Annotated[int, typer.Option(min=1, help="Padded tokens per batch.")] = 2048,
    shard_size: Annotated[int, typer.Option(min=1, help="Texts in a shard: what a kill can cost.")] = 4096,
    device: Device = None,
    threads: Threads = None,
    claim_seconds: Annotated[
        float, typer.Option(min=0.1, help="A worker silent for so long is dead; others do its shard.")
    ] = 60.0,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the model's folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print counts, tokens, disk and time, and write nothing.")
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

      learn-recall encode --items items.parquet --encoder smollm2 --layer 12 --out stores/smollm2

      learn-recall encode --items 'items/*.parquet' --out stores/content --dry-run

    [bold]Many workers[/bold] share a folder: run the same command as often and on as many machines
    as you like, or under torchrun, one process a GPU. Each returns when the store is whole.

      torchrun --nproc-per-node 8 -m learn_recall.cli encode --items 'items/*.parquet' --encoder models/7b
      --out stores/content
    """
    use_threads(threads)
    check_place("out", out)
    device = compute_device(device)
    from learn_recall.encode.config import EncodeConfig
    from learn_recall.encode.job import run_job
    from learn_recall.encode.start import EncodeRequest

    config = EncodeConfig(
        encoder=encoder,
        template=template,
        pooling=pooling,
        layer=layer,
        max_tokens=max_tokens,
        dtype=dtype,
        store_dtype=store_dtype,
        batch_tokens=batch_tokens,
        shard_size=shard_size,
        device=device,
        trust_remote_code=trust_remote_code,
        overwrite=overwrite,
        claim_seconds=claim_seconds,
    )
    request = EncodeRequest.of(items, out, config)
    if dry_run:
        _print_estimate(request)
        return
    store = run_job(request, progress=os.environ.get("LOCAL_RANK", "0") == "0")
    say(
        f"{store.card.n_present} of {store.card.n_ids} items have a vector of "
        f"{store.card.dimension} components: {out}"
    )


def _print_estimate(request: EncodeRequest) -> None:
    """Print what the job would take, and refuse it where the disk cannot hold it."""
    from learn_recall.encode.disk_space import refuse_without_room
    from learn_recall.encode.estimate import estimate_job
    from learn_recall.text.coverage import outside_warning

    found = estimate_job(request)
    share = found.share_outside
    is_counted = found.n_tokenized == found.n_todo
    how = "counted" if is_counted else f"estimated from {found.n_tokenized:,} texts"
    gigabytes = [
        f"{each / 1e9:,.2f}"
        for each in (found.shard_bytes, found.store_bytes, found.plan_bytes, found.free_bytes)
    ]
    table = WholeTable("dry run", "", title="nothing was written")
    for name, text in (
        ("items", f"{found.n_items:,}, of them {found.n_without_text:,} without text"),
        ("distinct texts", f"{found.n_texts:,}, of them {found.n_todo:,} without a vector yet"),
        ("tokens to encode", f"{found.n_tokens:,} ({how}); {found.truncation_rate:.1%} of the texts are cut"),
        *((f"  texts of {low}-{high} tokens", f"{count:,}") for low, high, count in found.lengths if count),
        ("letters outside its tokens", "-" if share is None else f"{share:.1%} of a sample's"),
        ("shards", f"{found.n_shards:,}"),
        ("disk", f"shards {gigabytes[0]} GB, store {gigabytes[1]} GB, plan {gigabytes[2]} GB"),
        ("free", f"{gigabytes[3]} GB"),
        ("speed here", f"{found.tokens_per_second:,.0f} tokens/s in {found.compute_dtype}, one process"),
        ("time", f"{timedelta(seconds=round(found.seconds))} by one process"),
    ):
        table.add_row(name, text)
    result_console().print(table)
    name = "the default encoder" if request.config.encoder is None else str(request.config.encoder)
    foreign = outside_warning(name, share)
    if foreign:
        say(foreign)
    refuse_without_room(request.target.parent, found.needed_bytes)
