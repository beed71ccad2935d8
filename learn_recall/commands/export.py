"""`learn-recall export`: the item and the user store that a ranker looks vectors up in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import (
    CONTENT_HELP,
    INTERACTIONS_HELP,
    TOWERS_HELP,
    Device,
    Threads,
    compute_device,
    say,
    use_threads,
)
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import STORE_DTYPES


@plain_errors()
def export(
    *,
    towers: Annotated[Path, typer.Option(help=TOWERS_HELP)],
    content: Annotated[Path, typer.Option(help=CONTENT_HELP + " May hold items that training never saw.")],
    items_out: Annotated[Path, typer.Option(help="Folder of the item store to write.")],
    users_out: Annotated[Path, typer.Option(help="Folder of the user store to write.")],
    contexts: Annotated[
        Path | None,
        typer.Option(help="context_id, user_id, history (item ids, oldest first)."),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="Instead of contexts, one vector per user: " + INTERACTIONS_HELP)
    ] = None,
    content_dimension: Annotated[
        int,
        typer.Option(
            min=0,
            help="Components of the frozen text kept beside the tower's, and as many of its words where the "
            "content has them; 0 = none.",
        ),
    ] = 64,
    dtype: Annotated[
        str, typer.Option(help="Of the stored vectors: float16 or float32.", autocompletion=STORE_DTYPES)
    ] = "float16",
    as_of: Annotated[
        float | None,
        typer.Option(help="Unix seconds of the newest event in the histories."),
    ] = None,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Write the item and the user store that a ranker looks vectors up in.

    [bold]Examples[/bold]

      learn-recall export --towers runs/towers --content stores/content --interactions log.parquet
        --items-out stores/items --users-out stores/users

      learn-recall export --towers runs/towers --content stores/content --contexts contexts.parquet
        --items-out stores/items --users-out stores/users --content-dimension 0 --dtype float32
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_recall.export.vectors import export_embeddings
    from learn_recall.store import EmbeddingStore
    from learn_recall.tables.read import read_contexts, read_interactions

    stores = export_embeddings(
        towers,
        EmbeddingStore.open(content),
        items_out=items_out,
        users_out=users_out,
        contexts=None if contexts is None else read_contexts(contexts),
        interactions=None if interactions is None else read_interactions(interactions),
        content_dimension=content_dimension,
        dtype=dtype,
        as_of=as_of,
        device=device,
        progress=True,
    )
    for store in stores:
        card = store.card
        say(
            f"{card.kind}: {card.n_present} of {card.n_ids} have a vector of "
            f"{card.dimension} components: {store.path}"
        )
