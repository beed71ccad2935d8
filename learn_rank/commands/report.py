"""`learn-rank report`: the predictions of a run judged again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.common import names_of
from learn_recall.commands.plain_errors import plain_errors


def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a run, with predictions.")],
    arms: Annotated[str, typer.Option(help="Comma-separated; default: those of the run.")] = "",
    seeds: Annotated[int, typer.Option(min=0, help="Seeds to judge; 0 = as many as the run has.")] = 0,
) -> None:
    """Judge the predictions of a run again and write its report (one stage of `run`).

    Example: learn-rank report runs/steam
    """
    with plain_errors():
        from learn_rank.pipeline.order import report_stage
        from learn_rank.run.config import read_config
        from learn_rank.run.folder import RunFolder

        config, command = read_config(run_folder, arms=names_of(arms), n_seeds=seeds)
        report_stage(RunFolder(run_folder), config, command, None, Console())
