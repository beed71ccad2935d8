"""A plan in the terminal: needs per metric and bucket, guardrails, the answer last."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from learn_rank.ab import words
from learn_rank.ab.plan.result import PlanResult, days_words
from learn_rank.report_kit.terminal import open_table
from learn_rank.report_kit.words import DASH, capitalised, count_words, ordered_buckets, share_words
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["print_plan"]


def print_plan(result: PlanResult, console: Console) -> None:
    """Print the tables and the answer; given texts are never read as markup."""
    for metric in dict.fromkeys(row["metric"] for row in result.rows):
        console.print(need_table(result, metric))
    if result.guardrails:
        console.print(guardrail_table(result))
    for row in result.rows:
        if row["flag"] is not None:
            console.print(Text(f"⚑ {words.row_words(row)}: {row['flag']}", style="yellow"))
    for notice in result.about.get("notices") or []:
        console.print(Text(f"Note: {notice}", style="yellow"))
    lines = [Text(result.words[0], style="bold"), *map(Text, result.words[1:])]
    console.print(Panel(Text("\n").join(lines), title="Plan", box=box.ROUNDED))


def need_table(result: PlanResult, metric: str) -> WholeTable:
    """One line per bucket: what it takes, and what the traffic that was seen would find."""
    rows = {(row["bucket_kind"], row["bucket"]): row for row in result.rows if row["metric"] == metric}
    lift = share_words(result.about["declared_lift"])
    table = open_table(f"{capitalised(words.metric_words(metric))}: a lift of {lift}")
    table.add_column("bucket", overflow="fold", max_width=20)
    for name in ("value", "users seen", "users needed", "days needed", "smallest lift", "power"):
        table.add_column(name, justify="right", no_wrap=True)
    for place in ordered_buckets(rows.values()):
        row = rows[place]
        table.add_row(
            Text(words.place_words(*place)),
            words.metric_value_words(metric, row["value"]),
            count_words(row["n_users"]),
            DASH if row["users_needed"] is None else count_words(row["users_needed"]),
            DASH if row["users_needed"] is None else days_words(row),
            share_words(row["mde"]),
            share_words(row["power"]),
        )
        if place == ("all", "all"):
            table.add_section()
    return table


def guardrail_table(result: PlanResult) -> WholeTable:
    """One line per guardrail: what it takes to show that it holds."""
    table = open_table("Guardrails: to be shown to hold where nothing is lost")
    table.add_column("guardrail", overflow="fold", max_width=28)
    for name in ("margin", "value", "users needed", "days needed"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.guardrails:
        table.add_row(
            Text(words.short_metric_words(row["metric"])),
            words.margin_words(row),
            words.metric_value_words(row["metric"], row["value"]),
            DASH if row["users_needed"] is None else count_words(row["users_needed"]),
            DASH if row["users_needed"] is None else days_words(row),
        )
    return table
