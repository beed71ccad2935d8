"""What the exact UAUC costs: time against one np.sort of as many 64-bit integers, and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from learn_rank.metrics.auc import UAUC
from learn_rank.uncertainty.intervals import Bootstrap, interval


def zipf_rows(n_rows: int, n_users: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels int8, scores float32, users int64): users by a Zipf law of exponent 1, 10 % positives."""
    rng = np.random.default_rng(seed)
    share = np.cumsum(1 / np.arange(1, n_users + 1))
    users = np.searchsorted(share, rng.random(n_rows) * share[-1], side="right")
    labels = (rng.random(n_rows, dtype=np.float32) < 0.1).astype(np.int8)
    scores = rng.random(n_rows, dtype=np.float32) * (1 + labels)
    return labels, scores, np.minimum(users, n_users - 1)


def measure(n_rows: int, n_users: int, seed: int = 0, repeats: int = 3) -> dict[str, Any]:
    """Medians over `repeats` alternating runs in this process; the memory in one further, traced run.

    Returns:
        rows, users (asked for), seconds (UAUC), sort_seconds (np.sort of `rows` uint64), ratio_to_sort,
        peak_bytes_per_row (what the metric allocates at most, the arguments not counted), uauc;
        bootstrap_seconds and bootstrap_ratio: value and interval from 1,000 resamples of `users` users who
        all have both classes, against the metric alone on the same rows.
    """
    labels, scores, users = zipf_rows(n_rows, n_users, seed)
    keys = np.random.default_rng(seed).integers(0, 1 << 63, n_rows, dtype=np.uint64)
    metric = UAUC()
    sort_seconds, seconds = [], []
    for _ in range(repeats):
        sort_seconds.append(_seconds(lambda: np.sort(keys)))
        seconds.append(_seconds(lambda: metric(labels, scores, users)))
    tracemalloc.start()
    result = metric(labels, scores, users)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "rows": n_rows,
        "users": n_users,
        "seconds": median(seconds),
        "sort_seconds": median(sort_seconds),
        "ratio_to_sort": median(seconds) / median(sort_seconds),
        "peak_bytes_per_row": peak / n_rows,
        "uauc": result.value,
        **measure_bootstrap(n_rows, n_users, seed, repeats),
    }


def measure_bootstrap(n_rows: int, n_users: int, seed: int, repeats: int) -> dict[str, float]:
    """What 1,000 resamples of the users cost beside the metric; medians over alternating runs."""
    labels, scores, users = two_class_rows(n_rows, n_users, seed)
    metric, how = UAUC(), Bootstrap(n_resamples=1000, seed=seed)
    alone, both = [], []
    for _ in range(repeats):
        alone.append(_seconds(lambda: metric(labels, scores, users)))
        both.append(_seconds(lambda: interval(labels, users, scores, metric=metric, uncertainty=how)))
    return {"bootstrap_seconds": median(both), "bootstrap_ratio": median(both) / median(alone)}


def two_class_rows(n_rows: int, n_users: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels int8, scores float32, users int64): every user has a positive and a negative row."""
    rng = np.random.default_rng(seed)
    everybody = np.arange(n_users)
    users = np.concatenate([everybody, everybody, rng.integers(0, n_users, max(n_rows - 2 * n_users, 0))])
    labels = (rng.random(users.size) < 0.3).astype(np.int8)
    labels[:n_users], labels[n_users : 2 * n_users] = 1, 0
    scores = rng.random(users.size, dtype=np.float32) * (1 + labels)
    order = rng.permutation(users.size)
    return labels[order], scores[order].astype(np.float32), users[order]


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
