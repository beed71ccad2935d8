"""What the exact UAUC costs: time against one np.sort of as many 64-bit integers, and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from learn_rank.metrics import UAUC


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
        peak_bytes_per_row (what the metric allocates at most, the arguments not counted), uauc.
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
    }


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
