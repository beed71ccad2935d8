"""Recall of every model on a folder of sequences: full ranking, two protocols, buckets, seeds, intervals.

python benchmarks/recall_quality.py --data data/amazon_beauty --json recall.json
python benchmarks/recall_quality.py --data data/amazon_games --only id --only learn --seeds 5
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.recall.judgement import Places, dial, interval, judge_towers, place_targets, user_values
from benchmarks.recall.orderings import judge_orderings, ordering_table
from benchmarks.recall.pages import comparison_table, draw_dial, main_table
from benchmarks.recall.published import published, published_table
from benchmarks.recall.scores import Bench
from benchmarks.recall.variants import TRAINED, VARIANTS, Variant, chosen
from benchmarks.recall.world import LEAVE_ONE_OUT, WINDOW, read_world
from learn_rank.uauc.provenance import provenance
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.datasets.amazon import ITEMS, SEQUENCES
from learn_recall.files.whole_files import read_json, write_json

HELP = """Recall and NDCG of every model on a folder with items.jsonl.gz and sequences.txt.gz.

Strict: the user's history taken out of the ranking, ties in random order, float32, means over users, the
epoch selected on validation. Official, as the released LEARN code counts: history left in, a tie is a hit,
the mean of the batches' means. Both stand side by side; a table that mixes them means nothing.

Results of finished models are kept in --work, trainings too: a command that was stopped goes on where it was.
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
BASELINE = "id"
QUICK_EPOCHS = 5


@app.command(help=HELP)
def main(  # noqa: D103
    *,
    data: Annotated[Path | None, typer.Option(help="Folder: items.jsonl.gz, sequences.txt.gz.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the results there.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Write the head/tail curve there (png, svg).")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A model's name; repeat for more.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The main models, 1 seed, 5 epochs.")] = False,
    ablation: Annotated[bool, typer.Option("--ablation", help="The grid of choices, too.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Print the names of all models and end.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each model.")] = 3,
    epochs: Annotated[
        int, typer.Option(min=0, help="Of every training, instead of each model's own; 0 = its own.")
    ] = 0,
    fit: Annotated[str, typer.Option(help="What trains: all (before the test) or train.")] = "all",
    task: Annotated[
        str,
        typer.Option(
            help="leave-one-out; window: the last events together; validation: the event before the last."
        ),
    ] = LEAVE_ONE_OUT,
    window: Annotated[int, typer.Option(min=1, help="Events held out by --task window.")] = 3,
    pretrain: Annotated[
        list[Path] | None, typer.Option(help="Other folders, for zero_shot and finetuned; repeat for more.")
    ] = None,
    work: Annotated[Path | None, typer.Option(help="Kept results. Default: runs/recall-FOLDER.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Of the texts, as in learn-recall encode.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch decides.")] = 0,
) -> None:
    with plain_errors():
        if names:
            for name, variant in VARIANTS.items():
                print(f"{name:20} {variant.group:10} {variant.words}")
            return
        if data is None:
            raise ValueError("--data: expected a folder with items.jsonl.gz and sequences.txt.gz; got none")
        if fit not in ("all", "train"):
            raise ValueError(f"--fit: expected all or train; got {fit!r}")
        if threads:
            torch.set_num_threads(threads)
        variants = chosen(only, is_quick=quick, with_ablation=ablation, with_transfer=bool(pretrain))
        world = read_world(data, task=task, window=window)
        folder = Path("runs") / f"recall-{data.resolve().name}" if work is None else work
        bench = Bench(world, folder, encoder, tuple(pretrain) if pretrain else ())
        run = Run(bench, fit=fit, n_epochs=epochs or (QUICK_EPOCHS if quick else None))
        models = {name: run.model(name, v, 1 if quick else seeds) for name, v in variants.items()}
        compare(models, run.values)
        options = {"seeds": 1 if quick else seeds, "quick": quick, "fit": fit, "task": task, "epochs": epochs}
        report = {
            "models": models,
            "orderings": judge_orderings(world, run.places),
            "fingerprint": world.fingerprint,
            "published": {},
            "duplicate_texts": world.duplicates(),
            "protocol": protocol(fit, task, window),
            "environment": {**provenance([data / ITEMS, data / SEQUENCES], options), **_machine()},
        }
        report["published"] = {name: list(values) for name, values in published(report).items()}
        console = Console()
        console.print(main_table(report))
        console.print(comparison_table(report))
        if report["orderings"]:
            console.print(ordering_table(report["orderings"]))
        others = published_table(report)
        if others is not None:
            console.print(others)
        console.print(f"split: {world.fingerprint}", soft_wrap=True)
        if json_out is not None:
            write_json(json_out, report)
        if figure is not None:
            draw_dial(report, figure)


class Run:
    """Models of one world, each result kept under a key of everything that it depends on."""

    def __init__(self, bench: Bench, *, fit: str, n_epochs: int | None = None):
        self.bench, self.world, self.folder = bench, bench.world, bench.work
        self.fit, self.n_epochs = fit, n_epochs
        self.values: dict[str, dict[str, np.ndarray]] = {}
        self.places: dict[str, list[Places]] = {}

    def model(self, name: str, variant: Variant, n_seeds: int) -> dict[str, Any]:
        """All figures of one model over its seeds; what is there already is read."""
        n_seeds = n_seeds if variant.scorer in TRAINED else 1
        per_seed = [self._one(name, variant, seed) for seed in range(n_seeds)]
        values = [user_values(self.world, places.filtered) for _, places in per_seed]
        self.values[name] = {key: np.stack([value[key] for value in values]) for key in values[0]}
        self.places[name] = [places for _, places in per_seed]
        results = [result for result, _ in per_seed]
        low, high = interval(self.values[name]["R@10"])
        return {
            "words": variant.words,
            "R@10": _mean(results, "strict", "filtered", "R@10"),
            "N@10": _mean(results, "strict", "filtered", "N@10"),
            "low": low,
            "high": high,
            "rare R@10": _mean(results, "buckets", "item_count", "0-5", "R@10"),
            "seeds": results,
            "dial": results[0]["dial"],
        }

    def _one(self, name: str, variant: Variant, seed: int) -> tuple[dict[str, Any], Places]:
        config = None
        if variant.scorer in TRAINED:
            config = variant.config(seed, fit=self.fit, n_epochs=self.n_epochs)
        key = self._key(variant, config)
        folder = self.folder / f"{name}-{seed}-{key}"
        result_file, places_file = folder / "result.json", folder / "places.npz"
        if result_file.is_file() and places_file.is_file():
            return read_json(result_file), Places.load(places_file)
        started, cpu = time.perf_counter(), time.process_time()
        scores = self.bench.scores(name, variant, config, folder)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        places = place_targets(self.world, scores)
        result = judge_towers(self.world, places)
        result |= {"seed": seed, "seconds": seconds, "cpu_seconds": cpu}
        result["dial"] = dial(self.world, scores) if seed == 0 else None
        result["config"] = None if config is None else config.to_dict()
        folder.mkdir(parents=True, exist_ok=True)
        places.save(places_file)
        write_json(result_file, result)
        return result, places

    def _key(self, variant: Variant, config: Any) -> str:
        world = self.world
        settings = None if config is None else config.to_dict()
        known = [variant.scorer, variant.content, settings, world.fingerprint, world.task, self.bench.encoder]
        if variant.scorer in ("zero_shot", "finetuned"):
            known.append([path.resolve().name for path in self.bench.pretrain])
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


def compare(models: dict[str, dict[str, Any]], values: dict[str, dict[str, np.ndarray]]) -> None:
    """Add to each model its paired differences to the id baseline, with 95 % intervals over users."""
    if BASELINE not in models:
        return
    for name, model in models.items():
        if name == BASELINE:
            continue
        model["minus_id"] = {}
        for metric in ("R@10", "N@10"):
            ours, base = (values[which][metric].mean(axis=0) for which in (name, BASELINE))
            low, high = interval((ours - base)[None])
            model["minus_id"][metric] = {"value": float((ours - base).mean()), "low": low, "high": high}


def protocol(fit: str, task: str, window: int) -> dict[str, str]:
    """What was done, in words."""
    trained = {
        "all": "all events before the test train, but the last one of 2,000 users, which selects the epoch",
        "train": "the last event before the test of every user selects the epoch and never trains",
    }
    return {
        "task": f"the last {window} events of a user" if task == WINDOW else task,
        "ranking": "all items; the history taken out (unfiltered figures beside)",
        "ties": "mean over all orders of the tie",
        "fit": trained[fit],
        "buckets": "events of the target before the last two of each user",
        "interval": "95 %, users resampled in the limit, of the mean over seeds",
    }


def _mean(results: list[dict[str, Any]], *path: str) -> float | None:
    values: list[Any] = results
    for step in path:
        values = [value[step] for value in values]
    return None if values[0] is None else float(np.mean(values))


def _machine() -> dict[str, Any]:
    import platform

    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}


if __name__ == "__main__":
    app()
