"""`learn-recall compare-encoders`: which encoder pays, on a sample, before paying for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learn_recall.commands.common import INTERACTIONS_HELP, Device, Threads, compute_device, say, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.choices import MODELS, POOLINGS, TEMPLATES
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

ALL = "@all"

if TYPE_CHECKING:
    from learn_recall.evaluate.compare_encoders import EncoderRow
    from learn_recall.evaluate.encoder_layers import LayerComparison


@plain_errors()
def compare_encoders(
    *,
    models: Annotated[
        list[str],
        typer.Argument(
            help="Folders, .gguf files or hub names; default = the offline MiniLM; words = TF-IDF, no model; "
            "NAME@12 reads layer 12; NAME@all, alone, compares all its layers in one pass.",
            autocompletion=MODELS,
        ),
    ],
    items: Annotated[Path, typer.Option(help="item_id, title, and any of category, brand, price, ..")],
    interactions: Annotated[Path, typer.Option(help=INTERACTIONS_HELP)],
    out: Annotated[Path, typer.Option(help="Folder for stores and towers; the same command goes on.")],
    template: Annotated[
        str, typer.Option(help="Prompt: paper, short, one_word, or your own.", autocompletion=TEMPLATES)
    ] = "short",
    pooling: Annotated[
        str | None,
        typer.Option(help="mean, last, cls, echo. Default: each model's own.", autocompletion=POOLINGS),
    ] = None,
    max_users: Annotated[
        int, typer.Option(min=1, help="Users in the sample; only their items count.")
    ] = 5_000,
    epochs: Annotated[int, typer.Option(min=1, help="Of the short alignment.")] = 3,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that lies in a model's folder.")
    ] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Compare encoders on a sample of users: cost, geometry of the vectors, recall after a short alignment.

    Speed and dimension say what a model costs; mean cosine and effective rank how much room its vectors use;
    the neighbour hit rate what they know of behaviour untrained; recall what alignment makes of them. What a
    ranker gains by each: learn-rank ablate RUN --encoder NAME.

    [bold]Example[/bold]

      learn-recall compare-encoders default words intfloat/e5-small-v2 --items items.parquet
        --interactions log.parquet --out runs/encoders --json encoders.json
    """
    use_threads(threads)
    device = compute_device(device)
    import dataclasses

    from learn_recall.evaluate.compare_encoders import compare_encoders as compare
    from learn_recall.evaluate.compare_encoders import short_alignment
    from learn_recall.files.whole_files import write_json
    from learn_recall.tables.read import read_interactions, read_items

    log = read_interactions(interactions)
    if any(model.endswith(ALL) for model in models):
        from learn_recall.evaluate.encoder_layers import compare_layers, draw_layers

        if len(models) > 1:
            raise ValueError(f"models: expected NAME{ALL} alone, got {models}. Remedy: compare one at a time")
        found = compare_layers(
            read_items(items),
            log,
            models[0].removesuffix(ALL),
            template=template,
            pooling=pooling,
            max_users=max_users,
            trust_remote_code=trust_remote_code,
            device=device,
        )
        if json_out is not None:
            write_json(json_out, found)
        draw_layers(found, out / "layers.png")
        _print_layers(found, out / "layers.png")
        return
    config = short_alignment()
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, n_epochs=epochs))
    rows = compare(
        read_items(items),
        log,
        models,
        out,
        template=template,
        pooling=pooling,
        max_users=max_users,
        config=config,
        trust_remote_code=trust_remote_code,
        device=device,
    )
    if json_out is not None:
        write_json(json_out, rows)
    _print(rows)


def _print_layers(found: LayerComparison, figure: Path) -> None:
    table = WholeTable("layer", "neighbour hits@10", "whitened", "mean cosine", "eff. rank", "s per 1,000")
    for row in found.rows:
        table.add_row(
            str(row.layer),
            f"{row.neighbour_hit_rate:.4f}",
            f"{row.whitened_hit_rate:.4f}",
            f"{row.mean_cosine:.3f}",
            "-" if row.effective_rank is None else f"{row.effective_rank:.0f}",
            f"{row.seconds_per_1000:.1f}",
        )
    result_console().print(table)
    say(
        f"{found.encoder}, pooling {found.pooling}, {found.dtype}: the {found.n_items:,} items with most "
        f"events, "
        f"{found.n_tokens:,} tokens, {found.n_pairs:,} pairs of events that follow each other; figure: "
        f"{figure}"
    )
    _say_outside(found.encoder, found.share_outside)


def _say_outside(encoder: str, share: float | None) -> None:
    from learn_recall.text.coverage import outside_warning

    warning = outside_warning(encoder, share)
    if warning:
        say(warning)


def _print(rows: list[EncoderRow]) -> None:
    names = (
        "encoder",
        "C",
        "dtype",
        "items/s",
        "h per 1M",
        "mean cosine",
        "eff. rank",
        "neighbour hits@10",
        "recall@10",
        "recall@50",
        "recall@10, rare",
        "outside",
    )
    table = WholeTable(*names)
    for row in rows:
        table.add_row(
            row.encoder,
            str(row.dimension),
            row.dtype,
            f"{row.items_per_second:,.0f}",
            f"{row.hours_per_million:.1f}",
            f"{row.mean_cosine:.3f}",
            "-" if row.effective_rank is None else f"{row.effective_rank:.0f}",
            f"{row.neighbour_hit_rate:.4f}",
            f"{row.recall_10:.4f}",
            f"{row.recall_50:.4f}",
            "-" if row.recall_10_rare is None else f"{row.recall_10_rare:.4f}",
            "-" if row.share_outside is None else f"{row.share_outside:.1%}",
        )
    result_console().print(table)
    say(
        f"{rows[0].n_targets} last items of users ranked among all items of the sample, history filtered; "
        f"{rows[0].n_rare} of them rare: at most 5 events in the training"
    )
    for row in rows:
        _say_outside(row.encoder, row.share_outside)
