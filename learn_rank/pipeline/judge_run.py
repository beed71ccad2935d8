"""From the prediction files of a run to its report: evaluation, coverage, provenance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from learn_rank.data.dataset import RankingDataset
from learn_rank.evaluation.item_ages import has_ages, judge_by_age
from learn_rank.evaluation.moved_items import moved_items
from learn_rank.evaluation.twins import twins
from learn_rank.metrics.buckets import BUCKETS, ITEM_RULE, USER_RULE
from learn_rank.pipeline.first_checks import ITEM_TEXTS
from learn_rank.pipeline.judged_arms import judge_arms, tasks_of, widths_words
from learn_rank.pipeline.judged_between import judge_between
from learn_rank.report.files import Report, write_report
from learn_rank.report.once import without_equal_buckets
from learn_rank.report.terminal import print_report
from learn_rank.report_kit.provenance import provenance
from learn_rank.report_kit.words import AUTO, BASELINE, LEARN, NOT_BY_BUCKET, RATES, RECENT
from learn_rank.run.auto_arm import choices
from learn_rank.run.folder import RunFolder
from learn_recall.columns import CONTEXT_ID, ITEM_BUCKET, ITEM_ID
from learn_recall.files.whole_files import read_json
from learn_recall.store import EmbeddingStore


def make_report(
    run: RunFolder,
    arms: Sequence[str],
    seeds: Sequence[int],
    *,
    dataset: RankingDataset,
    has_vector: Callable[[str, pd.Series], np.ndarray] | None,
    command: str,
    seconds: float | None,
    console: Console,
    texts: Callable[[pd.DataFrame], list[str]] | None = None,
) -> Report:
    """Judge the predictions of a run and write ``report.json`` and ``report.html``; print the tables.

    Args:
        run: folder of the run.
        arms: the arms that were trained, "baseline" among them.
        seeds: their seeds.
        dataset: whose test rows were scored.
        has_vector: ("user", context ids) or ("item", item ids) -> (n,) bool; None where no arm has vectors.
        command: what made the run, for the report.
        seconds: what the stages took, None if not known.
        console: for the terminal tables.
        texts: rows of the items table -> what the encoder read of each; None where that is not known.

    Raises:
        FileNotFoundError: a prediction file is missing; says which command makes it.
    """
    predictions = {arm: [_read(run.predictions_of(arm, seed)) for seed in seeds] for arm in arms}
    predictions[RATES] = [_read(run.predictions_of(RATES, 0))]
    if run.predictions_of(RECENT, 0).is_file():  # rows without time have none
        predictions[RECENT] = [_read(run.predictions_of(RECENT, 0))]
    if LEARN in arms:
        predictions[AUTO] = [_read(run.predictions_of(AUTO, seed)) for seed in seeds]
    rows, deltas, precision = judge_arms(predictions)
    tasks = tasks_of([table for tables in predictions.values() for table in tables])
    arms_alike, buckets_alike = twins(predictions, BASELINE, tasks)
    equal = {"equal_arms": arms_alike, "equal_buckets": buckets_alike}
    between, alarms = judge_between(predictions, without_equal_buckets(rows, equal), tasks)
    about = {
        **provenance(),
        **_started(run),
        "command": command,
        **({} if seconds is None else {"seconds": round(seconds, 1)}),
        **_about(run, dataset, predictions, arms, seeds, widths=widths_words(precision)),
        "coverage": [] if has_vector is None else _coverage(has_vector, predictions[BASELINE][0]),
        "precision": [dict(row) for row in precision],
        **equal,
        "moved_items": _moved(predictions, dataset.items, texts) if LEARN in arms else [],
        **between,
        "item_age": _by_age(predictions, tasks),
        "warnings": [*_said_first(dataset), *alarms],
    }
    report = Report([dict(row) for row in rows], [dict(delta) for delta in deltas], about)
    write_report(report, run.path)
    print_report(report, console)
    return report


def _by_age(predictions: dict[str, list[pd.DataFrame]], tasks: Sequence[str]) -> dict[str, Any]:
    """Rows and differences by item age, of what is told by bucket; nothing where ages are not told apart."""
    if not has_ages(predictions[BASELINE][0]):
        return {}
    told = {arm: tables for arm, tables in predictions.items() if arm not in NOT_BY_BUCKET}
    rows, deltas = judge_by_age(told, BASELINE, tasks)
    return {"rows": [dict(row) for row in rows], "deltas": [dict(delta) for delta in deltas]}


def _started(run: RunFolder) -> dict[str, str]:
    """When the first stage of a run began; nothing where no stage is known, as in a comparison of rankers."""
    first = run.stamp_of("tables")
    known = read_json(first) if first.is_file() else {}
    return {"started": known["started"]} if "started" in known else {}


def store_presence(users: EmbeddingStore, items: EmbeddingStore) -> Callable[[str, pd.Series], np.ndarray]:
    """`has_vector` of `make_report`, from two stores."""
    stores = {"user": users, "item": items}
    return lambda side, ids: stores[side].lookup(ids.to_numpy())[1]


def _about(
    run: RunFolder,
    dataset: RankingDataset,
    predictions: dict[str, list[pd.DataFrame]],
    arms: Sequence[str],
    seeds: Sequence[int],
    *,
    widths: str,
) -> dict[str, Any]:
    test = predictions[BASELINE][0]
    in_test = dataset.items[ITEM_ID].isin(test.loc[test[ITEM_BUCKET] == BUCKETS[0], ITEM_ID])
    return {
        "title": f"LEARN on {dataset.name}",
        "dataset": dataset.name,
        "seeds": list(seeds),
        "confidence": 0.95,
        "protocol": {
            **dataset.protocol,
            "rows in train / valid / test": " / ".join(f"{len(part):,}" for part in dataset.parts.values()),
            "cold-start users": f"up to {USER_RULE.cold_max} training clicks",
            "long-tail users": f"up to {USER_RULE.tail_max} training clicks",
            "cold-start items": f"up to {ITEM_RULE.cold_max} training clicks",
            "long-tail items": f"up to {ITEM_RULE.tail_max} training clicks",
            "selection": "best epoch on valid; test scored once",
            "weight decay of id embeddings": _tuning(run),
            "width of the intervals that decide": widths,
            **({AUTO: choices(run, seeds)} if LEARN in arms else {}),
        },
        "recall": read_json(run.recall) if run.recall.is_file() else [],
        "examples": dataset.items.loc[in_test, ["title"]].head(5).to_dict("records"),
        "training": [
            {"model": arm, "seed": seed, "epoch": result["epoch"], "valid_auc": result["ctr_auc"]}
            for arm in arms
            for seed in seeds
            for result in read_json(run.history_of(arm, seed))
        ],
    }


def _moved(
    predictions: dict[str, list[pd.DataFrame]],
    items: pd.DataFrame,
    texts: Callable[[pd.DataFrame], list[str]] | None,
) -> list[dict[str, Any]]:
    """The items that gained and lost most, with what the encoder read of them."""
    moved = moved_items(predictions[LEARN], predictions[BASELINE])
    known = items[items[ITEM_ID].isin([row["item_id"] for row in moved])]
    read = {} if texts is None else dict(zip(known[ITEM_ID], texts(known), strict=True))
    return [{**row, "text": read.get(row["item_id"])} for row in moved]


def _tuning(run: RunFolder) -> str:
    if not run.tuning.is_file():
        return "not tuned"
    found = read_json(run.tuning)
    tried = ", ".join(f"{decay}: {score:.4f}" for decay, score in found["validation"].items())
    return (
        f"{found['embedding_weight_decay']:g}, tuned for the baseline on valid ({tried}), used in every arm"
    )


def _coverage(has_vector: Callable[[str, pd.Series], np.ndarray], test: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for side, key in (("user", CONTEXT_ID), ("item", ITEM_ID)):
        is_covered = has_vector(side, test[key])
        for bucket in BUCKETS:
            inside = (test[f"{side}_bucket"] == bucket).to_numpy()
            share = float(is_covered[inside].mean()) if inside.any() else None
            place = {"store": side, "bucket_kind": side, "bucket": bucket}
            rows.append({**place, "share_with_vector": share, "n": int(inside.sum())})
    return rows


def _said_first(dataset: RankingDataset) -> list[str]:
    """What the first stage said of texts that tell little; a reader of the page has to know it, too."""
    return [f"{dataset.protocol[ITEM_TEXTS]}."] if ITEM_TEXTS in dataset.protocol else []


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected the predictions of this arm and seed, found none; make them with "
            "`learn-rank train`."
        )
    return pd.read_parquet(path)
