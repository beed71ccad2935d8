"""What LEARN adds on Steam, over several splits, negative draws and training seeds, with its controls.

python benchmarks/steam_lift.py data/steam --out runs/steam_lift --splits 5 --seeds 3

Every split divides the acquisitions anew, holds out other items as new, draws other negatives and trains with
a seed of its own; towers, tuning of the baseline and all arms are made for it alone (`learn-rank run`).
Finished pieces are kept in OUT, so a stopped command goes on where it was.

With more seeds a split, the baseline, LEARN and raw text are trained with each of them: what is asked of two
of these is less noisy, the rest is of the first seed.

A difference is the mean over the splits, each the mean over its seeds. Its interval adds the spread between
the splits to the sampling of the users, and counts the users once, since the splits and seeds share them: the
more cautious reading.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.box import MARKDOWN
from rich.console import Console

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.ablation.study import BASE, Study, mean_logits, open_study
from learn_rank.ablation.variants import VARIANTS, Variant
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.report_kit.provenance import provenance
from learn_rank.report_kit.words import RATES
from learn_rank.run.folder import RunFolder
from learn_rank.uncertainty.base import add_seed_noise, t_range
from learn_rank.uncertainty.student_t import t_quantile
from learn_recall.columns import ITEM_BUCKET
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import write_json

#: candidates that are compared with the baseline
OVER_BASELINE = ("learn", "thorough", "raw_text", "auto", "shuffled", "base_ensemble", RATES)
#: the same over and beside a host that knows which items go together (`learn_rank.data.ease`)
WITH_EASE = (
    ("base_ease", BASE),
    ("base_ease_near", BASE),
    ("learn_ease", BASE),
    ("learn_ease", "base_ease"),
    ("learn_ease", "raw_text"),
    ("learn_ease", "raw_text_ease"),
)
#: (candidate, reference): what else is asked
BESIDES = (
    ("learn", "raw_text"),
    ("thorough", "raw_text"),
    ("learn", "ids_tower"),
    ("learn", "no_auxiliary"),
    ("learn", "no_newness"),
    (BASE, "no_newness"),
)
#: trained with every seed of a split
SEEDED = {BASE: Variant(None), **{name: VARIANTS[name] for name in ("learn", "thorough", "raw_text")}}
SEED_STEP = 100  # from one seed of a split to its next; a step of one is the next split's
#: what the block of the words is worth
WITH_WORDS = (("learn", "no_words"),)
EASE_ARMS = ("base_ease", "base_ease_near", "raw_text_ease", "learn_ease")
QUESTIONS = (*((name, BASE) for name in OVER_BASELINE), *BESIDES, *WITH_EASE)
WARM = "warm"
LARGE = 10_000.0  # degrees of freedom of the users' part: thousands of users


def main(
    data: Annotated[Path, typer.Argument(help="The folder with Steam's three files.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the runs; what is finished there is kept.")],
    splits: Annotated[int, typer.Option(min=1, help="Splits, each with its own seeds.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of each split's main arms.")] = 1,
    words: Annotated[int, typer.Option(min=0, help="As in learn-rank run.")] = 384,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write all rows there.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = all cores.")] = 0,
) -> None:
    """Run every split and print the answers as Markdown, in points with 95 % intervals."""
    with plain_errors():
        if threads:
            import torch

            torch.set_num_threads(threads)
        console = Console(width=240)
        found = [
            predictions_of(data, out / f"split-{split}", split, n_seeds=seeds, words=words, console=console)
            for split in range(splits)
        ]
        questions = [*QUESTIONS, *(WITH_WORDS if words else ())]
        rows = [row for question in questions for row in contrast(found, *question)]
        of_warm = [warm(tables) for tables in found]
        rows += [
            row | {"bucket_kind": "item", "bucket": WARM}
            for question in questions
            for row in contrast(of_warm, *question)
            if row["bucket_kind"] == "all"
        ]
        values = baseline_values(found)
        show(rows, values, console)
        if json_out is not None:
            write_json(
                json_out,
                {"splits": splits, "seeds": seeds, "baseline": values, "rows": rows, **provenance()},
            )


def predictions_of(
    data: Path, out: Path, split: int, *, n_seeds: int, words: int, console: Console
) -> dict[str, list[pd.DataFrame]]:
    """Arm -> test predictions of one split: `SEEDED` a table for each seed, the others for the first."""
    from learn_rank.datasets.steam import SteamSplit, read_steam
    from learn_rank.pipeline.order import run_pipeline
    from learn_rank.run.config import RunConfig

    run_pipeline(
        lambda: read_steam(data, SteamSplit(seed=split)),
        {"dataset": "steam", "split_seed": split},
        out,
        RunConfig(seeds=(split,), word_dimension=words),
        console=console,
    )
    arms = (BASE, "learn", "raw_text", "shuffled", "auto")
    tables = {arm: pd.read_parquet(RunFolder(out).predictions_of(arm, split)) for arm in arms}
    tables[RATES] = pd.read_parquet(RunFolder(out).predictions_of(RATES, 0))
    study: Study = open_study(out)
    without = ("no_words",) if words else ()
    for name in ("thorough", "ids_tower", "no_auxiliary", "no_newness", *without, *EASE_ARMS):
        tables[name] = study.train(name, VARIANTS[name], split)
    other = study.train("base_ensemble", VARIANTS["base_ensemble"], split + 1000)
    tables["base_ensemble"] = mean_logits(tables[BASE], other)
    found = {name: [table] for name, table in tables.items()}
    for name, variant in SEEDED.items():
        more = range(split + SEED_STEP, split + n_seeds * SEED_STEP, SEED_STEP)
        found[name] += [study.train(name, variant, seed) for seed in more]
    return found


def contrast(
    found: Sequence[Mapping[str, Sequence[pd.DataFrame]]], candidate: str, reference: str
) -> list[dict[str, Any]]:
    """Differences candidate - reference over the splits, a row for each task, metric and bucket.

    Seeds are taken in pairs; what one of the two lacks is left out.
    """
    by_place: dict[tuple[str, str, str, str], list[list[dict[str, Any]]]] = {}
    for split, tables in enumerate(found):
        for of_candidate, of_reference in zip(tables[candidate], tables[reference], strict=False):
            arms = {reference: [of_reference], candidate: [of_candidate]}
            for row in evaluate_arms(arms, reference)[1]:
                place = (row["task"], row["metric"], row["bucket_kind"], row["bucket"])
                of_splits = by_place.setdefault(place, [[] for _ in found])
                of_splits[split].append(dict(row))
    return [
        {"candidate": candidate, "reference": reference, **_combined(place, of_splits)}
        for place, of_splits in by_place.items()
    ]


def warm(tables: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, list[pd.DataFrame]]:
    """The rows of items that the training knows: long-tail and other ones together."""
    return {
        name: [table.loc[table[ITEM_BUCKET] != "cold-start"].reset_index(drop=True) for table in of_seeds]
        for name, of_seeds in tables.items()
    }


def _combined(
    place: tuple[str, str, str, str], of_splits: Sequence[Sequence[dict[str, Any]]]
) -> dict[str, Any]:
    about = dict(zip(("task", "metric", "bucket_kind", "bucket"), place, strict=True))
    rows = [row for of_seeds in of_splits for row in of_seeds]
    # a bucket that is empty or of one class in some split
    if any(row["low"] is None for row in rows) or not all(of_splits):
        return {**about, "delta": None, "low": None, "high": None, "p": None, "of_splits": []}
    deltas = [sum(row["delta"] for row in of_seeds) / len(of_seeds) for of_seeds in of_splits]
    errors = [(row["high"] - row["low"]) / 2 / t_quantile(0.95, LARGE) for row in rows]
    # splits and seeds share their users, so these are counted once and not once a split
    of_users = sum(error**2 for error in errors) / len(errors)
    variance, df = add_seed_noise(of_users, LARGE, deltas)
    value = sum(deltas) / len(deltas)
    if not variance > 0:  # equal scores in every split
        return {**about, "delta": value, "low": value, "high": value, "p": 1.0, "of_splits": deltas}
    low, high, _, p = t_range(value, variance, df, 0.95)
    return {**about, "delta": value, "low": low, "high": high, "p": p, "of_splits": deltas}


def baseline_values(found: Sequence[Mapping[str, Sequence[pd.DataFrame]]]) -> dict[str, float]:
    """Task and metric -> the baseline's value on all test rows, mean over the splits and their seeds."""
    values: dict[str, list[float]] = {}
    for table in (table for tables in found for table in tables[BASE]):
        for row in evaluate_arms({BASE: [table]}, BASE)[0]:
            if row["bucket_kind"] == "all" and row["value"] is not None:
                values.setdefault(f"{row['task']} {row['metric']}", []).append(row["value"])
    return {name: sum(each) / len(each) for name, each in values.items()}


def show(rows: Sequence[Mapping[str, Any]], values: Mapping[str, float], console: Console) -> None:
    """Markdown: all test rows by task and metric, then CTR UAUC by bucket, over the baseline and besides."""
    cells = {
        (
            row["candidate"],
            row["reference"],
            row["task"],
            row["metric"],
            row["bucket_kind"],
            row["bucket"],
        ): row
        for row in rows
    }
    asked = {(row["candidate"], row["reference"]) for row in rows}
    buckets = [(kind, name) for kind in ("user", "item") for name in ("cold-start", "long-tail", "other")]
    places = {name: (*name.split(), "all", "all") for name in values}
    places |= {f"CTR UAUC, {name} {kind}s": ("CTR", "UAUC", kind, name) for kind, name in buckets}
    places |= {
        f"CTR {metric}, {WARM} items": ("CTR", metric, "item", WARM) for metric in ("AUC", "UAUC", "WUAUC")
    }
    for title, questions in (
        ("Over the baseline", [(name, BASE) for name in OVER_BASELINE]),
        ("Besides", (*BESIDES, *(question for question in WITH_WORDS if question in asked))),
        ("With EASE", WITH_EASE),
    ):
        table = WholeTable(title=f"{title}: points, 95 % intervals", box=MARKDOWN)
        table.add_column("test rows", no_wrap=True)
        table.add_column("baseline", no_wrap=True)
        for candidate, reference in questions:
            name = candidate if title == "Over the baseline" else f"{candidate} - {reference}"
            table.add_column(name, justify="right", no_wrap=True)
        for name, place in places.items():
            value = f"{values[name]:.4f}" if name in values else ""
            table.add_row(name, value, *(_points(cells[*question, *place]) for question in questions))
        console.print(table)


def _points(row: Mapping[str, Any]) -> str:
    if row["delta"] is None:
        return "–"
    return f"{100 * row['delta']:+.2f} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


if __name__ == "__main__":
    typer.run(main)
