"""The A/B report in the terminal: lift per bucket, guards, launch, score inflation, then the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from learn_rank.ab import words
from learn_rank.ab.report.result import ABResult
from learn_rank.report_kit.rules import find
from learn_rank.report_kit.terminal import COLOURS, open_table
from learn_rank.report_kit.words import (
    MARKS,
    amount_words,
    capitalised,
    count_words,
    interval_words,
    ordered,
    ordered_buckets,
    p_words,
    percent_words,
    ratio_words,
    share_words,
)
from learn_recall.terminal.whole_table import WholeTable

if TYPE_CHECKING:
    from learn_rank.ab.fitted_environment.gate import GateRow
    from learn_rank.ab.statistics.guards import Guard

FRAMES = {
    "better": "green",
    "better with an open guardrail": "yellow",
    "worse": "red",
    "invalid": "bold red",
    "descriptive only": "yellow",
}
_STATES = {"held": "green", "open": "yellow", "harmed": "bold red"}
_GUARDS = {True: "green", False: "bold red", None: "dim"}


def print_ab(result: ABResult, console: Console) -> None:
    """Print the tables, the guards, and the verdict with its mode of evidence last.

    Args:
        result: what was found.
        console: where to print; a table that is too wide comes in blocks of columns. Given texts are never
            read as markup.
    """
    level = result.about.get("level", 0.95)
    for metric in ordered((row["metric"] for row in result.rows), words.METRIC_ORDER):
        console.print(metric_table(result, metric, level))
    if result.rows:
        console.print(count_table(result))
    if result.estimates:
        console.print(estimate_table(result))
    if len(result.training_seeds) > 1:
        console.print(training_table(result))
    if result.calibration:
        console.print(calibration_table(result))
    if result.guardrails:
        console.print(guardrail_table(result.guardrails))
    if result.guards:
        console.print(guard_table(result.guards))
    if result.about.get("beside"):
        console.print(beside_table(result))
    for row in result.rows:
        if row["flag"] is not None:
            flagged = f"{MARKS['flagged']} {words.row_words(row)}: {row['flag']}"
            console.print(Text(flagged, style="yellow"))
    counted = (result.about.get("excluded") or {}).items()
    listed = "; ".join(f"{name.replace('_', ' ')} {count_words(count)}" for name, count in counted)
    if listed:
        console.print(Text(f"Input: {listed}", style="dim"))
    for notice in result.about.get("notices") or []:
        console.print(Text(f"Note: {notice}", style="yellow"))
    console.print(verdict_panel(result))


def verdict_panel(result: ABResult) -> Panel:
    """The answer, its grounds, and what kind of evidence they rest on."""
    verdict = result.verdict
    rule = f" {words.NOT_ONLINE}" if result.mode == "E" else ""
    lines = [
        Text(verdict.words[0], style="bold"),
        *map(Text, verdict.words[1:]),
        *([Text(f"Rule: {verdict.rule}", style="dim")] if verdict.rule else []),
        Text(f"{words.MODE_NAMES[result.mode]}. {words.MODE_WORDS[result.mode]}{rule}", style="dim"),
    ]
    return Panel(
        Text("\n").join(lines),
        title=f"Verdict: {verdict.status}",
        subtitle=words.guard_summary(result.guards) if result.guards else None,
        border_style=FRAMES.get(verdict.status, "dim"),
        box=box.ROUNDED,
    )


def metric_table(result: ABResult, metric: str, level: float = 0.95) -> WholeTable:
    """One line per bucket: both values, the lift with its interval, and what it could have found."""
    rows = {(row["bucket_kind"], row["bucket"]): row for row in result.rows if row["metric"] == metric}
    table = open_table(capitalised(words.metric_words(metric)))
    table.add_column("bucket", overflow="fold", max_width=20)
    names = ("control", "treatment", "lift, percent", "interval", "adj. p", "power", "MDE", "launch")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for place in ordered_buckets(rows.values()):
        row = rows[place]
        key = words.mark(row, level)
        table.add_row(
            Text(words.place_words(*place)),
            words.metric_value_words(metric, row["control"]),
            words.metric_value_words(metric, row["treatment"]),
            Text(f"{_bare(row['relative'])} {MARKS[key]}", style=COLOURS.get(key, "")),
            words.lift_interval(row).replace(" %", ""),
            p_words(row["p_adjusted"]),
            share_words(row["power"]),
            share_words(row["mde"]),
            _bare(row["launch"]),
        )
        if place == ("all", "all"):
            table.add_section()
    return table


def count_table(result: ABResult) -> WholeTable:
    """One line per bucket: users, clicks and conversions of both arms."""
    table = open_table("What the lifts rest on: control / treatment")
    table.add_column("bucket", overflow="fold", max_width=20)
    for name in ("users", "clicks", "conversions"):
        table.add_column(name, justify="right")
    for kind, bucket in ordered_buckets(result.rows):
        row = find(result.rows, bucket_kind=kind, bucket=bucket)
        if row is not None:
            counts = [_pair(row, name) for name in ("n_users", "clicks", "conversions")]
            table.add_row(Text(words.place_words(kind, bucket)), *counts)
    return table


def training_table(result: ABResult) -> WholeTable:
    """One line per training, over all users: each metric's lift, its interval over the traffic alone."""
    table = open_table("Each training: lift and its interval over the traffic alone, percent")
    metrics = ordered((row["metric"] for row in result.rows), words.METRIC_ORDER)
    for name in ("training", *map(words.short_metric_words, metrics)):
        table.add_column(name, justify="right", no_wrap=True)
    lines = [
        (str(seed), [row for row in result.trainings if row["seed"] == seed])
        for seed in result.training_seeds
    ]
    for name, rows in [*lines, ("all, with training", list(result.rows))]:
        cells = [find(rows, metric=metric, bucket_kind="all") for metric in metrics]
        table.add_row(name, *(words.lift_words(row).replace(" %", "") if row else "" for row in cells))
    return table


def guardrail_table(guardrails: Iterable[Mapping[str, Any]], *, has_arms: bool = False) -> WholeTable:
    """One line per guardrail: margin, lift, whether it holds; ``has_arms`` names the treatments."""
    table = open_table(
        "Guardrails: the loss has to be shown to be smaller than the margin", n_keys=1 + has_arms
    )
    for name in (*(("treatment",) if has_arms else ()), "guardrail"):
        table.add_column(name, overflow="fold", max_width=28)
    for name in ("margin", "lift, percent", "interval", "p", "power", "state"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in guardrails:
        state = f"{words.STATE_MARKS[row['state']]} {row['state']}"
        table.add_row(
            *([Text(row["arm"])] if has_arms else []),
            Text(words.short_metric_words(row["metric"])),
            words.margin_words(row),
            _bare(row["relative"]),
            words.lift_interval(row).replace(" %", ""),
            p_words(row["p"]),
            share_words(row["power"]),
            Text(state, style=_STATES[row["state"]]),
        )
    return table


def guard_table(guards: Iterable[Guard]) -> WholeTable:
    """One line per guard: passed or not, value, limit."""
    table = open_table("Guards")
    for name, justify in (("guard", "left"), ("", "left"), ("value", "right"), ("limit", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for guard in guards:
        style = _GUARDS[guard.has_passed]
        state = f"{words.GUARD_MARKS[guard.has_passed]} {words.GUARD_WORDS[guard.has_passed]}"
        table.add_row(
            Text(guard.name), Text(state, style=style), amount_words(guard.value), Text(guard.limit)
        )
        if guard.has_passed is not True:
            table.add_row("", "", "", Text(guard.words, style="dim"))
    return table


def beside_table(result: ABResult) -> WholeTable:
    """One line per arm whose answer is known: what it has to be, what it was."""
    table = open_table("Played beside it, with known answers")
    table.add_column("treatment")
    for name in ("has to be", "was", "revenue per user"):
        table.add_column(name, no_wrap=True)
    for row in result.about["beside"]:
        was = f"{words.GUARD_MARKS[row['is_as_expected']]} {row['status']}"
        style = _GUARDS[row["is_as_expected"]]
        table.add_row(Text(row["name"]), row["expected"], Text(was, style=style), row["lift"])
    return table


def calibration_table(result: ABResult) -> WholeTable:
    """Observed over expected, and cost over target, per arm over all users; buckets stand on the page."""
    table = open_table("Observed over expected, all users (buckets: on the page)")
    table.add_column("arm")
    for name in ("clicks", "conversions", "cost per conversion", "target", "cost over target"):
        table.add_column(name, justify="right")
    for row in result.calibration:
        if row["bucket_kind"] != "all":
            continue
        table.add_row(
            Text(words.ARM_WORDS.get(row["arm"], str(row["arm"]))),
            ratio_words(row["clicks_ratio"]),
            ratio_words(row["conversions_ratio"]),
            amount_words(row["cost_per_conversion"]),
            amount_words(row["target_cpa"]),
            ratio_words(row["cost_ratio"]),
        )
    return table


def gate_table(rows: Iterable[GateRow]) -> WholeTable:
    """One line per event and bucket of a fitted environment's held-out days."""
    table = open_table("Observed over expected on held-out days", n_keys=2)
    for name in ("event", "bucket"):
        table.add_column(name)
    for name in ("observed", "expected", "ratio", "interval", ""):
        table.add_column(name, justify="right")
    for row in rows:
        style = _GUARDS[row.has_passed]
        table.add_row(
            row.event,
            Text(row.bucket_kind if row.bucket == row.bucket_kind else f"{row.bucket_kind} {row.bucket}"),
            amount_words(row.observed),
            amount_words(row.expected),
            ratio_words(row.ratio),
            interval_words(row.low, row.high, ratio_words),
            Text(words.GUARD_WORDS[row.has_passed], style=style),
        )
    return table


def estimate_table(result: ABResult) -> WholeTable:
    """One line per estimator and policy, of a logged bandit."""
    table = open_table("What the log says", n_keys=2)
    for name in ("estimator", "policy"):
        table.add_column(name)
    for name in ("value", "interval", "p", "effective rows", "supported"):
        table.add_column(name, justify="right")
    for row in result.estimates:
        table.add_row(
            Text(str(row["estimator"])),
            Text(str(row["policy"])),
            amount_words(row["value"]),
            interval_words(row["low"], row["high"], amount_words),
            p_words(row["p"]),
            amount_words(row["ess"]),
            "yes" if row["supported"] else "no",
        )
    return table


def _pair(row: Mapping[str, Any], name: str) -> str:
    return words.pair_words(row[f"{name}_control"], row[f"{name}_treatment"])


def _bare(share: float | None) -> str:
    return percent_words(share).removesuffix(" %")
