"""`learn-rank train`: the arms of a run that have no predictions yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.choices import ARMS
from learn_rank.commands.common import names_of
from learn_recall.commands.common import Threads, use_threads
from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def train(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a run, with tables and vectors.")],
    arms: Annotated[
        str, typer.Option(help="Comma-separated: baseline, learn, raw_text, shuffled.", autocompletion=ARMS)
    ] = "",
    seeds: Annotated[int, typer.Option(min=0, help="Training seeds; 0 = as many as the run has.")] = 0,
    threads: Threads = None,
) -> None:
    """Train the arms of a run that have no predictions yet (one stage of `run`).

    Example: learn-rank train runs/steam --arms baseline,learn --seeds 10
    """
    use_threads(threads)
    from learn_rank.data.dataset_files import dataset_fingerprint
    from learn_rank.pipeline.ranker_stage import train_rankers
    from learn_rank.run.config import read_config
    from learn_rank.run.folder import RunFolder

    config, _ = read_config(run_folder, arms=names_of(arms), n_seeds=seeds)
    dataset_fingerprint(RunFolder(run_folder).tables)
    train_rankers(RunFolder(run_folder), config, Console())
