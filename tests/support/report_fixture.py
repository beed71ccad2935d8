"""A made-up but realistic report, for the tests of the page, the terminal and the verdict."""

from itertools import product

import numpy as np

from learn_rank.report import Report

EVIL = '<script>alert(1)</script> $x$ & "q"'
BUCKETS = (
    ("all", "all", 48210, 6104),
    ("user", "cold-start", 5120, 1930),
    ("user", "long-tail", 16840, 2604),
    ("user", "other", 26250, 1570),
    ("item", "cold-start", 4711, 2988),
    ("item", "long-tail", 9034, 4127),
    ("item", "other", 34465, 6090),
)
BASE = {"CTR": 0.8668, "CVR": 0.8273, "CTCVR": 0.8746}
LIFT = {
    "learn": {"CTR": 0.0320, "CVR": 0.0021, "CTCVR": 0.0200},
    "raw_text": {"CTR": 0.0262, "CVR": -0.0020, "CTCVR": 0.0180},
    "shuffled": {"CTR": -0.0050, "CVR": -0.0080, "CTCVR": -0.0052},
}


def delta_row(
    delta,
    low,
    high,
    *,
    model="learn",
    baseline="baseline",
    task="CTR",
    metric="UAUC",
    kind="all",
    bucket="all",
    p_adjusted=None,
    n_rows=1000,
):
    return {
        "model": model,
        "baseline": baseline,
        "task": task,
        "metric": metric,
        "bucket_kind": kind,
        "bucket": bucket,
        "delta": delta,
        "low": low,
        "high": high,
        "p": None,
        "p_adjusted": p_adjusted,
        "n_rows": n_rows,
        "n_users": 100,
    }


def example_report() -> Report:
    """Three tasks, three metrics, seven buckets, four models; CVR of cold-start items has one class only."""
    generator = np.random.default_rng(7)
    rows, deltas = [], []
    for task, metric, (kind, bucket, all_rows, all_users) in product(BASE, ("AUC", "UAUC", "WUAUC"), BUCKETS):
        n_rows, n_users = (all_rows, all_users) if task != "CVR" else (all_rows // 9, all_users // 5)
        undefined = task == "CVR" and (kind, bucket) == ("item", "cold-start")
        empty = undefined and metric == "AUC"
        width = 1.1 / n_users**0.5 / 4
        base = BASE[task] - (0.09 if bucket == "cold-start" else 0.03 if bucket == "long-tail" else 0)
        base += generator.normal(0, 0.004) - (0.02 if metric == "AUC" else 0)
        names = {"task": task, "metric": metric, "bucket_kind": kind, "bucket": bucket}
        counts = {"n_rows": 0 if empty else n_rows, "n_users": 0 if empty else n_users}
        for model in ("baseline", "learn", "raw_text", "shuffled"):
            lift = LIFT[model][task] if model != "baseline" else 0.0
            lift *= 1.9 if bucket == "cold-start" else 1.0
            lift += generator.normal(0, width / 4) if model != "baseline" else 0
            value = None if undefined else base + lift
            interval = (None, None) if undefined else (value - width, value + width)
            skipped = {"n_skipped_users": 0 if empty or metric == "AUC" else n_users // 3}
            rows.append(
                {
                    "model": model,
                    **names,
                    "value": value,
                    "low": interval[0],
                    "high": interval[1],
                    **counts,
                    **skipped,
                }
            )
            if model == "baseline":
                continue
            z = abs(lift) / (width / 2)
            p = float(2 * np.exp(-(z**2) / 2) / (1 + np.exp(-(z**2) / 2)))
            deltas.append(
                {
                    "model": model,
                    "baseline": "baseline",
                    **names,
                    "delta": None if undefined else lift,
                    "low": None if undefined else lift - width,
                    "high": None if undefined else lift + width,
                    "p": None if undefined else p,
                    "p_adjusted": None if undefined else min(1.0, p * 4),
                    **counts,
                }
            )
    for task, delta in (("CTR", 0.0058), ("CVR", 0.0041), ("CTCVR", 0.0020)):
        deltas.append(
            delta_row(delta, delta - 0.0032, delta + 0.0032, baseline="raw_text", task=task, p_adjusted=0.03)
        )
    return Report(rows, deltas, example_about())


def example_about() -> dict:
    """Where the made-up numbers would come from."""
    return {
        "title": "Steam, fair protocol",
        "dataset": "steam",
        "command": "learn-rank run --dataset steam --data data/steam --out runs/steam",
        "commit": "7c27354",
        "machine": "2 cores, AVX-512 with bf16, 16 GB memory, no GPU",
        "versions": {"python": "3.11.9", "torch": "2.13.0", "torchrec": "1.8.0", "fbgemm": "1.8.0"},
        "seeds": [1, 2, 3, 4, 5],
        "started": "2026-01-12 09:31",
        "seconds": 3725,
        "confidence": 0.95,
        "protocol": {
            "split": "by time per user: the last two events are validation and test",
            "negatives": "4 per click, half by popularity, half uniform",
            "new items": "10 % of the items held out of all training rows",
            "user vector": "made without the item of the row, never newer than the row",
            "cold-start": "0 events in training",
            "long-tail": "1 to 20 events in training",
            "simulated newness": 0.1,
        },
        "coverage": [
            {
                "store": "user",
                "bucket_kind": "user",
                "bucket": "cold-start",
                "share_with_vector": 0.412,
                "n": 5120,
            },
            {
                "store": "user",
                "bucket_kind": "user",
                "bucket": "long-tail",
                "share_with_vector": 1.0,
                "n": 16840,
            },
            {"store": "user", "bucket_kind": "user", "bucket": "other", "share_with_vector": 1.0, "n": 26250},
            {
                "store": "item",
                "bucket_kind": "item",
                "bucket": "cold-start",
                "share_with_vector": 0.987,
                "n": 4711,
            },
            {
                "store": "item",
                "bucket_kind": "item",
                "bucket": "long-tail",
                "share_with_vector": None,
                "n": 0,
            },
            {
                "store": "item",
                "bucket_kind": "item",
                "bucket": "other",
                "share_with_vector": 0.999,
                "n": 34465,
            },
        ],
        "recall": [
            {"model": model, "metric": metric, "value": value}
            for model, values in (("learn", (0.1027, 0.0617, 0.57)), ("raw_text", (0.0543, 0.0254, 0.62)))
            for metric, value in zip(("Recall@10", "NDCG@10", "coverage@10"), values, strict=True)
        ],
        "examples": [
            {"title": "Envy versatile five-petal flower earrings", "brand": "Envy", "bucket": "cold-start"},
            {"title": EVIL, "brand": "<b>bold</b>", "bucket": "long-tail"},
        ],
        "moved_items": [
            {
                "direction": direction,
                "item_id": item_id,
                "text": text,
                "change": change,
                "n_rows": 210,
                "click_rate": 0.2,
                "baseline_pctr": 0.18,
                "learn_pctr": 0.21,
            }
            for direction, item_id, text, change in (
                ("gained", "A7", 'Item title is "Envy versatile five-petal flower earrings".', 0.0871),
                ("gained", EVIL, EVIL, 0.0412),
                ("lost", "B2", None, -0.0333),
            )
        ],
        "warnings": [
            "12 test rows name an item that is not in the items table; they got the fallback vector."
        ],
        "training": [
            {"model": model, "seed": seed, "epoch": epoch, "valid_auc": top - 0.05 / epoch + 0.001 * seed}
            for model, top in (
                ("baseline", 0.842),
                ("learn", 0.871),
                ("raw_text", 0.866),
                ("shuffled", 0.836),
            )
            for seed in (1, 2)
            for epoch in range(1, 7)
        ],
    }
