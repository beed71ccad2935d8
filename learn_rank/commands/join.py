"""`learn-rank join`: vectors beside the rows of impressions, as plain columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from learn_rank.adapters.join_config import JoinConfig
from learn_rank.commands.choices import JOINED_DTYPES, LAYOUTS
from learn_recall.commands.common import Threads, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.progress import StageProgress
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_rank.adapters.coverage import Coverage
    from learn_rank.adapters.join_report import JoinReport


@plain_errors()
def join(
    rows: Annotated[Path, typer.Argument(help="Impressions: a parquet file, a folder of them, or a glob.")],
    *,
    users: Annotated[Path, typer.Option(help="Store of user (or context) vectors.")],
    items: Annotated[Path, typer.Option(help="Store of item vectors, of the same tower.")],
    out: Annotated[Path, typer.Option(help="File to write; for several inputs a folder.")],
    user: Annotated[str, typer.Option(help="Column of user ids, or of context ids.")] = "user_id",
    item: Annotated[str, typer.Option(help="Column of item ids.")] = "item_id",
    history: Annotated[
        str, typer.Option(help="Column of lists of recent item ids, oldest first; empty: none is compared.")
    ] = "",
    converted: Annotated[
        str, typer.Option(help="Column of lists of true or false beside it: the user converted on that item.")
    ] = "",
    timestamp: Annotated[
        str, typer.Option(help="Column of unix seconds: no vector may have seen later events.")
    ] = "timestamp",
    no_timestamp: Annotated[
        bool, typer.Option("--no-timestamp", help="The rows have no time, or the towers learned from them.")
    ] = False,
    allow_unknown_time: Annotated[
        bool, typer.Option("--allow-unknown-time", help="Accept stores that do not say what they have seen.")
    ] = False,
    history_length: Annotated[
        int, typer.Option(help="Most recent history items that are compared.")
    ] = JoinConfig.history_length,
    layout: Annotated[
        str,
        typer.Option(
            help="columns, torcheasyrec (lists) or torcheasyrec_text (delimited).", autocompletion=LAYOUTS
        ),
    ] = "columns",
    dtype: Annotated[
        str, typer.Option(help="float32 or float16 of the new columns.", autocompletion=JOINED_DTYPES)
    ] = "float32",
    prefix: Annotated[str, typer.Option(help="Of the names of the new columns.")] = "learn_",
    no_vectors: Annotated[
        bool, typer.Option("--no-vectors", help="Only presence and similarities, a few dozen numbers.")
    ] = False,
    unscaled: Annotated[
        bool, typer.Option("--unscaled", help="Vectors as stored, not times the root of their dimension.")
    ] = False,
    snippet: Annotated[
        Path | None, typer.Option(help="TorchEasyRec: write the lines of its pipeline config here.")
    ] = None,
    threads: Threads = None,
) -> None:
    """Join vectors, presence and similarities to your rows, for a ranker of any framework.

    Streams the rows; memory does not grow with them. Refuses vectors of different towers, and vectors that
    have seen events later than the oldest row. Called again it keeps the files that are done.

    [bold]Examples[/bold]

      learn-rank join test.parquet --users vectors/users --items vectors/items --history history
        --out test_learn.parquet

      learn-rank join log/ --users vectors/users --items vectors/items --user context_id --no-timestamp
        --layout torcheasyrec --snippet learn.config --out log_learn/
    """
    use_threads(threads)
    from learn_rank.adapters.join import join_vectors
    from learn_rank.adapters.store_pair import open_pair
    from learn_rank.adapters.torcheasyrec import raw_feature_config
    from learn_rank.evaluation.beyond_memory import ParquetRows
    from learn_recall.files.whole_files import atomic_path

    config = JoinConfig(
        user_column=user,
        item_column=item,
        history_column=history if history else None,
        converted_column=converted if converted else None,
        timestamp_column=None if no_timestamp else timestamp,
        allows_unknown_time=allow_unknown_time,
        history_length=history_length,
        prefix=prefix,
        layout=layout,
        dtype=dtype,
        has_vectors=not no_vectors,
        scales_vectors=not unscaled,
    )
    n_rows = ParquetRows.at(rows).n_rows
    user_store, item_store = open_pair(users, items)
    text = raw_feature_config(item_store, config) if snippet is not None else ""
    console = Console()
    with StageProgress(transient=True) as bar:
        task = bar.add_task("rows", total=n_rows)
        report = join_vectors(
            rows, user_store, item_store, out, config, on_rows=lambda n: bar.advance(task, n)
        )
    if snippet is not None:
        with atomic_path(snippet) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _print(report, console)


def _print(report: JoinReport, console: Console) -> None:
    table = WholeTable(title=f"{report.n_rows:,} rows, {len(report.columns)} columns added")
    for name in ("ids of", "values", "with vector", "known without", "unknown", "empty", "unknown, e.g."):
        table.add_column(name, justify="left" if name in ("ids of", "unknown, e.g.") else "right")
    for name, found in (("users", report.users), ("items", report.items), ("histories", report.histories)):
        table.add_row(name, *_counts(found))
    console.print(table)
    if report.first_time is None:
        console.print("time: not checked; whether a vector has seen a row's future is for you to know.")
    for path in report.files:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    if report.n_kept:
        console.print(f"{report.n_kept} of them were there already, from the same inputs and settings.")


def _counts(found: Coverage) -> list[str]:
    share = "-" if found.share is None else f"{found.n_with_vector:,} ({found.share:.1%})"
    return [
        f"{found.n_values:,}",
        share,
        f"{found.n_without_vector:,}",
        f"{found.n_unknown:,}",
        f"{found.n_empty:,}",
        ", ".join(found.unknown_examples),
    ]
