"""How often 95 % intervals hold the truth, in simulated worlds where the truth is known.

    python benchmarks/coverage.py --worlds 1500

Users differ in click rate, in how well they are understood and, by a heavy tail, in their number of rows. The
last column is the control that must fail: the interval of the AUC with rows taken as independent.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.metrics.auc import AUC, UAUC, WUAUC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.intervals import Bootstrap, ClosedForm

METRICS = (AUC(), UAUC(), WUAUC())
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def world(rng: np.random.Generator, n_users: int) -> Columns:
    """(labels, users, scores of a model, scores of another that builds on it)."""
    spread = 1 + rng.pareto(2.0, n_users)
    n_rows = np.minimum(2 + rng.geometric(0.12, n_users) * spread, 200).astype(int)
    users = np.repeat(np.arange(n_users), n_rows)
    taste, skill = rng.normal(-1, 1, n_users)[users], rng.normal(1, 0.7, n_users)[users]
    labels = (rng.random(users.size) < 1 / (1 + np.exp(-taste))).astype(int)
    first = labels * skill + 0.7 * taste + rng.normal(size=users.size)
    gain = rng.normal(0.2, 0.3, n_users)[users]
    return labels, users, first, first + 0.5 * labels * gain + 0.5 * rng.normal(size=users.size)


def covered(n_users: int, n_worlds: int, truth: np.ndarray, gain: np.ndarray, every: int) -> list[np.ndarray]:
    """Shares of intervals that hold the truth: closed form, difference, bootstrap, rows independent."""
    how = ClosedForm()
    hits: list[list[list[float]]] = [[], [], [], []]
    for number in range(n_worlds):
        labels, users, first, second = world(np.random.default_rng([n_users, number]), n_users)
        rows = LabelledRows.of(labels, users)
        old, new = how.evidence(METRICS, rows, first), how.evidence(METRICS, rows, second)
        hits[0].append([_holds(how.interval([e]), t) for e, t in zip(old, truth, strict=True)])
        hits[1].append([_holds(how.delta([b], [a]), t) for a, b, t in zip(old, new, gain, strict=True)])
        by_rows = how.evidence([AUC()], LabelledRows.of(labels, np.arange(labels.size)), first)
        hits[3].append([_holds(how.interval(by_rows), truth[0])])
        if number % every == 0:
            drawn = Bootstrap(n_resamples=400, seed=number)
            found = drawn.evidence(METRICS, rows, first)
            hits[2].append([_holds(drawn.interval([e]), t) for e, t in zip(found, truth, strict=True)])
    return [np.nanmean(np.array(column), axis=0) for column in hits]


def _holds(found: object, truth: float) -> float:
    """1, 0, or NaN where no interval can be had."""
    low, high = found.low, found.high  # type: ignore[attr-defined]
    return np.nan if np.isnan(low) else float(low <= truth <= high)


def main(
    worlds: Annotated[int, typer.Option(help="Worlds per line.")] = 1500,
    truth_users: Annotated[int, typer.Option(help="Users of the world that stands for the truth.")] = 400_000,
    every: Annotated[int, typer.Option(help="Bootstrap every so many worlds.")] = 5,
) -> None:
    """Coverage of 95 % intervals by number of users."""
    labels, users, first, second = world(np.random.default_rng(0), truth_users)
    rows = LabelledRows.of(labels, users)
    truth = np.array([metric.compute(rows, first).value for metric in METRICS])
    gain = np.array([metric.compute(rows, second).value for metric in METRICS]) - truth
    table = WholeTable(
        title=f"Coverage of nominal 95 % intervals, {worlds} worlds a line: AUC / UAUC / WUAUC"
    )
    for name in ("users", "closed form", "paired difference", "bootstrap", "AUC, rows independent"):
        table.add_column(name, justify="right")
    for n_users in (6, 10, 20, 50, 200):
        shares = covered(n_users, worlds, truth, gain, every)
        table.add_row(str(n_users), *(" / ".join(f"{share:.3f}" for share in column) for column in shares))
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
