"""`learn-rank fuxictr`: a store as FuxiCTR's pretrained_emb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_rank.commands.choices import USAGES
from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def fuxictr(
    store: Annotated[Path, typer.Argument(help="Store of user or item vectors.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write, *.npz.")],
    feature: Annotated[str, typer.Option(help="Column of the ids, as text.")],
    usage: Annotated[
        str,
        typer.Option(
            help="sum, concat (beside the id's embedding) or init (instead of it).", autocompletion=USAGES
        ),
    ] = "sum",
    embedding_dim: Annotated[int, typer.Option(help="Of the feature in the model.")] = 16,
    history: Annotated[str, typer.Option(help="Column of lists of the same ids, to share the table.")] = "",
    unscaled: Annotated[
        bool, typer.Option("--unscaled", help="Vectors as stored, not times the root of their dimension.")
    ] = False,
) -> None:
    """Write a store as FuxiCTR's pretrained_emb and print the entries of its dataset_config.yaml.

    Example: learn-rank fuxictr vectors/items --out items.npz --feature item_id --history history
    """
    from learn_rank.adapters.fuxictr import pretrained_config, write_pretrained
    from learn_recall.store import EmbeddingStore

    opened = EmbeddingStore.open(store)
    text = pretrained_config(
        opened,
        out,
        feature=feature,
        usage=usage,
        embedding_dim=embedding_dim,
        history=history if history else None,
    )
    n_ids = write_pretrained(opened, out, scales_vectors=not unscaled)
    typer.echo(f"# {n_ids:,} ids of {len(opened):,} have a vector, written to {out}")
    typer.echo(text, nl=False)
