"""How often the declared order of tests is wrong where nothing is there, and how often it finds what is.

    python benchmarks/ab_hierarchy.py > tables.md

Prints the tables "The declared order" of docs/results/ab_evidence.md: errors over A/A re-splits, the power of
a planted lift beside that of one Holm correction over all rows, and guardrails at their margin.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.ab.evidence_worlds import HeavyUsers
from learn_rank.ab.hierarchy.declaration import Guardrail, Hierarchy
from learn_rank.ab.hierarchy.families import adjust, role_of
from learn_rank.ab.report.verdict import LEVEL, headline, significant, significant_apart, verdict_of
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.analysis import ABRow, AnalysisConfig, analyse, guardrails
from learn_rank.ab.statistics.resplits import rejection_band
from learn_rank.uncertainty.intervals import holm

Row = dict[str, object]
SHARE, MARGIN = 0.5, 0.1
RAILS = (Guardrail("CTR", MARGIN), Guardrail("CVR", MARGIN))
DECLARED = AnalysisConfig(hierarchy=Hierarchy("revenue", RAILS))
SIDES = ("better", "worse")


def judged(world: UserTotals) -> tuple[list[ABRow], list[dict[str, Any]], str]:
    """Rows, guardrails and status of one test, by the code that judges a simulation."""
    rows, held = analyse(world, DECLARED), guardrails(world, DECLARED)
    return rows, held, verdict_of(rows, [], guardrails=held).status


def corrected_over_all(rows: Sequence[ABRow]) -> list[dict[str, Any]]:
    """The rows by the rule of before: one Holm correction over everything that is not flagged."""
    p = [math.nan if row["flag"] is not None or row["p"] is None else row["p"] for row in rows]
    return [
        {**row, "p_adjusted": None if math.isnan(each) else float(each)}
        for row, each in zip(rows, holm(p), strict=True)
    ]


def error_table(n_splits: int, n_users: int = 8000, seed: int = 0) -> list[Row]:
    """A/A: the same users split anew each time; how often anything is told to differ."""
    world = HeavyUsers(n_users).draw(np.random.default_rng(seed), 0.0)
    rng, found = np.random.default_rng(seed + 1), []
    for _ in range(n_splits):
        arm = (rng.random(n_users) < SHARE).astype(np.uint8)
        rows, held, status = judged(dataclasses.replace(world, arm=arm))
        by_ctr = [{**row, "role": role_of(row["metric"], row["bucket_kind"], "CTR")} for row in rows]
        adjust(by_ctr)
        status_by_ctr = verdict_of(by_ctr, [], guardrails=held[1:]).status
        whole = corrected_over_all(rows)
        tested = [row for row in rows if row["flag"] is None and row["p"] is not None]
        told = {
            "the verdict is not 'no detectable difference'": status != LEVEL,
            "anything in the declared order": status != LEVEL or _any(rows),
            "anything in the declared order, CTR decides": status_by_ctr != LEVEL or _any(by_ctr),
            "any other metric, by its family apart": _any_apart(rows, "secondary"),
            "any bucket, by its family apart": _any_apart(rows, "bucket"),
            "any row, one Holm correction over all (before)": _any(whole),
            "any row without a correction (must fail)": any(row["p"] < 0.05 for row in tested),
            "a guardrail is harmed": any(row["state"] == "harmed" for row in held),
        }
        found.append(list(told.values()))
    rates = np.mean(found, axis=0)
    return [{"told": name, "share of tests": float(rate)} for name, rate in zip(told, rates, strict=True)]


def power_table(lift: float, n_worlds: int, n_users: int = 8000, seed: int = 0) -> Row:
    """A lift of click and conversion rates: how often revenue is found, by each rule."""
    world = HeavyUsers(n_users, click_lift=lift, conversion_lift=lift)
    found = []
    for number in range(n_worlds):
        rows, held, status = judged(world.draw(np.random.default_rng([seed, number]), SHARE))
        before = headline(corrected_over_all(rows))
        is_found = before is not None and before["low"] > 0 and (before["p_adjusted"] or 1.0) < 0.05
        secondary = [row for row in significant(rows, "better") if row["role"] == "secondary"]
        old = [row for row in significant(corrected_over_all(rows), "better") if row["role"] == "secondary"]
        found.append(
            (
                status.startswith("better"),
                status == "better",
                is_found,
                len(secondary) / 3,
                len(old) / 3,
                all(row["state"] == "held" for row in held),
            )
        )
    names = (
        "revenue found, declared order",
        "and both guardrails hold",
        "revenue found, Holm over all (before)",
        "other metrics found, of 3",
        "other metrics, before",
        "guardrails hold",
    )
    truth = world.truth()["revenue"]
    return {"lift of clicks and conversions": lift, "of revenue": truth} | dict(
        zip(names, map(float, np.mean(found, axis=0)), strict=True)
    )


def margin_table(lift: float, n_worlds: int, n_users: int = 8000, seed: int = 0) -> Row:
    """How often CTR is told to hold at a loss that is known, and what its row said of that chance."""
    world, held, power = HeavyUsers(n_users, click_lift=lift), 0, []
    config = AnalysisConfig(hierarchy=Hierarchy("revenue", RAILS[:1]))
    for number in range(n_worlds):
        (row,) = guardrails(world.draw(np.random.default_rng([seed + 1, number]), SHARE), config)
        held += row["state"] == "held"
        power.append(row["power"])
    return {
        "true change of CTR": lift,
        "margin": MARGIN,
        "told to hold": held / n_worlds,
        "power in the row, if nothing is lost": float(np.mean(power)),
    }


def _any(rows: Sequence[Any]) -> bool:
    return any(significant(rows, side) for side in SIDES)


def _any_apart(rows: Sequence[Any], role: str) -> bool:
    own = [row for row in rows if row["role"] == role]
    return any(significant_apart(own, side) for side in SIDES)


def main(
    splits: Annotated[int, typer.Option(help="A/A re-splits, and worlds at the margin.")] = 2000,
    worlds: Annotated[int, typer.Option(help="Worlds of a planted lift.")] = 400,
) -> None:
    """Print every table as markdown."""
    started = time.monotonic()
    low, high = rejection_band(splits)
    _print(
        f"A/A, {splits} re-splits of 8,000 users, 24 rows; band {low:.2%} .. {high:.2%}", error_table(splits)
    )
    _print(
        f"A lift that is there, {worlds} worlds a line",
        [power_table(lift, worlds) for lift in (0.1, 0.2)],
    )
    low, high = rejection_band(splits, 0.975)
    _print(
        f"A guardrail with a margin of {MARGIN:.0%}, {splits} worlds at it; there {low:.2%} .. {high:.2%}",
        [margin_table(-MARGIN, splits), margin_table(-MARGIN / 2, worlds), margin_table(0.0, worlds)],
    )
    at_most = stats.binom.ppf(0.9995, splits, 0.05) / splits
    print(f"\na family apart: at most {at_most:.2%}; {time.monotonic() - started:.0f} s")


def _print(title: str, rows: list[Row]) -> None:
    names = list(rows[0])
    print(f"\n**{title}**\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(
            f"| {' | '.join(f'{v:.4g}' if isinstance(v, float) else str(v) for v in row.values())} |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
