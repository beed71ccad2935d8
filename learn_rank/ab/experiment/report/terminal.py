"""An experiment in the terminal: lifts, ways of taking noise out, guards, and the verdicts last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from learn_rank.ab import words
from learn_rank.ab.experiment.report.result import MODE, ExperimentResult
from learn_rank.ab.experiment.table import PRIMARY
from learn_rank.ab.report.terminal import FRAMES, guard_table, guardrail_table
from learn_rank.report_kit.terminal import COLOURS, open_table
from learn_rank.report_kit.words import (
    MARKS,
    amount_words,
    capitalised,
    count_words,
    interval_words,
    ordered_buckets,
    p_words,
    percent_words,
    share_words,
)
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["print_experiment"]


def print_experiment(result: ExperimentResult, console: Console) -> None:
    """Print the tables, the guards, and the verdicts with the mode of evidence last.

    Args:
        result: what was found.
        console: where to print; given texts are never read as markup.
    """
    level = result.about.get("level", 0.95)
    for metric in dict.fromkeys(row["metric"] for row in result.rows):
        console.print(metric_table(result, metric, level))
    if len({row["way"] for row in result.estimates}) > 1:
        console.print(way_table(result))
    if result.wear:
        console.print(wear_table(result))
    if result.guardrails:
        console.print(guardrail_table(result.guardrails, has_arms=len(result.verdicts) > 1))
    console.print(guard_table(result.guards))
    for row in result.rows:
        if row["flag"] is not None:
            place = words.row_words(row)
            console.print(Text(f"{MARKS['flagged']} {place}, {row['arm']}: {row['flag']}", style="yellow"))
    counted = result.about.get("counts", {}).items()
    listed = "; ".join(f"{name.replace('_', ' ')} {count_words(count)}" for name, count in counted)
    console.print(Text(f"Input: {listed}", style="dim"))
    for notice in result.about.get("notices") or []:
        console.print(Text(f"Note: {notice}", style="yellow"))
    for arm, verdict in result.verdicts.items():
        lines = [
            Text(verdict.words[0], style="bold"),
            *map(Text, verdict.words[1:]),
            *([Text(f"Rule: {verdict.rule}", style="dim")] if verdict.rule else []),
            Text(f"{words.MODE_NAMES[MODE]}. {words.MODE_WORDS[MODE]}", style="dim"),
        ]
        console.print(
            Panel(
                Text("\n").join(lines),
                title=Text(f"Verdict on {arm}: {verdict.status}"),
                subtitle=words.guard_summary(result.guards),
                border_style=FRAMES.get(verdict.status, "dim"),
                box=box.ROUNDED,
            )
        )


def metric_table(result: ExperimentResult, metric: str, level: float = 0.95) -> WholeTable:
    """One line per treatment and bucket: values, lift, interval, the interval for every look, p."""
    own = [row for row in result.rows if row["metric"] == metric]
    role = " (primary: decides)" if any(row["role"] == PRIMARY for row in own) else ""
    is_watched = any(row["always_low"] is not None for row in own)
    table = open_table(f"{capitalised(words.metric_words(metric))}{role}", n_keys=2)
    table.add_column("treatment", overflow="fold", max_width=14)
    table.add_column("bucket", overflow="fold", max_width=20)
    names = ("control", "treatment", "lift, percent", "interval", *(("every look",) if is_watched else ()))
    for name in (*names, "p", "MDE"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in dict.fromkeys(row["arm"] for row in own):
        rows = {(row["bucket_kind"], row["bucket"]): row for row in own if row["arm"] == arm}
        for place in ordered_buckets(rows.values()):
            row = rows[place]
            key = words.mark(row, level)
            table.add_row(
                Text(arm),
                Text(words.place_words(*place)),
                words.metric_value_words(metric, row["control"]),
                words.metric_value_words(metric, row["treatment"]),
                Text(f"{_bare(row['relative'])} {MARKS[key]}", style=COLOURS.get(key, "")),
                words.lift_interval(row).replace(" %", ""),
                *([_every_look(row)] if is_watched else []),
                p_words(row["p_adjusted"]),
                share_words(row["mde"]),
            )
        table.add_section()
    return table


def way_table(result: ExperimentResult) -> WholeTable:
    """One line per treatment, metric and way: difference, interval, and the variance that the way took."""
    table = open_table("Noise taken out by what was known before (→ is judged)", n_keys=3)
    for name in ("treatment", "metric", "way"):
        table.add_column(name, overflow="fold", max_width=20)
    for name in ("difference", "interval", "p alone", "variance taken"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.estimates:
        table.add_row(
            Text(row["arm"]),
            Text(row["metric"]),
            f"{'→ ' if row['is_judged'] else ''}{row['way']}",
            amount_words(row["delta"]),
            interval_words(row["low"], row["high"], amount_words),
            p_words(row["p"]),
            share_words(row["variance_reduction"]),
        )
    return table


def wear_table(result: ExperimentResult) -> WholeTable:
    """One line per treatment and metric: the lift on a user's first days and on the later ones."""
    table = open_table("Novelty: lift by days since a user's first exposure, the same users", n_keys=2)
    for name in ("treatment", "metric"):
        table.add_column(name, overflow="fold", max_width=20)
    for name in ("first days", "lift", "later days", "lift ", "p of change"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.wear:
        table.add_row(
            Text(row["arm"]),
            Text(row["metric"]),
            f"0 .. {row['n_early'] - 1}",
            percent_words(row["early"]),
            f"{row['n_early']} .. {row['n_days'] - 1}",
            percent_words(row["late"]),
            p_words(row["p"]),
        )
    return table


def _every_look(row: Mapping[str, Any]) -> str:
    return interval_words(row["always_low"], row["always_high"], percent_words).replace(" %", "")


def _bare(share: Any) -> str:
    return percent_words(share).removesuffix(" %")
