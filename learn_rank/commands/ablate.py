"""`learn-rank ablate`: what each choice of the fusion is worth on a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.choices import FUSION_VARIANTS
from learn_rank.commands.common import names_of
from learn_recall.commands.common import Device, Threads, compute_device, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import MODELS
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.progress import StageProgress

_NAMES = "Remedy: `learn-rank ablate --names` tells what they are."


def _print_names(is_asked: bool) -> None:
    if is_asked:
        from learn_rank.ablation.variants import VARIANTS

        for name, variant in VARIANTS.items():
            typer.echo(f"{name:20} {variant.words}".rstrip())
        raise typer.Exit


@plain_errors()
def ablate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Variants, comma-separated or one an option; default: all.", autocompletion=FUSION_VARIANTS
        ),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="raw_text as this encoder reads it, the run's words beside it: default, words, folder, "
            ".gguf file, hub name, NAME@12; again for each. Other variants then only with --only.",
            autocompletion=MODELS,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of every variant.")] = 3,
    over: Annotated[
        str, typer.Option(help="What they are compared with: `baseline`, or one of the variants.")
    ] = "baseline",
    part: Annotated[
        str, typer.Option(help="Rows that are judged: `valid` to choose among variants, `test` once chosen.")
    ] = "test",
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every difference there, buckets too.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    names: Annotated[
        bool,
        typer.Option(
            "--names", help="Print the names of all variants and end.", callback=_print_names, is_eager=True
        ),
    ] = False,
) -> None:
    """Train variants of the fusion on a finished run: what is each choice worth there?

    Every variant is the run's own ranker on the run's own rows and vectors, with the weight decay that the
    run tuned for its baseline. Prints differences to the baseline in points with 95 % intervals over users
    and seeds; `auto` is the variant where validation prefers it, else the baseline. Finished trainings are
    kept in RUN/ablation: a command that was stopped goes on where it was. To choose among variants compare
    them on validation (`--part valid --over learn`), and look at the test rows once.

    With --encoder it says which encoder pays for the ranker, before any tower is trained on it: each reads
    the run's items, and the frozen text goes through the run's fusion.

    Example: learn-rank ablate runs/steam --only no_auxiliary,gate,shuffled --seeds 3 --json ablation.json
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_rank.ablation.encoder_text import encoder_variants, prepare
    from learn_rank.ablation.study import BASE, open_study
    from learn_rank.ablation.study import ablate as train_variants
    from learn_rank.ablation.table import ablation_table
    from learn_rank.ablation.variants import VARIANTS, trainable
    from learn_rank.commands.uauc import check_writable
    from learn_rank.run.arms import WORDS
    from learn_recall.files.whole_files import write_json

    check_writable("--json", json_out)
    asked = None if only is None else [name for text in only for name in names_of(text)]
    others = encoder_variants(encoder or ())
    if others and asked is None:
        asked = []
    variants = {**VARIANTS, **others}
    trainable(asked, has_conversions=True, has_words=True)  # a wrong name is told before anything is read
    if part not in ("valid", "test"):
        raise ValueError(f"--part: expected valid or test, got {part!r}. Remedy: name one of the two.")
    if over not in (BASE, *variants) or over == "base_ensemble":
        raise ValueError(f"--over: expected {BASE} or a variant that is one ranker, got {over!r}. {_NAMES}")
    study = open_study(run_folder, device=device)
    chosen, left_out = trainable(
        asked,
        has_conversions=study.has_conversions,
        has_words=bool(study.config.word_dimension),
        has_attention=study.config.ranker.history in ("din", "sim"),
    )
    console, errors = result_console(), Console(stderr=True)
    if not study.config.word_dimension and encoder is not None and WORDS in encoder:
        raise ValueError("--encoder words: expected a run that reads words, got one of --words 0.")
    prepare(run_folder, others, device=device)
    chosen = [*chosen, *others]
    for name, lacking in left_out.items():
        errors.print(f"left out, for want of {lacking}: {name}", highlight=False)
    if not chosen:
        raise ValueError("--only: expected a variant that this run can train, got none.")
    with StageProgress(console=errors) as progress:
        bar = progress.add_task("", total=(1 + len(chosen)) * seeds)
        done = iter(range((1 + len(chosen)) * seeds))
        found = train_variants(
            study,
            chosen,
            range(seeds),
            over=over,
            part=part,
            variants=variants,
            on_training=lambda name, seed: progress.update(
                bar, description=f"{name}, seed {seed}", completed=next(done)
            ),
        )
        progress.update(bar, description="", completed=(1 + len(chosen)) * seeds)
    console.print(ablation_table(found, chosen, over=over, part=part))
    if json_out is not None:
        write_json(json_out, found)
