"""`learn-recall train` and `settings`: the double tower and what it can be set to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learn_recall.commands.common import (
    CONTENT_HELP,
    INTERACTIONS_HELP,
    Device,
    Threads,
    compute_device,
    say,
    use_threads,
)
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.places import check_place
from learn_recall.terminal.choices import PRESETS
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_recall.towers.config import RecallConfig


@plain_errors()
def train(
    *,
    interactions: Annotated[Path, typer.Option(help=INTERACTIONS_HELP)],
    content: Annotated[Path, typer.Option(help=CONTENT_HELP)],
    out: Annotated[Path, typer.Option(help="Checkpoint folder; the same command goes on after a stop.")],
    preset: Annotated[
        str,
        typer.Option(
            help="default (minutes on 2 cores), thorough (better, 3 to 10 times as long), paper (12 layers) "
            "or official_amazon.",
            autocompletion=PRESETS,
        ),
    ] = "default",
    config: Annotated[
        Path | None,
        typer.Option(help="JSON of settings, as in another run's config.json."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting over the preset, PART.FIELD=VALUE; repeat for more."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Towers trained before, perhaps on another domain, to begin with."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with what lies in --out, or start anew.")
    ] = True,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Train the double tower: user and item vectors that meet in one space.

    Bring nothing that is later to be tested on: validation events are split off inside, and select the epoch.

    [bold]Examples[/bold]

      learn-recall train --interactions log.parquet --content stores/content --out runs/towers

      learn-recall train --interactions log.parquet --content stores/content --out runs/paper --preset paper
        --set train.batch_users=120 --set tower.whitening=zca

    `learn-recall settings` prints every setting with its default.
    """
    use_threads(threads)
    check_place("out", out)
    device = compute_device(device)
    from learn_recall.store import EmbeddingStore
    from learn_recall.tables.read import read_interactions
    from learn_recall.train.loop import train_towers

    chosen = _config(preset, config, setting)
    store = EmbeddingStore.open(content, expect={"kind": "content"})
    folder = train_towers(
        read_interactions(interactions), store, out, chosen, start=start, resume=resume, device=device
    )
    _print_history(folder)


@plain_errors()
def settings(
    preset: Annotated[
        str, typer.Option(help="default, thorough, paper or official_amazon.", autocompletion=PRESETS)
    ] = "default",
) -> None:
    """Print a preset's settings as JSON, ready for `train --config`.

    [bold]Example[/bold]

      learn-recall settings --preset paper > my.json
    """
    typer.echo(json.dumps(_config(preset, None, None).to_dict(), indent=2))


def _config(preset: str, file: Path | None, settings: list[str] | None) -> RecallConfig:
    from learn_recall.files.whole_files import read_json
    from learn_recall.towers.config import RecallConfig
    from learn_recall.towers.presets import preset as by_name

    values = (by_name(preset) if file is None else RecallConfig.from_dict(read_json(file))).to_dict()
    for text in [] if settings is None else settings:
        path, equals, value = text.partition("=")
        part, dot, name = path.partition(".")
        if not equals or not dot or part not in values:
            raise ValueError(
                f"--set: expected PART.FIELD=VALUE, such as tower.hidden=64, with PART one of "
                f"{', '.join(values)}; got {text!r}. Remedy: `learn-recall settings` prints all"
            )
        values[part][name] = _parsed(value)
    return RecallConfig.from_dict(values)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a word: seq_to_item, zca


def _print_history(folder: Path) -> None:
    from learn_recall.towers.checkpoint import HISTORY, load_checkpoint

    lines = [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]
    best = load_checkpoint(folder).extra
    names = [name for name in lines[0] if name != "seconds"]
    table = WholeTable(*names, title=f"validation, history not filtered; epoch {best['epoch']} is kept")
    for line in lines:
        table.add_row(*(f"{line[name]:.4f}" if name != "epoch" else str(line[name]) for name in names))
    result_console().print(table)
    left_out = best["unknown_item"] + best["item_without_vector"]
    if left_out:
        say(
            f"{left_out} events were left out: their item is not in the content store, or has no vector there"
        )
    say(f"towers: {folder}")
