"""`learn-rank fit-environment`: clicks and conversions of a team's own log as an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_rank.commands.common import INVALID, names_of
from learn_recall.commands.common import Threads, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.places import check_place
from learn_recall.terminal.consoles import result_console


@plain_errors()
def fit_environment(
    log: Annotated[
        Path,
        typer.Argument(
            help="Parquet, csv(.gz) or jsonl(.gz): user_id, item_id, timestamp (unix seconds), position, "
            "click, conversion, and the features."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the fitted environment.")],
    features: Annotated[
        str, typer.Option(help="Comma-separated columns that the log and the candidates both have.")
    ],
    training: Annotated[
        list[Path] | None,
        typer.Option(help="A table that an arm was trained on, repeatable; a row in common is refused."),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Model family of an arm, repeatable; trees is refused.")
    ] = None,
    held_out_share: Annotated[float, typer.Option(help="Share of the log's days that judge the fit.")] = 0.25,
    threads: Threads = None,
) -> None:
    """Fit clicks and conversions on a team's own log, for `learn-rank ab --environment FOLDER`.

    Boosted trees, another family than the arms, so that no arm is judged by its own mistakes. The last days
    are held out: observed over expected has to hold over all rows and in every bucket, else the folder can be
    looked at and not used.

    [bold]Exit codes[/bold]: 0; 2 bad input; 3 the gate failed.

    Example: learn-rank fit-environment log.parquet --out env --features category,price,age_days
      --training train.parquet --family nets
    """
    use_threads(threads)
    check_place("out", out)
    from learn_rank.ab.fitted_environment import fit as fitted_environment
    from learn_rank.ab.report.terminal import gate_table

    fitted = fitted_environment.fit_environment(
        log,
        out,
        features=names_of(features),
        training=training if training is not None else (),
        families=family if family is not None else (),
        held_out_share=held_out_share,
    )
    console = result_console()
    console.print(gate_table(fitted.gate))
    console.print(fitted.guard.words, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if fitted.guard.has_passed else INVALID)
