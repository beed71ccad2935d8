"""A series of tests in the terminal: the guard by bucket, the tests that differ most, the answer last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from learn_rank.ab import words
from learn_rank.ab.series.judge import STATUSES, WINNER
from learn_rank.ab.series.result import MODE, SeriesResult
from learn_rank.report_kit.terminal import open_table
from learn_rank.report_kit.words import (
    count_words,
    interval_words,
    p_words,
    percent_words,
    share_words,
)
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["answer", "group_name", "print_series"]

SHOWN_TESTS = 10


def print_series(result: SeriesResult, console: Console) -> None:
    """Print the groups, the tests that differ most, and the answer; given texts are never read as markup."""
    console.print(group_table(result))
    console.print(differing_tests_table(result))
    counted = result.about["counts"].items()
    listed = "; ".join(f"{name.replace('_', ' ')} {count_words(count)}" for name, count in counted)
    console.print(Text(f"Input: {listed}", style="dim"))
    for notice in result.about["notices"]:
        console.print(Text(f"Note: {notice}", style="yellow"))
    lines = [*map(Text, answer(result)), Text(f"{words.MODE_NAMES[MODE]}.", style="dim")]
    title = f"{count_words(result.groups[0]['n_tests'])} tests judged"
    console.print(Panel(Text("\n").join(lines), title=title, box=box.ROUNDED))


def answer(result: SeriesResult) -> list[str]:
    """The sentences that sum a series up."""
    whole, level = result.groups[0], result.about["level"]
    found = [
        f"The sample-ratio guard fired in {whole['n_fired']:,} of {whole['n_tests']:,} tests "
        f"({share_words(whole['share_fired'])}); .1 % would be chance. These tests are invalid."
    ]
    for row in result.groups[1:]:
        found.append(
            f"{words.place_words(row['bucket_kind'], row['bucket'])}: {row['n_fired']:,} of "
            f"{row['n_tests']:,} ({share_words(row['share_fired'], 2)})."
        )
    n_family = sum(whole[status] for status in STATUSES[:3])
    n_differ = whole[WINNER] + whole[STATUSES[1]]
    found.append(
        f"Of the {n_family:,} that could be judged {n_differ:,} differ in CTR (of those at most "
        f"{share_words(1 - level, 0)} are expected to be alike, Benjamini and Hochberg), {whole[WINNER]:,} "
        "with one winner over every other arm."
    )
    return found


def group_name(row: Mapping[str, Any]) -> str:
    """``all``, or the bucket's column and value."""
    return "all" if row["bucket_kind"] == "all" else f"{row['bucket_kind']}: {row['bucket']}"


def group_table(result: SeriesResult) -> WholeTable:
    """One line for all tests and one a bucket."""
    table = open_table("Tests: the sample-ratio guard (p < .001, equal shares), and what was judged")
    table.add_column("tests", overflow="fold", max_width=34)
    for name in ("number", "guard fired", "share", *STATUSES):
        table.add_column(name, justify="right")
    for row in result.groups:
        counts = (count_words(row[status]) for status in STATUSES)
        share = share_words(row["share_fired"], 2)
        table.add_row(
            Text(group_name(row)), count_words(row["n_tests"]), count_words(row["n_fired"]), share, *counts
        )
    return table


def differing_tests_table(result: SeriesResult) -> WholeTable:
    """The tests that differ most; all stand in the JSON file."""
    table = open_table(f"The {SHOWN_TESTS} tests that differ most (all: --json)")
    table.add_column("test", overflow="fold", max_width=26)
    for name in (
        "arms",
        "impressions",
        "best arm",
        "CTR",
        "others",
        "lift, percent",
        "interval",
        "q",
        "status",
    ):
        table.add_column(name, justify="right", no_wrap=name != "best arm", overflow="fold")
    for row in result.tests[:SHOWN_TESTS]:
        table.add_row(
            Text(str(row["test"])),
            str(row["n_arms"]),
            count_words(row["impressions"]),
            Text(str(row["best_arm"])),
            words.metric_value_words("CTR", row["best_rate"]),
            words.metric_value_words("CTR", row["other_rate"]),
            percent_words(row["relative"]).removesuffix(" %"),
            interval_words(row["relative_low"], row["relative_high"], percent_words).replace(" %", ""),
            p_words(row["q"]),
            row["status"],
        )
    return table
