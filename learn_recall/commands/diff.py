"""`learn-recall diff`: how far two stores have drifted apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learn_recall.commands.common import INTERACTIONS_HELP, Threads, say, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_recall.store.diff import StoreDiff


@plain_errors()
def diff(
    one: Annotated[Path, typer.Argument(help="A store.")],
    other: Annotated[Path, typer.Argument(help="Another one, of the same ids.")],
    *,
    interactions: Annotated[
        Path | None, typer.Option(help="For buckets by an item's number of events: " + INTERACTIONS_HELP)
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Neighbours of an id that are compared.")] = 10,
    queries: Annotated[int, typer.Option(min=1, help="Ids whose neighbours are compared.")] = 1000,
    candidates: Annotated[
        int, typer.Option(min=2, help="Ids among which the neighbours are looked for.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the two samples.", min=0)] = 0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    threads: Threads = None,
) -> None:
    """Show drift between two stores: mean cosine, shared neighbours by bucket, ids that only one has.

    The cosine is that of an id's two vectors; it says something where both stores come from one encoder. The
    overlap is the share of an id's k nearest ids that are the same in both, whatever made them.

    [bold]Examples[/bold]

      learn-recall diff stores/content stores/content-int8

      learn-recall diff stores/minilm stores/qwen --interactions log.parquet --k 50 --json drift.json
    """
    use_threads(threads)
    from learn_recall.columns import ITEM_ID
    from learn_recall.files.whole_files import write_json
    from learn_recall.store import EmbeddingStore
    from learn_recall.store.diff import diff_stores
    from learn_recall.tables.read import read_interactions

    events = None
    if interactions is not None:
        events = read_interactions(interactions)[ITEM_ID].value_counts().to_dict()
    found = diff_stores(
        EmbeddingStore.open(one),
        EmbeddingStore.open(other),
        k=k,
        n_queries=queries,
        n_candidates=candidates,
        events=events,
        seed=seed,
        progress=True,
    )
    if json_out is not None:
        write_json(json_out, found)
    _print(found)


def _print(found: StoreDiff) -> None:
    table = WholeTable("bucket", "ids", "mean cosine", "lowest", f"overlap@{found.k}", "of queries")
    for row in found.rows:
        numbers = (row.mean_cosine, row.min_cosine, row.neighbour_overlap)
        texts = ("-" if number is None else f"{number:.5f}" for number in numbers)
        table.add_row(row.bucket, f"{row.n_items:,}", *texts, f"{row.n_queries:,}")
    result_console().print(table)
    say(f"neighbours looked for among {found.n_candidates:,} ids")
    for name, (one, other) in found.card.items():
        say(f"{name}: {one!r} | {other!r}")
    for which, (count, first) in (("first", found.only_one), ("second", found.only_other)):
        say(f"only the {which} store has a vector of {count:,} ids" + (f", such as {first}" if count else ""))
