"""`python benchmarks/uauc.py --speed`: time and memory of the grouped AUC, and of other libraries beside
it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.metrics.peer_table import case_table, measure_peers, peer_table
from benchmarks.metrics.peers import find_peers
from benchmarks.metrics.uauc_speed import measure
from learn_rank.commands.common import BAD_INPUT
from learn_rank.commands.uauc import check_writable
from learn_rank.uauc.terminal import speed_table
from learn_recall.files.whole_files import write_json


def speed(
    *,
    speed: Annotated[bool, typer.Option("--speed", help="Measure time and memory on generated rows.")] = True,
    rows: Annotated[int, typer.Option(help="Rows.", min=1)] = 10_000_000,
    users: Annotated[int, typer.Option(help="Users.", min=1)] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Seed of the rows.")] = 0,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also time and check the grouped AUC of other libraries.")
    ] = False,
    peer_users: Annotated[int, typer.Option(help="Users for --peers, 20 rows each.", min=2)] = 100_000,
    torcheasyrec: Annotated[
        Path | None, typer.Option("--torcheasyrec", help="A checkout of TorchEasyRec, for --peers.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
) -> None:
    """Measure how long the grouped AUC takes beside one sort of the same rows."""
    try:
        check_writable("--json", json_out)
    except ValueError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
    measured = report_speed(rows, users, seed)
    if peers:
        measured["peers"] = report_peers(peer_users, seed, torcheasyrec)
    if json_out is not None:
        write_json(json_out, measured)


def report_speed(n_rows: int, n_users: int, seed: int) -> dict[str, Any]:
    """Measure and print."""
    found = measure(n_rows, n_users, seed)
    Console().print(speed_table(found))
    return found


def report_peers(n_users: int, seed: int, torcheasyrec: Path | None) -> dict[str, Any]:
    """Measure and print the grouped AUC of other libraries."""
    console = Console()
    with console.status("") as status:
        found = measure_peers(find_peers(torcheasyrec), n_users, seed, status.update)
    console.print(peer_table(found))
    console.print(case_table(found))
    return found
