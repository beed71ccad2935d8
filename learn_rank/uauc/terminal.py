"""What benchmarks/uauc.py prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

Row = dict[str, Any]
MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def result_table(rows: Sequence[Row], title: str) -> Table:
    """The metrics of one file, bucket by bucket."""
    table = Table(title=escape(title), box=SIMPLE)
    table.add_column("metric", overflow="fold")
    for name, width in (("value", 9), ("interval over users", 20), ("skipped users", 13)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for bucket, group in _by_bucket(rows):
        first = group[0]
        table.add_section()
        table.add_row(
            f"[bold]{escape(bucket)}[/bold]", "", f"{first['n_rows']:,} rows", f"of {first['n_users']:,}"
        )
        for row in group:
            value = _number(row["value"], "undefined")
            table.add_row(f"  {row['metric']}", value, _interval(row), f"{row['n_skipped_users']:,}")
    return table


def delta_table(rows: Sequence[Row], level: float) -> Table:
    """One line per bucket and metric, with marks for Holm's adjusted p."""
    table = Table(
        title=f"Candidate - baseline, paired by user, {level:.0%} intervals",
        caption="adjusted p (Holm, all comparisons of this run): * < .05, ** < .01, *** < .001",
        box=SIMPLE,
        pad_edge=False,
    )
    table.add_column("metric", overflow="fold")
    for name, width in (("delta", 7), ("interval", 18), ("p", 5), ("adjusted p", 10)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for bucket, group in _by_bucket(rows):
        table.add_section()
        table.add_row(f"[bold]{escape(bucket)}[/bold]")
        for row in group:
            adjusted = row["p_adjusted"]
            mark = "" if adjusted is None else next((m for below, m in MARKS if adjusted < below), "")
            delta = _number(row["delta"], "undefined", "{:+.4f}")
            table.add_row(
                f"  {row['metric']}",
                delta,
                _interval(row, "{:+.4f}"),
                _p(row["p"]),
                f"{_p(adjusted)} {mark:3}",
            )
    return table


def speed_table(found: Row) -> Table:
    """Time and memory."""
    table = Table(title=f"UAUC of {found['rows']:,} rows, {found['users']:,} users (Zipf), float32 scores")
    for name in (
        "seconds",
        "one np.sort of as many uint64",
        "ratio",
        "peak bytes per row",
        "1,000 resamples / metric",
    ):
        table.add_column(name, justify="right")
    table.add_row(
        f"{found['seconds']:.3f}",
        f"{found['sort_seconds']:.3f}",
        f"{found['ratio_to_sort']:.2f}",
        f"{found['peak_bytes_per_row']:.1f}",
        f"{found['bootstrap_ratio']:.2f}",
    )
    return table


def verdict(deltas: Sequence[Row], level: float) -> str:
    """One plain sentence."""
    n_tested = sum(row["p_adjusted"] is not None for row in deltas)
    if n_tested == 0:
        return "Verdict: nothing could be tested; no comparison has an interval."
    found = []
    for word, rows in (("worse", worse(deltas, level)), ("better", better(deltas, level))):
        if rows:
            names = ", ".join(f"{row['metric']} ({_bucket(row)})" for row in rows)
            found.append(f"significantly {word} in {len(rows)} of {n_tested} comparisons: {names}")
    if not found:
        return f"Verdict: no significant difference in {n_tested} comparisons."
    return f"Verdict: {'; '.join(found)}."


def worse(deltas: Iterable[Row], level: float) -> list[Row]:
    """The comparisons in which the candidate is significantly below the baseline."""
    return [row for row in _significant(deltas, level) if row["delta"] < 0]


def better(deltas: Iterable[Row], level: float) -> list[Row]:
    """The comparisons in which the candidate is significantly above the baseline."""
    return [row for row in _significant(deltas, level) if row["delta"] > 0]


def _significant(deltas: Iterable[Row], level: float) -> list[Row]:
    return [row for row in deltas if row["p_adjusted"] is not None and row["p_adjusted"] < 1 - level]


def _by_bucket(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_bucket(row), []).append(row)
    return list(groups.items())


def _bucket(row: Row) -> str:
    return row["bucket"] if row["bucket_kind"] == "all" else f"{row['bucket_kind']} = {row['bucket']}"


def _p(value: float | None) -> str:
    return "-" if value is None else "<.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float | None, missing: str, form: str = "{:.5f}") -> str:
    return missing if value is None else form.format(value)


def _interval(row: Row, form: str = "{:.5f}") -> str:
    return "-" if row["low"] is None else f"{form.format(row['low'])} .. {form.format(row['high'])}"
