"""How often the statistics of a real experiment are right where the truth is known; controls that must fail.

    python benchmarks/ab_experiment.py > tables.md

Prints the tables of docs/experiment.md: A/A tests that are watched daily for 60 days, errors of the declared
order of tests, and what CUPED and CUPAC take without moving the estimate.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.ab.experiment_worlds import Returning, watched
from learn_rank.ab.experiment.always_valid import multipliers
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.looks import look_rows
from learn_rank.ab.experiment.metrics import metric_of
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.past import Past, past_of
from learn_rank.ab.experiment.read import read_outcomes
from learn_rank.ab.experiment.table import Adjustment, compared, table
from learn_rank.ab.statistics.resplits import rejection_band
from learn_rank.ab.statistics.skewness import MIN_USERS

Row = dict[str, object]
NOTHING = Past({}, None, {}, {})


def watched_table(n_tests: int = 2000, n_users: int = 600, n_days: int = 60, seed: int = 0) -> list[Row]:
    """Share of A/A tests of revenue per user that some daily look rejects, by both intervals."""
    rows: list[Row] = []
    for spread, arrival, name in (
        (0.0, 1, "a panel, independent days"),
        (1.0, 1, "a panel, users with habits"),
        (0.0, 60, "users arrive every day, independent days"),
        (1.0, 7, "users arrive in a week, with habits"),
    ):
        always = fixed = last = 0
        for start in range(0, n_tests, 50):
            size = min(50, n_tests - start)
            delta, error, users = watched(
                size, n_users, n_days, seed + start, habit_spread=spread, arrival_days=arrival
            )
            is_look = (users >= 2 * MIN_USERS) & (error > 0)
            evidence = np.where(is_look, (error * users) ** 2, np.nan)
            reach = np.array([multipliers(each) for each in evidence])
            always += int((np.abs(delta) > reach * error).any(axis=1).sum())
            fixed += int(((np.abs(delta) > 1.96 * error) & is_look).any(axis=1).sum())
            last += int((np.abs(delta) > 1.96 * error)[:, -1].sum())
        rates = {"every look": always, "fixed, every day": fixed, "fixed, last day alone": last}
        rows.append({"world": name} | {label: count / n_tests for label, count in rates.items()})
    return rows


def ratio_table(n_tests: int = 300, n_users: int = 400, n_days: int = 60, seed: int = 0) -> list[Row]:
    """The same for CTR and revenue by the code that judges a file, and how soon a lift of CTR is found."""
    rows: list[Row] = []
    for lift in (0.0, 0.3):
        found: dict[str, list[tuple[bool, bool, float]]] = {"CTR": [], "revenue": []}
        for number in range(n_tests):
            world = Returning(n_users, n_days=n_days, arrival_days=30, lift=lift)
            outcomes = outcomes_of(world.draw(seed + number))
            looks = look_rows(outcomes, NOTHING, [metric_of(name) for name in found], Declaration())
            for name, each in found.items():
                own = [row for row in looks if row["metric"] == name and row["always_delta_low"] is not None]
                out = [row["always_delta_low"] > 0 or row["always_delta_high"] < 0 for row in own]
                fixed = [row["cumulative_delta_low"] > 0 or row["cumulative_delta_high"] < 0 for row in own]
                day = own[out.index(True)]["day"] if any(out) else np.nan
                each.append((any(out), any(fixed), float(day)))
        for name, values in found.items():
            always, fixed_rate, day = np.array(values, float).T
            row: Row = {"lift of the click rate": lift, "metric": name, "every look": float(always.mean())}
            row |= {"fixed, every day": float(fixed_rate.mean())}
            rows.append(row | {"median day of the find": float(np.nanmedian(day)) if always.any() else None})
    return rows


def order_table(n_tests: int = 1000, n_users: int = 600, seed: int = 0) -> list[Row]:
    """A/A tests: how often the primary rejects, anything is told, and a family apart would tell something."""
    found = []
    metrics = [metric_of(name) for name in ("CTR", "revenue", "conversions", "CVR")]
    for number in range(n_tests):
        frame = Returning(n_users, n_days=7, arrival_days=3).draw(seed + number)
        declared = Declaration(primary="CTR", buckets=("habit",))
        outcomes = outcomes_of(frame, declared)
        rows = table(outcomes, metrics, Adjustment(outcomes, NOTHING, declared), declared)
        clear = [row for row in rows if row["p_adjusted"] is not None and row["p_adjusted"] < 0.05]
        apart = [row["role"] for row in rows if row["p_family"] is not None and row["p_family"] < 0.05]
        told = ("primary" in apart, bool(clear), "secondary" in apart, "bucket" in apart)
        found.append(told)
    names = ("primary rejects", "anything in the declared order", "a metric apart", "a bucket apart")
    rates = map(float, np.mean(found, axis=0))
    return [{"tests": n_tests, **dict(zip(names, rates, strict=True))}]


def way_table(n_tests: int = 200, n_users: int = 2000, seed: int = 0) -> list[Row]:
    """Plain, CUPED and CUPAC on the same worlds: bias, coverage and the share of variance taken.

    The truth is the difference of the same users under both arms: the plain estimate of a large world.
    """
    metric = metric_of("CTR")
    truth = _truth(metric.name)
    found: dict[str, list[tuple[float, bool, float]]] = {"none": [], "cuped": [], "cupac": []}
    for number in range(n_tests):
        frame = Returning(n_users, n_days=7, arrival_days=3, lift=0.3, n_pre_days=14).draw(seed + number)
        declared = Declaration(primary="CTR", covariates=("age",), adjust="cupac")
        outcomes, past = outcomes_and_past(frame, declared)
        adjustment = Adjustment(outcomes, past, declared)
        for way, each in found.items():
            one = compared(outcomes, outcomes.per_user(metric), 1, before=adjustment.before(metric, way))
            is_held = one.contrast.low <= truth <= one.contrast.high
            each.append((one.contrast.delta - truth, is_held, one.variance_reduction))
    rows: list[Row] = []
    for way, values in found.items():
        gap, held, taken = np.array(values, float).T
        error = float(gap.std(ddof=1)) / np.sqrt(n_tests)
        rows.append(
            {
                "way": way,
                "bias in standard errors": float(gap.mean()) / error,
                "interval holds the truth": float(held.mean()),
                "variance taken": float(taken.mean()),
            }
        )
    return rows


def outcomes_of(frame: pd.DataFrame, declared: Declaration | None = None) -> Outcomes:
    """A frame as the experiment that its file would be."""
    with tempfile.TemporaryDirectory() as folder:
        frame.to_parquet(Path(folder) / "outcomes.parquet", index=False)
        chosen = Declaration() if declared is None else declared
        return read_outcomes(Path(folder) / "outcomes.parquet", chosen)[0]


def outcomes_and_past(frame: pd.DataFrame, declared: Declaration) -> tuple[Outcomes, Past]:
    """The test and the days before it, which are below 0."""
    is_before = frame["day"] < 0
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("outcomes.parquet", "before.parquet")]
        for path, rows in zip(paths, (frame[~is_before], frame[is_before]), strict=True):
            rows.to_parquet(path, index=False)
        outcomes, metrics, are_dates = read_outcomes(paths[0], declared)
        return outcomes, past_of(outcomes, declared, metrics, paths[1], are_dates=are_dates)


def _truth(name: str) -> float:
    """The difference of 40 worlds of 50,000 users together."""
    metric, sums = metric_of(name), np.zeros((2, 2))
    for number in range(40):
        frame = Returning(50_000, n_days=7, arrival_days=3, lift=0.3).draw(10_000_000 + number)
        for at, arm in enumerate(("control", "new")):
            sums[at] += frame.loc[frame["arm"] == arm, list(metric.columns)].sum().to_numpy(float)
    control, new = sums[:, 0] / sums[:, 1]
    return float(new - control)


def main(
    tests: Annotated[int, typer.Option(help="A/A tests a line of the first table, and of the third.")] = 2000,
    worlds: Annotated[int, typer.Option(help="Worlds of the other tables.")] = 300,
) -> None:
    """Print every table as markdown."""
    started = time.monotonic()
    high = stats.binom.ppf(0.9995, tests, 0.05) / tests
    _print(f"A/A watched daily for 60 days, {tests} tests a line; at most {high:.2%}", watched_table(tests))
    high = stats.binom.ppf(0.9995, worlds, 0.05) / worlds
    _print(f"By the code that judges a file, {worlds} tests; at most {high:.2%}", ratio_table(worlds))
    low, high = rejection_band(tests)
    _print(f"The declared order, A/A; band {low:.2%} .. {high:.2%}", order_table(tests))
    _print(f"CTR with a lift of 30 %, {worlds} worlds", way_table(worlds))
    print(f"\n{time.monotonic() - started:.0f} s")


def _print(title: str, rows: list[Row]) -> None:
    names = list(rows[0])
    print(f"\n**{title}**\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row[name]) for name in names)} |", flush=True)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
