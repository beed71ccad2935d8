"""`learn-recall convert`: vectors between a store and the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import say
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.places import check_file_place, check_place
from learn_recall.terminal.choices import POOLINGS, STORE_DTYPES, STORE_KINDS


@plain_errors()
def convert(
    source: Annotated[
        Path,
        typer.Argument(help="A store, .parquet, .npy, .safetensors, or an LMDB folder of the paper's code."),
    ],
    target: Annotated[Path, typer.Argument(help=".parquet, .npy, .safetensors; any other name is a store.")],
    *,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="float16 or float32. Default: a store's own; of a file float16.", autocompletion=STORE_DTYPES
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Of a store to be made: content, item or user.", autocompletion=STORE_KINDS)
    ] = "content",
    encoder: Annotated[
        str, typer.Option(help="What made the vectors, for the card of a new store.")
    ] = "unknown",
    prompt: Annotated[str, typer.Option(help="How the texts were written, for the card.")] = "unknown",
    pooling: Annotated[
        str, typer.Option(help="mean, last or cls, for the card.", autocompletion=POOLINGS)
    ] = "mean",
    max_tokens: Annotated[int, typer.Option(min=1, help="Where texts were cut, for the card.")] = 512,
    id_column: Annotated[str | None, typer.Option(help="Of a parquet file. Default: id.")] = None,
    vector_column: Annotated[str | None, typer.Option(help="Of a parquet file. Default: vector.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store.")] = False,
) -> None:
    """Read vectors that others made into a store, or write a store's vectors for others to read.

    Only ids with a vector travel. A parquet file has the columns `id` and `vector` (fixed-size list); beside
    an npy file lie its ids in NAME.ids.parquet or NAME.ids.npy; a safetensors file holds `vectors` and
    `ids`. Pickles in an LMDB of the paper's code are read as arrays and never run (needs the package lmdb).

    [bold]Examples[/bold]

      learn-recall convert stores/content content.parquet

      learn-recall convert Scientific_baichuan_lmdb stores/baichuan --encoder baichuan2-7b --max-tokens 500
    """
    from learn_recall.convert.vector_files import VECTOR_FORMATS, read_vectors, write_vectors_file
    from learn_recall.store import EmbeddingStore, write_store
    from learn_recall.store.layout import CARD
    from learn_recall.terminal.progress import track_steps

    if target.suffix in VECTOR_FORMATS:
        check_file_place("TARGET", target)
        if not (source / CARD).is_file():
            raise ValueError(
                f"{source}: expected a store to write a file of, got another format. Remedy: convert it "
                "to a store first"
            )
        n_written = write_vectors_file(EmbeddingStore.open(source), target, dtype=dtype, progress=True)
        say(f"{n_written} vectors: {target}")
        return
    check_place("TARGET", target)
    found = read_vectors(source, id_column=id_column, vector_column=vector_column)
    store = write_store(
        target,
        ids=found.ids,
        vectors=track_steps(found.chunks(), f"read {source.name}", None),
        kind=kind,
        encoder=encoder,
        encoder_sha256="unknown",
        prompt=prompt,
        pooling=pooling,
        max_tokens=max_tokens,
        dtype="float16" if dtype is None else dtype,
        extra={"converted_from": source.name},
        overwrite=overwrite,
    )
    say(f"{store.card.n_present} vectors of {store.card.dimension} components: {target}")
