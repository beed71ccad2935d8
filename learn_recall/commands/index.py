"""`learn-recall index`: a faiss index over an item store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import Threads, say, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import BLOCKS, INDEX_KINDS


@plain_errors()
def index(
    *,
    items: Annotated[Path, typer.Option(help="Item store that `export` or `add-items` wrote.")],
    out: Annotated[Path, typer.Option(help="Index file; one that is there is appended to.")],
    block: Annotated[
        str, typer.Option(help="Which block of the vectors: tower or content.", autocompletion=BLOCKS)
    ] = "tower",
    kind: Annotated[
        str,
        typer.Option(
            help="flat (exact) or hnsw (a graph, approximate, fast in large catalogues).",
            autocompletion=INDEX_KINDS,
        ),
    ] = "flat",
    threads: Threads = None,
) -> None:
    """Write a faiss index over the item vectors, or append the items that came since.

    Ids of the index are rows of the store. Search it by inner product, with that block of the user vectors.

    [bold]Examples[/bold]

      learn-recall index --items stores/items --out stores/items.faiss

      learn-recall add-items --towers runs/towers --content stores/content --items stores/items

      learn-recall index --items stores/items --out stores/items.faiss
    """
    use_threads(threads)
    from learn_recall.store import EmbeddingStore
    from learn_recall.store.search_index import write_index

    store = EmbeddingStore.open(items)
    n_added = write_index(store, out, block=block, kind=kind, progress=True)
    say(f"{n_added} of {store.card.n_present} vectors added: {out}")
