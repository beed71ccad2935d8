"""`learn-rank export`: a trained ranker as it is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.choices import FROZEN_DTYPES, SERVED_ARMS
from learn_recall.commands.common import Threads, use_threads
from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def export(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the export; made or replaced in one step.")],
    arm: Annotated[
        str,
        typer.Option(
            help="baseline, learn, raw_text, or auto: per head what validation chose.",
            autocompletion=SERVED_ARMS,
        ),
    ] = "learn",
    seed: Annotated[int, typer.Option(min=0, help="Training seed.")] = 0,
    dtype: Annotated[
        str,
        typer.Option(
            help="Frozen vectors as float32, float16 or int8; default: as trained.",
            autocompletion=FROZEN_DTYPES,
        ),
    ] = "",
    one_request: Annotated[
        bool,
        typer.Option("--one-request", help="A call scores one user's candidates: the history is read once."),
    ] = False,
    torchscript: Annotated[bool, typer.Option("--torchscript", help="Also write program.ts.")] = False,
    threads: Threads = None,
) -> None:
    """Write a trained ranker as it is served: a torch.export program, frozen tables, manifest.json.

    Example: learn-rank export runs/steam --out served --dtype int8
    """
    use_threads(threads)
    from learn_rank.serving.manifest import read_manifest
    from learn_rank.serving.run_export import export_run

    export_run(
        run_folder,
        out,
        arm=arm,
        seed=seed,
        dtype=dtype if dtype else None,
        one_request=one_request,
        torchscript=torchscript,
    )
    manifest, console = read_manifest(out), Console()
    if manifest.choice is not None:
        console.print(f"auto: {manifest.choice['words']}")
    for name, table in manifest.tables.items():
        console.print(f"{name}: {table.n_present:,} of {table.n_ids:,} ids with a vector, {table.dtype}")
    console.print(f"{', '.join(manifest.scores)}: moved by at most {manifest.max_change:.2g} -> {out}")
