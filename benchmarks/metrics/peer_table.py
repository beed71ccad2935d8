"""The peers side by side with the exact UAUC: time a user, and what each says where the answer is known."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from rich.box import SIMPLE

from benchmarks.metrics.peers import GroupedAUC, Peer
from learn_rank.metrics.auc import UAUC, WUAUC
from learn_recall.terminal import WholeTable

ROWS_PER_USER = 20
Case = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def measure_peers(
    peers: list[Peer], n_users: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """{peer: seconds, seconds a user of theirs and of ours on the same arrays, values, answers to the cases}.

    Args:
        peers: from `benchmarks.metrics.peers.find_peers`.
        n_users: users, 20 rows each on average, about one in eight with one class only.
        seed: of the rows.
        tell: called with a word on what is running.
    """
    labels, scores, users = draw(n_users, seed)
    exact_cases = {case[0]: exact("users", *case[1:]) for case in cases()}
    found: dict[str, Any] = {"exact": {"cases": exact_cases}}
    for peer in peers:
        if peer.compute is None:
            found[peer.name] = {"version": None, "missing": peer.missing}
            continue
        n_timed = n_users if peer.max_users is None else min(n_users, peer.max_users)
        chosen = users < n_timed
        rows = labels[chosen], scores[chosen], users[chosen]
        tell(f"{peer.name}: {n_timed:,} users")
        ours = median(_timed(lambda rows=rows, peer=peer: exact(peer.weighting, *rows))[0] for _ in range(5))
        seconds, value = _timed(lambda rows=rows, peer=peer: _ask(peer.compute, *rows))
        found[peer.name] = {
            "version": peer.version,
            "weighting": peer.weighting,
            "users": n_timed,
            "rows": int(chosen.sum()),
            "seconds": seconds,
            "seconds_ours": ours,
            "microseconds_per_user": 1e6 * seconds / n_timed,
            "microseconds_per_user_ours": 1e6 * ours / n_timed,
            "times_slower": seconds / ours,
            "value": value,
            "value_exact": exact(peer.weighting, *rows),
            "cases": {case[0]: _ask(peer.compute, *case[1:]) for case in cases()},
        }
    return found


def draw(n_users: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels int64, scores float32 in 0..1, users int64), rows in random order."""
    rng = np.random.default_rng(seed)
    n_rows = ROWS_PER_USER * n_users
    users = rng.permutation(np.concatenate([np.arange(n_users), rng.integers(0, n_users, n_rows - n_users)]))
    labels = (rng.random(n_rows) < 0.1).astype(np.int64)
    scores = ((rng.random(n_rows) + 0.3 * labels) / 1.3).astype(np.float32)
    return labels, scores, users


def exact(weighting: str, labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
    """UAUC, or WUAUC by rows."""
    metric = UAUC() if weighting == "users" else WUAUC()
    return metric(labels, scores, users).value


def cases() -> Iterator[Case]:
    """Rows whose grouped AUC is known; in all of them users weigh alike, so both weightings agree."""
    two = np.repeat([1, 2], 4)
    label = np.tile([1, 0, 1, 0], 2)
    yield (
        "all tied, positives first",
        np.sort(label)[::-1].copy(),
        np.full(8, 0.5, np.float32),
        np.ones(8, int),
    )
    yield "all tied, negatives first", np.sort(label), np.full(8, 0.5, np.float32), np.ones(8, int)
    tied = np.array([0.5, 0.5, 0.9, 0.1] * 2, np.float32)
    yield "one tie, positive first", label, tied, two
    yield "one tie, negative first", label[::-1].copy(), tied, two
    yield "logits 18 .. 22", label, np.array([22, 18, 19, 21] * 2, np.float32), two
    yield (
        "one-class users among them",
        np.array([1, 0, 1, 0, 1, 1, 0, 0]),
        np.array([0.9, 0.1, 0.9, 0.1, 0.5, 0.4, 0.3, 0.2], np.float32),
        np.repeat([1, 2, 3, 4], 2),
    )
    near = np.array([0.3, np.nextafter(0.3, 1)] * 2)
    yield "last bit of float64", np.array([0, 1] * 2), near, np.repeat([1, 2], 2)
    yield (
        "ids above 2^24",
        np.array([1, 0, 1, 0]),
        np.array([0.9, 0.1, 0.2, 0.8], np.float32),
        np.repeat([1 << 24, (1 << 24) + 1], 2),
    )


def peer_table(found: dict[str, Any]) -> WholeTable:
    """Time a user, ours beside it."""
    table = WholeTable(title="Grouped AUC elsewhere, the same arrays, one run", box=SIMPLE)
    table.add_column("peer", overflow="fold")
    for name in ("version", "users", "us a user", "ours", "ratio", "value", "exact"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found.items():
        if name == "exact":
            continue
        if row["version"] is None:
            table.add_row(name, "not here", "", "", "", "", "", row["missing"])
            continue
        table.add_row(
            name,
            row["version"],
            f"{row['users']:,}",
            f"{row['microseconds_per_user']:.1f}",
            f"{row['microseconds_per_user_ours']:.2f}",
            f"{row['times_slower']:,.0f} x",
            _number(row["value"], 6),
            _number(row["value_exact"], 6),
        )
    return table


def case_table(found: dict[str, Any]) -> WholeTable:
    """What each peer answers where the answer is known."""
    right = found["exact"]["cases"]
    table = WholeTable(title="Where the answer is known", box=SIMPLE)
    table.add_column("case", overflow="fold")
    table.add_column("exact", justify="right")
    asked = {name: row for name, row in found.items() if name != "exact" and row["version"] is not None}
    for name in asked:
        table.add_column(name, justify="right", overflow="fold")
    for case, value in right.items():
        answers = []
        for row in asked.values():
            answer = row["cases"][case]
            is_right = isinstance(answer, float) and math.isclose(answer, value, abs_tol=1e-6)
            answers.append(_number(answer, 3) if is_right else f"[bold red]{_number(answer, 3)}[/bold red]")
        table.add_row(case, _number(value, 3), *answers)
    return table


def _ask(
    compute: GroupedAUC, labels: np.ndarray, scores: np.ndarray, users: np.ndarray
) -> float | str | None:
    """The peer's value, None for NaN, or the name of the error that it dies of."""
    try:
        value = compute(labels, scores, users)
    except Exception as error:  # a peer may fail in any way, and that is the answer
        return type(error).__name__
    return None if math.isnan(value) else value


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = run()
    return time.perf_counter() - start, value


def _number(value: float | str | None, digits: int) -> str:
    return "NaN" if value is None else value if isinstance(value, str) else f"{value:.{digits}f}"
