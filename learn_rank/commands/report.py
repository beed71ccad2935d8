"""`learn-rank report`: the predictions of a run judged again, or its report as Markdown tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.choices import ARMS
from learn_rank.commands.common import names_of
from learn_recall.commands.common import say
from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a run, with predictions.")],
    arms: Annotated[
        str, typer.Option(help="Comma-separated; default: those of the run.", autocompletion=ARMS)
    ] = "",
    seeds: Annotated[
        int, typer.Option(min=0, help="Seeds to judge; 0 = all of which every arm has predictions.")
    ] = 0,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Judge nothing; print the report that is there as Markdown tables."),
    ] = False,
) -> None:
    """Judge the predictions of a run again and write its report (one stage of `run`).

    With --markdown the report that lies in the folder is printed as tables for a page: the baseline's values
    and every arm's difference to it in points, with 95 % intervals, over all test rows and by bucket.

    Example: learn-rank report runs/steam --markdown > table.md
    """
    if markdown:
        if arms or seeds:
            raise ValueError(
                "--markdown: expected no --arms and no --seeds with it, since it prints the report that "
                "is there, got them. Remedy: judge with them first, then print."
            )
        from learn_rank.report import read_report
        from learn_rank.report.markdown import report_markdown

        typer.echo(report_markdown(read_report(run_folder)), nl=False)
        return
    from learn_rank.data.dataset_files import dataset_fingerprint
    from learn_rank.pipeline.order import report_stage
    from learn_rank.run.config import read_config
    from learn_rank.run.folder import RunFolder
    from learn_rank.run.trained_seeds import left_out_words, trained_seeds

    run = RunFolder(run_folder)
    config, command = read_config(run_folder, arms=names_of(arms), n_seeds=seeds)
    if not seeds:
        config = replace(config, seeds=trained_seeds(run, config.arms, config.seeds))
    dataset_fingerprint(run.tables)
    report_stage(run, config, command, None, Console())
    for line in left_out_words(run, config.arms, config.seeds):
        say(line)
