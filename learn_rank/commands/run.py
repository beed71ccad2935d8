"""`learn-rank run`: would LLM knowledge help my ranker, and for whom?"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from learn_rank.commands.choices import DATASETS, FUSIONS, HISTORIES, HOSTS, KNOWN_SETS, LAYERS, RANKERS
from learn_rank.commands.common import names_of
from learn_rank.commands.tables_of_run import tables_of_run
from learn_recall.commands.common import Device, Threads, compute_device, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import COMPUTE_DTYPES, ENCODERS, PRESETS, TEMPLATES


@plain_errors()
def run(
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command goes on after a stop.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help=f"A known set: {', '.join(DATASETS)}. Or give your own tables.", autocompletion=KNOWN_SETS
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the known set's files.")] = None,
    items: Annotated[
        Path | None, typer.Option(help="item_id, title, and any of category, brand, price, ..")
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="user_id, item_id, timestamp, for the towers.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Impressions of the ranker, with click and conversion.")
    ] = None,
    valid: Annotated[Path | None, typer.Option(help="Impressions that select the epoch.")] = None,
    test: Annotated[Path | None, typer.Option(help="Impressions that are judged, once.")] = None,
    contexts: Annotated[
        Path | None,
        typer.Option(help="context_id, user_id, history. Made from the timestamps when not given."),
    ] = None,
    interactions_until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="No interaction is later (unix seconds, or 2024-05-01T12:00 in UTC): for interactions in "
            "order (position) beside impressions with timestamps. Checked against the first row of --valid.",
        ),
    ] = None,
    dense: Annotated[str, typer.Option(help="Numeric host features, comma-separated columns.")] = "",
    categorical: Annotated[str, typer.Option(help="Categorical host features, comma-separated.")] = "",
    is_sampled: Annotated[
        bool, typer.Option("--sampled", help="The rows not clicked are sampled negatives, not shown items.")
    ] = False,
    drops_unknown_items: Annotated[
        bool,
        typer.Option(
            "--drop-unknown-items", help="Leave out rows whose item is not in --items, and count them."
        ),
    ] = False,
    content: Annotated[
        Path | None,
        typer.Option(
            help="A finished content store of the same items (of learn-recall encode, or content-lm of an "
            "earlier run): its vectors are taken over and nothing is encoded."
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder: folder, .gguf file, smollm2, hub name; NAME@12 is its layer 12. Default: MiniLM.",
            autocompletion=ENCODERS,
        ),
    ] = None,
    encoder_dtype: Annotated[
        str,
        typer.Option(
            help="Its arithmetic: auto (measured), float32, bfloat16, float16 or int8. Name one to get the "
            "same vectors in every run.",
            autocompletion=COMPUTE_DTYPES,
        ),
    ] = "auto",
    template: Annotated[
        str | None,
        typer.Option(
            help="Prompt: paper, short, one_word, or your own text. Default: paper, or that of --content.",
            autocompletion=TEMPLATES,
        ),
    ] = None,
    words: Annotated[
        int,
        typer.Option(
            min=0,
            help="Components of the texts' words (TF-IDF) beside the language model; 0 = none. They keep the "
            "brands, series and genres that a small model blurs.",
        ),
    ] = 384,
    content_dimension: Annotated[
        int,
        typer.Option(
            min=0, help="Width of the frozen text's block beside the tower's, and of its words'; 0 = none."
        ),
    ] = 128,
    preset: Annotated[
        str, typer.Option(help="Towers: default, thorough, paper, official_amazon.", autocompletion=PRESETS)
    ] = "default",
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of every arm.")] = 3,
    max_seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Seeds are added up to so many while the interval that decides is wider than 5 points and "
            "more seeds would narrow it; as many as --seeds: none are.",
        ),
    ] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of every arm over the training rows.")] = 3,
    fusion: Annotated[
        str,
        typer.Option(
            help="How the vectors are fused: learn, gate, experts or similarity.", autocompletion=FUSIONS
        ),
    ] = "learn",
    ranker: Annotated[
        str,
        typer.Option(
            help="Conversion loss of the reference ranker: esmm or shared_bottom.", autocompletion=RANKERS
        ),
    ] = "esmm",
    layers: Annotated[
        str, typer.Option(help="Its layers: shared_bottom, mmoe or ple.", autocompletion=LAYERS)
    ] = "shared_bottom",
    history: Annotated[
        str,
        typer.Option(
            help="Of its user's ids every arm's host reads: none, their mean, din or sim (attention).",
            autocompletion=HISTORIES,
        ),
    ] = "din",
    ease: Annotated[
        str,
        typer.Option(
            help="Every arm's host also knows which items go together (item-item regression): none, own, or "
            "near, which is by an item's neighbours in the text as well.",
            autocompletion=HOSTS,
        ),
    ] = "none",
    recent_popularity: Annotated[
        bool, typer.Option(help="Every arm's host also knows what was popular lately, where rows have time.")
    ] = True,
    user_snapshot_days: Annotated[
        float,
        typer.Option(
            help="Every arm's host knows its users' counts and rates as of a midnight so many days apart, "
            "where rows have time; 0: at every event, which UAUC punishes.",
        ),
    ] = 1.0,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Answer: would LLM knowledge help my ranker, and for whom?

    Encodes the item texts with a frozen LLM, aligns them with behaviour by a double tower, fuses both frozen
    embeddings into the reference ranker, trains four arms alike (baseline, learn, raw_text, shuffled), lets
    `auto` fall back to the baseline where validation shows no gain, and writes report.html and report.json.

    [bold]Examples[/bold]

      learn-rank run --dataset marketplace --out demo

      learn-rank run --dataset steam --data data/steam --out runs/steam --seeds 5

      learn-rank run --items items.parquet --interactions log.parquet --train train.parquet
        --valid valid.parquet --test test.parquet --dense price,age_days --categorical category --out runs/own
    """
    use_threads(threads)
    device = compute_device(device)
    from learn_rank.pipeline.first_checks import seconds_of
    from learn_rank.pipeline.order import run_pipeline
    from learn_rank.rankers.train import RankTrainConfig
    from learn_rank.run.config import RunConfig

    own = {
        "items": items,
        "interactions": interactions,
        "train": train,
        "valid": valid,
        "test": test,
        "contexts": contexts,
    }
    make, source, inputs = tables_of_run(
        dataset,
        data,
        own,
        {
            "dense": names_of(dense),
            "categorical": names_of(categorical),
            "is_sampled": is_sampled,
            "drops_unknown_items": drops_unknown_items,
        },
    )
    run_pipeline(
        make,
        source,
        out,
        RunConfig(
            content=None if content is None else str(content),
            encoder=encoder,
            encoder_dtype=encoder_dtype,
            template=_template(template, content),
            word_dimension=words,
            content_dimension=content_dimension,
            preset=preset,
            seeds=tuple(range(seeds)),
            max_seeds=max_seeds,
            ease=ease,
            recent_popularity=recent_popularity,
            user_snapshot_days=user_snapshot_days,
            interactions_until=None if interactions_until is None else seconds_of(interactions_until),
            fusion_kind=fusion,
            ranker=replace(RunConfig().ranker, kind=ranker, layers=layers, history=history),
            training=RankTrainConfig(n_epochs=epochs),
        ),
        command=shlex.join(["learn-rank", *sys.argv[1:]]),
        console=Console(),
        inputs=inputs,
        device=device,
    )


def _template(asked: str | None, content: Path | None) -> str:
    """The prompt: as asked, else that of the store whose vectors are taken over."""
    if asked is not None or content is None:
        return "paper" if asked is None else asked
    from learn_rank.pipeline.vector_stages import template_of_content

    return template_of_content(content)
