"""A comparison: every model of one world trained and judged, each result kept, differences to the ids."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from learn_recall.comparison.judgement import (
    Places,
    dial,
    interval,
    judge_towers,
    place_targets,
    user_values,
)
from learn_recall.comparison.orderings import judge_orderings
from learn_recall.comparison.scores import Bench
from learn_recall.comparison.variants import READS_WORDS, TRAINED, Variant
from learn_recall.comparison.world import FITS, WINDOW, RecallWorld
from learn_recall.files.whole_files import read_json, write_json
from learn_recall.text.reading import reading_rule

BASELINE = "id"


def compare_on(
    bench: Bench,
    variants: Mapping[str, Variant],
    *,
    n_seeds: int,
    fit: str = "all",
    n_epochs: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Train and judge models on one world and compare them with each other.

    Args:
        bench: the world and the folder where results are kept.
        variants: name -> model, in the table's order.
        n_seeds: trainings of each model that is trained.
        fit: what trains, as for `Variant.config`.
        n_epochs: of every training, instead of each model's own.
        say: told a line for each model and seed that is done.

    Returns:
        As JSON: models (name -> figures, buckets, seeds and the difference to the ids), orderings, the
        split's fingerprint, items of equal text, and the protocol in words.

    Raises:
        ValueError: an unknown fit.
    """
    if fit not in FITS:
        raise ValueError(f"--fit: expected {' or '.join(FITS)}; got {fit!r}")
    run = Run(bench, fit=fit, n_epochs=n_epochs, say=say)
    models = {name: run.model(name, variant, n_seeds) for name, variant in variants.items()}
    compare(models, run.values)
    return {
        "models": models,
        "orderings": judge_orderings(bench.world, run.places),
        "fingerprint": bench.world.fingerprint,
        "duplicate_texts": bench.world.duplicates(),
        "protocol": protocol(fit, bench.world),
    }


class Run:
    """Models of one world, each result kept under a key of everything that it depends on.

    Args:
        bench: the world and the folder where results are kept.
        fit: what trains, as for `Variant.config`.
        n_epochs: of every training, instead of each model's own.
        say: told a line for each model and seed that is done.

    Attributes:
        values: model -> metric -> (S, U) values of seeds and users, of the models so far.
        places: model -> `Places` of each seed.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        fit: str,
        n_epochs: int | None = None,
        say: Callable[[str], None] = lambda text: None,
    ):
        self.bench, self.world, self.folder = bench, bench.world, bench.work
        self.fit, self.n_epochs, self.say = fit, n_epochs, say
        self.values: dict[str, dict[str, np.ndarray]] = {}
        self.places: dict[str, list[Places]] = {}

    def model(self, name: str, variant: Variant, n_seeds: int) -> dict[str, Any]:
        """Train and judge one model with each seed; what is there already is read.

        Args:
            name: of the model.
            variant: what it is.
            n_seeds: trainings, if it is trained.

        Returns:
            Its figures, means over the seeds, and under "seeds" those of each.
        """
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
            self.say(f"{name}, seed {seed}: read from {folder}")
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
        self.say(f"{name}, seed {seed}: R@10 {result['strict']['filtered']['R@10']:.4f}, {seconds:.0f} s")
        return result, places

    def _key(self, variant: Variant, config: Any) -> str:
        world = self.world
        settings = None if config is None else config.to_dict()
        known = [variant.scorer, variant.content, settings, world.fingerprint, world.task, self.bench.encoder]
        if variant.scorer in READS_WORDS or "words" in variant.content:
            known.append(reading_rule())
        if variant.scorer in ("zero_shot", "finetuned"):
            known.append([path.resolve().name for path in self.bench.pretrain])
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


def compare(models: dict[str, dict[str, Any]], values: dict[str, dict[str, np.ndarray]]) -> None:
    """Add to each model its paired differences to the id baseline, with 95 % intervals over users.

    Args:
        models: name -> figures; "minus_id" is added. Without the id baseline nothing is.
        values: of `Run`.
    """
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


def protocol(fit: str, world: RecallWorld) -> dict[str, str]:
    """Say what was done, in words."""
    trained = {
        "all": "all events before the test train, but the last one of 2,000 users, which selects the epoch",
        "train": "the last event before the test of every user selects the epoch and never trains",
    }
    return {
        "task": f"the last {world.fingerprint['window']} events of a user"
        if world.task == WINDOW
        else world.task,
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


__all__ = ["BASELINE", "Run", "compare", "compare_on", "protocol"]
