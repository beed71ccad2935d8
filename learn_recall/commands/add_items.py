"""`learn-recall add-items`: items that came after the training, into the item store that is being served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import (
    CONTENT_HELP,
    TOWERS_HELP,
    Device,
    Threads,
    compute_device,
    say,
    use_threads,
)
from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def add_items(
    *,
    towers: Annotated[Path, typer.Option(help=TOWERS_HELP + " The ones that the store was exported with.")],
    content: Annotated[Path, typer.Option(help=CONTENT_HELP + " With the new items, encoded the same way.")],
    items: Annotated[
        Path, typer.Option(help="The item store that `export` wrote; a new version replaces it.")
    ],
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Give new items their frozen vectors without training: append them to the item store.

    Old rows keep their bytes. A reader that has the store open keeps its version; whoever opens it next sees
    the new one.

    [bold]Example[/bold]

      learn-recall encode --items today.parquet --out stores/content

      learn-recall add-items --towers runs/towers --content stores/content --items stores/items
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_recall.export.new_items import add_items as append
    from learn_recall.export.new_items import version_of
    from learn_recall.store import EmbeddingStore

    before = len(EmbeddingStore.open(items, verify=False))
    store = append(towers, EmbeddingStore.open(content), items, device=device)
    say(
        f"version {version_of(store)}: {len(store) - before} items appended; {store.card.n_present} of "
        f"{len(store)} have a vector: {items}"
    )
