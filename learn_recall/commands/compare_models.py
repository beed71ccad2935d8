"""`learn-recall compare-models`: which recall model pays on a log of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from learn_recall.commands.common import INTERACTIONS_HELP, Device, Threads, compute_device, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import ENCODERS, FITS, RECALL_MODELS, TASKS
from learn_recall.terminal.consoles import result_console

if TYPE_CHECKING:
    from learn_recall.comparison.world import RecallWorld

QUICK_EPOCHS = 5


def _print_names(is_asked: bool) -> None:
    if is_asked:
        from learn_recall.comparison.variants import VARIANTS

        for name, variant in VARIANTS.items():
            typer.echo(f"{name:20} {variant.group:10} {variant.words}")
        raise typer.Exit


@plain_errors()
def compare_models(
    *,
    items: Annotated[Path | None, typer.Option(help="item_id, title, and any of category, brand, ..")] = None,
    interactions: Annotated[Path | None, typer.Option(help=INTERACTIONS_HELP)] = None,
    data: Annotated[
        Path | None, typer.Option(help="Instead of both: folder with items.jsonl.gz, sequences.txt.gz.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the results there.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Write the head/tail curve there (png, svg).")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Models, comma-separated or one an option; default: the main ones.",
            autocompletion=RECALL_MODELS,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The main models, 1 seed, 5 epochs.")] = False,
    ablation: Annotated[bool, typer.Option("--ablation", help="The grid of choices, too.")] = False,
    names: Annotated[
        bool,
        typer.Option(
            "--names", help="Print the names of all models and end.", callback=_print_names, is_eager=True
        ),
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each model.")] = 3,
    epochs: Annotated[
        int, typer.Option(min=0, help="Of every training, instead of each model's own; 0 = its own.")
    ] = 0,
    fit: Annotated[
        str, typer.Option(help="What trains: all (before the test) or train.", autocompletion=FITS)
    ] = "all",
    task: Annotated[
        str,
        typer.Option(
            help="leave-one-out; window: the last events together; validation: the event before the last.",
            autocompletion=TASKS,
        ),
    ] = "leave-one-out",
    window: Annotated[int, typer.Option(min=1, help="Events held out by --task window.")] = 3,
    pretrain: Annotated[
        list[Path] | None, typer.Option(help="Other folders, for zero_shot and finetuned; repeat for more.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Kept results. Default: runs/recall-NAME of the folder or the log.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Of the texts, as in learn-recall encode.", autocompletion=ENCODERS)
    ] = None,
    device: Device = None,
    threads: Threads = None,
) -> dict[str, Any]:
    """Compare recall models on your log: popularity, words, ids alone, text alone, LEARN's towers.

    Each user's last event is held out and searched among all items. Recall and NDCG are printed with 95 %
    intervals over users, by how often the target was seen and by length of history, with the difference of
    each model to a tuned model of ids alone. Strict: history taken out of the ranking, ties in random order.
    Official, as the released LEARN code counts: history left in, a tie is a hit. A table that mixes the two
    means nothing.

    Results of finished models and trainings are kept in --work: a command that was stopped goes on where it
    was.

    [bold]Example[/bold]

      learn-recall compare-models --items items.parquet --interactions log.parquet --quick --json recall.json
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_recall.comparison.orderings import ordering_table
    from learn_recall.comparison.pages import comparison_table, draw_dial, main_table
    from learn_recall.comparison.run import compare_on
    from learn_recall.comparison.scores import Bench
    from learn_recall.comparison.variants import chosen
    from learn_recall.files.whole_files import write_json

    asked = None if only is None else [name.strip() for text in only for name in text.split(",")]
    variants = chosen(asked, is_quick=quick, with_ablation=ablation, with_transfer=bool(pretrain))
    world, name = _world(items, interactions, data, task, window)
    folder = Path("runs") / f"recall-{name}" if work is None else work
    errors = Console(stderr=True)
    report = compare_on(
        Bench(world, folder, encoder, tuple(pretrain) if pretrain else (), device),
        variants,
        n_seeds=1 if quick else seeds,
        fit=fit,
        n_epochs=epochs or (QUICK_EPOCHS if quick else None),
        say=lambda text: errors.print(text, markup=False, highlight=False, soft_wrap=True),
    )
    report["environment"] = _environment()
    console = result_console()
    console.print(main_table(report))
    console.print(comparison_table(report))
    if report["orderings"]:
        console.print(ordering_table(report["orderings"]))
    console.print(f"split: {world.fingerprint}", soft_wrap=True)
    if json_out is not None:
        write_json(json_out, report)
    if figure is not None:
        draw_dial(report, figure)
    return report


def _world(
    items: Path | None, interactions: Path | None, data: Path | None, task: str, window: int
) -> tuple[RecallWorld, str]:
    """Read what is asked, and name it."""
    from learn_recall.comparison.world import read_own_world, read_world

    if data is not None:
        if items is not None or interactions is not None:
            raise ValueError("--data: expected no --items and no --interactions with it; got both ways")
        return read_world(data, task=task, window=window), data.resolve().name
    if items is None or interactions is None:
        raise ValueError(
            "--data: expected a folder with items.jsonl.gz and sequences.txt.gz, or --items and "
            "--interactions together; got neither. Remedy: name your tables"
        )
    world = read_own_world(items, interactions, task=task, window=window)
    return world, interactions.resolve().name.partition(".")[0]


def _environment() -> dict[str, Any]:
    """Say what a figure needs to be believed."""
    import os
    import platform

    import torch

    from learn_recall.files.package_version import package_version

    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "version": package_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
