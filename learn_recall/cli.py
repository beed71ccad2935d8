"""The command `learn-recall`: encode, train, evaluate, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from learn_recall.plain_errors import plain_errors

if TYPE_CHECKING:
    from learn_recall.config import RecallConfig
    from learn_recall.evaluate import RecallReport

app = typer.Typer(
    name="learn-recall",
    help="Item texts and behaviour become user and item vectors that a ranker can look up by id.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_CONTENT_HELP = "Folder of the content store that `encode` wrote."
_TOWERS_HELP = "Folder that `train` wrote."
_INTERACTIONS_HELP = (
    "user_id, item_id, and timestamp (unix seconds) or position (0 = oldest of the user); parquet, "
    "csv(.gz), jsonl(.gz)."
)


@app.command()
def encode(
    *,
    items: Annotated[Path, typer.Option(help="item_id, title, and any of category, brand, price, ..")],
    out: Annotated[Path, typer.Option(help="Content store; the same command goes on after a stop.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="Model folder or hub name. Default: MiniLM, offline."),
    ] = None,
    template: Annotated[
        str, typer.Option(help="Prompt: paper (six fields), short, or your own, e.g. 'Title: {title}'.")
    ] = "paper",
    pooling: Annotated[str | None, typer.Option(help="mean, last, cls. Default: the model's own.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Texts are cut here. Default: the model's own, at most 256.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Arithmetic: auto, float32 or bfloat16.")] = "auto",
    batch_tokens: Annotated[int, typer.Option(min=1, help="Padded tokens per batch.")] = 2048,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the model's folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a store of another making.")
    ] = False,
) -> None:
    """Turn item texts into frozen content vectors with a language model.

    [bold]Examples[/bold]

      learn-recall encode --items items.parquet --out stores/content

      learn-recall encode --items items.csv.gz --encoder Qwen/Qwen3-Embedding-0.6B --template short --out
      stores/qwen
    """
    with plain_errors():
        from learn_recall.encode import encode_items
        from learn_recall.tables import read_items

        store = encode_items(
            read_items(items),
            out,
            encoder=encoder,
            template=template,
            pooling=pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            batch_tokens=batch_tokens,
            trust_remote_code=trust_remote_code,
            overwrite=overwrite,
        )
        _say(
            f"{store.card.n_present} of {store.card.n_ids} items have a vector of "
            f"{store.card.dimension} components: {out}"
        )


@app.command()
def train(
    *,
    interactions: Annotated[Path, typer.Option(help=_INTERACTIONS_HELP)],
    content: Annotated[Path, typer.Option(help=_CONTENT_HELP)],
    out: Annotated[Path, typer.Option(help="Checkpoint folder; the same command goes on after a stop.")],
    preset: Annotated[
        str,
        typer.Option(help="default (minutes on 2 cores), paper (12 layers) or official_amazon."),
    ] = "default",
    config: Annotated[
        Path | None,
        typer.Option(help="JSON of settings, as in another run's config.json."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting over the preset, PART.FIELD=VALUE; repeat for more."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with what lies in --out, or start anew.")
    ] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1. Default: cuda if there.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch decides.")] = 0,
) -> None:
    """Train the double tower: user and item vectors that meet in one space.

    Bring nothing that is later to be tested on: validation events are split off inside, and select the epoch.

    [bold]Examples[/bold]

      learn-recall train --interactions log.parquet --content stores/content --out runs/towers

      learn-recall train --interactions log.parquet --content stores/content --out runs/paper --preset paper
        --set train.batch_users=120 --set tower.whitening=zca

    `learn-recall settings` prints every setting with its default.
    """
    with plain_errors():
        from learn_recall.store import EmbeddingStore
        from learn_recall.tables import read_interactions
        from learn_recall.train import train_towers

        _set_threads(threads)
        chosen = _config(preset, config, setting)
        store = EmbeddingStore.open(content, expect={"kind": "content"})
        folder = train_towers(
            read_interactions(interactions), store, out, chosen, resume=resume, device=device
        )
        _print_history(folder)


@app.command()
def settings(
    preset: Annotated[str, typer.Option(help="default, paper or official_amazon.")] = "default",
) -> None:
    """Print a preset's settings as JSON, ready for `train --config`.

    [bold]Example[/bold]

      learn-recall settings --preset paper > my.json
    """
    with plain_errors():
        typer.echo(json.dumps(_config(preset, None, None).to_dict(), indent=2))


@app.command()
def evaluate(
    *,
    towers: Annotated[Path, typer.Option(help=_TOWERS_HELP)],
    content: Annotated[Path, typer.Option(help=_CONTENT_HELP)],
    interactions: Annotated[Path, typer.Option(help="The users' histories: " + _INTERACTIONS_HELP)],
    targets: Annotated[Path, typer.Option(help="user_id, item_id to be found; any number per user.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="List lengths. Default: 10, 50, 100.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch decides.")] = 0,
) -> None:
    """Rank the whole catalogue for held-out targets: Recall@k, NDCG@k, coverage; strict ties.

    Both protocols are printed: with the user's own history filtered out of the list, and not.

    [bold]Example[/bold]

      learn-recall evaluate --towers runs/towers --content stores/content --interactions log.parquet
        --targets next_purchases.parquet --k 10 --k 50 --json recall.json
    """
    with plain_errors():
        from learn_recall.evaluate import evaluate_towers
        from learn_recall.files import write_json
        from learn_recall.store import EmbeddingStore
        from learn_recall.tables import read_interactions, read_table

        _set_threads(threads)
        report = evaluate_towers(
            towers,
            EmbeddingStore.open(content),
            read_interactions(interactions),
            read_table(targets, table="targets"),
            ks=(10, 50, 100) if k is None else tuple(k),
            device=device,
        )
        if json_out is not None:
            write_json(json_out, report)
        _print_report(report)


@app.command()
def export(
    *,
    towers: Annotated[Path, typer.Option(help=_TOWERS_HELP)],
    content: Annotated[Path, typer.Option(help=_CONTENT_HELP + " May hold items that training never saw.")],
    items_out: Annotated[Path, typer.Option(help="Folder of the item store to write.")],
    users_out: Annotated[Path, typer.Option(help="Folder of the user store to write.")],
    contexts: Annotated[
        Path | None,
        typer.Option(help="context_id, user_id, history (item ids, oldest first)."),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="Instead of contexts, one vector per user: " + _INTERACTIONS_HELP)
    ] = None,
    content_dimension: Annotated[
        int, typer.Option(min=0, help="Components of the frozen text kept beside the tower's; 0 = none.")
    ] = 64,
    dtype: Annotated[str, typer.Option(help="Of the stored vectors: float16 or float32.")] = "float16",
    as_of: Annotated[
        float | None,
        typer.Option(help="Unix seconds of the newest event in the histories."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch decides.")] = 0,
) -> None:
    """Write the item and the user store that a ranker looks vectors up in.

    [bold]Examples[/bold]

      learn-recall export --towers runs/towers --content stores/content --interactions log.parquet
        --items-out stores/items --users-out stores/users

      learn-recall export --towers runs/towers --content stores/content --contexts contexts.parquet
        --items-out stores/items --users-out stores/users --content-dimension 0 --dtype float32
    """
    with plain_errors():
        from learn_recall.export import export_embeddings
        from learn_recall.store import EmbeddingStore
        from learn_recall.tables import read_contexts, read_interactions

        _set_threads(threads)
        stores = export_embeddings(
            towers,
            EmbeddingStore.open(content),
            items_out=items_out,
            users_out=users_out,
            contexts=None if contexts is None else read_contexts(contexts),
            interactions=None if interactions is None else read_interactions(interactions),
            content_dimension=content_dimension,
            dtype=dtype,
            as_of=as_of,
            device=device,
        )
        for store in stores:
            card = store.card
            _say(
                f"{card.kind}: {card.n_present} of {card.n_ids} have a vector of "
                f"{card.dimension} components: {store.path}"
            )


def main() -> None:
    """Entry point of the console script."""
    app()


def _config(preset: str, file: Path | None, settings: list[str] | None) -> RecallConfig:
    from learn_recall.config import RecallConfig
    from learn_recall.files import read_json
    from learn_recall.presets import preset as by_name

    values = (by_name(preset) if file is None else RecallConfig.from_dict(read_json(file))).to_dict()
    for text in [] if settings is None else settings:
        path, equals, value = text.partition("=")
        part, dot, name = path.partition(".")
        if not equals or not dot or part not in values:
            raise ValueError(
                f"--set: expected PART.FIELD=VALUE, such as tower.hidden=64, with PART one of "
                f"{', '.join(values)}; got {text!r}"
            )
        values[part][name] = _parsed(value)
    return RecallConfig.from_dict(values)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a word: seq_to_item, zca


def _set_threads(threads: int) -> None:
    if threads > 0:
        import torch

        torch.set_num_threads(threads)


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _print_history(folder: Path) -> None:
    from learn_recall.checkpoint import HISTORY, load_checkpoint

    lines = [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]
    best = load_checkpoint(folder).extra
    names = [name for name in lines[0] if name != "seconds"]
    table = Table(*names, title=f"validation, history not filtered; epoch {best['epoch']} is kept")
    for line in lines:
        table.add_row(*(f"{line[name]:.4f}" if name != "epoch" else str(line[name]) for name in names))
    Console().print(table)
    left_out = best["unknown_item"] + best["item_without_vector"]
    if left_out:
        _say(
            f"{left_out} events were left out: their item is not in the content store, or has no vector there"
        )
    _say(f"towers: {folder}")


def _print_report(report: RecallReport) -> None:
    buckets = list(dict.fromkeys(row["bucket"] for row in report.rows))
    first = (Column("metric", min_width=12), Column("history", min_width=10))
    table = Table(*first, *(f"events {name}" if name != "all" else name for name in buckets))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in report.rows:
        value = "-" if row["value"] is None else f"{row['value']:.4f}"
        cells.setdefault((row["metric"], row["history"]), {})[row["bucket"]] = value
    for (metric, history), by_bucket in cells.items():
        table.add_row(metric, history, *(by_bucket.get(name, "") for name in buckets))
    Console().print(table)
    _say(
        f"{report.n_targets} targets ranked; left out: {report.n_unknown_item} with an unknown item, "
        f"{report.n_without_history} whose user has no history"
    )
