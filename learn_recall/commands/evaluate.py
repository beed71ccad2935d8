"""`learn-recall evaluate`: the whole catalogue is ranked for held-out targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column

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
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_recall.evaluate.towers import RecallReport


@plain_errors()
def evaluate(
    *,
    towers: Annotated[Path, typer.Option(help=TOWERS_HELP)],
    content: Annotated[Path, typer.Option(help=CONTENT_HELP)],
    interactions: Annotated[Path, typer.Option(help="The users' histories: " + INTERACTIONS_HELP)],
    targets: Annotated[Path, typer.Option(help="user_id, item_id to be found; any number per user.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="List lengths. Default: 10, 50, 100.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Rank the whole catalogue for held-out targets: Recall@k, NDCG@k, coverage; strict ties.

    Both protocols are printed: with the user's own history filtered out of the list, and not.

    [bold]Example[/bold]

      learn-recall evaluate --towers runs/towers --content stores/content --interactions log.parquet
        --targets next_purchases.parquet --k 10 --k 50 --json recall.json
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_recall.evaluate.towers import evaluate_towers
    from learn_recall.files.whole_files import write_json
    from learn_recall.store import EmbeddingStore
    from learn_recall.tables.read import read_interactions, read_table

    report = evaluate_towers(
        towers,
        EmbeddingStore.open(content),
        read_interactions(interactions),
        read_table(targets, table="targets"),
        ks=(10, 50, 100) if k is None else tuple(k),
        device=device,
        progress=True,
    )
    if json_out is not None:
        write_json(json_out, report)
    _print_report(report)


def _print_report(report: RecallReport) -> None:
    buckets = list(dict.fromkeys(row["bucket"] for row in report.rows))
    first = (Column("metric", min_width=12), Column("history", min_width=10))
    table = WholeTable(*first, *(f"events {name}" if name != "all" else name for name in buckets), n_keys=2)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in report.rows:
        value = "-" if row["value"] is None else f"{row['value']:.4f}"
        cells.setdefault((row["metric"], row["history"]), {})[row["bucket"]] = value
    for (metric, history), by_bucket in cells.items():
        table.add_row(metric, history, *(by_bucket.get(name, "") for name in buckets))
    result_console().print(table)
    say(
        f"{report.n_targets} targets ranked; left out: {report.n_unknown_item} with an unknown item, "
        f"{report.n_without_history} whose user has no history"
    )
