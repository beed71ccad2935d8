"""What `learn-rank uauc` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from learn_rank.report_kit.rules import clear, mark, says_nothing
from learn_rank.report_kit.terminal import COLOURS, open_table
from learn_rank.report_kit.words import (
    DASH,
    MARK_WORDS,
    MARKS,
    bucket_words,
    count_words,
    interval_name,
    interval_words,
    ordered_buckets,
    p_words,
    points_words,
    ratio_words,
    undefined_words,
    value_words,
)
from learn_recall.terminal.whole_table import WholeTable

Row = Mapping[str, Any]


def result_table(rows: Sequence[Row], title: str) -> WholeTable:
    """The metrics of one file, bucket by bucket."""
    table = open_table(title)
    table.add_column("metric", overflow="fold")
    for name in ("value", "interval over users", "skipped users"):
        table.add_column(name, justify="right", no_wrap=True)
    for bucket, group in _by_bucket(rows):
        n_rows, n_users = (count_words(group[0][name]) for name in ("n_rows", "n_users"))
        table.add_section()
        table.add_row(Text(bucket, style="bold"), "", f"{n_rows} rows", f"of {n_users}")
        for row in group:
            interval = interval_words(row["low"], row["high"]) or DASH
            table.add_row(
                Text(f"  {row['metric']}"),
                value_words(row["value"]),
                undefined_words(row) if row["value"] is None else interval,
                count_words(row["n_skipped_users"]),
            )
    return table


def delta_table(rows: Sequence[Row], level: float) -> WholeTable:
    """One line per bucket and metric, with the marks of the page."""
    table = open_table(f"Candidate - baseline, points, paired by user, {interval_name(level)}")
    table.caption = Text(
        "adj. p: Holm, over all comparisons of this run. "
        f"{MARKS['better']} {MARKS['worse']} clear after correction, "
        f"{MARKS['hint-better']} {MARKS['hint-worse']} by the interval alone, {MARKS['none']} not clear"
        + (f", {MARKS['vague']} {MARK_WORDS['vague']}" if any(map(says_nothing, rows)) else "")
    )
    table.caption_justify = "left"
    table.add_column("metric", overflow="fold")
    for name in ("points", "interval", "p", "adj. p"):
        table.add_column(name, justify="right", no_wrap=True)
    for bucket, group in _by_bucket(rows):
        table.add_section()
        table.add_row(Text(bucket, style="bold"))
        for row in group:
            key = mark(row, 1 - level)
            is_defined = row["delta"] is not None
            points = f"{points_words(row['delta'])} {MARKS[key]}" if is_defined else DASH
            interval = interval_words(row["low"], row["high"], points_words) or DASH
            table.add_row(
                Text(f"  {row['metric']}"),
                Text(points, style=COLOURS.get(key, "")),
                interval if is_defined else undefined_words(row),
                p_words(row["p"]),
                p_words(row["p_adjusted"]),
            )
    return table


def rows_words(about: Mapping[str, Any]) -> list[str]:
    """Where pairs were counted, which rows were judged, if not all, and how many stand there twice."""
    found = []
    if about.get("engine"):
        found.append(f"Counted by {about['engine']}. Calibration is judged in memory alone.")
    if about["where"]:
        kept, whole = count_words(about["n_judged"]), count_words(about["n_rows"])
        found.append(f"Judged: {kept} of {whole} rows, where {about['where']}.")
    if about.get("n_repeated"):
        columns = ", ".join(about["repeated_in"])
        found.append(
            f"Note: {count_words(about['n_repeated'])} rows repeat an earlier one in {columns}; each "
            "counts. If a job wrote or joined them twice, drop them first."
        )
    return found


def speed_table(found: Row) -> WholeTable:
    """Time and memory."""
    n_rows, n_users = count_words(found["rows"]), count_words(found["users"])
    table = open_table(f"UAUC of {n_rows} rows, {n_users} users (Zipf), float32 scores")
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
        ratio_words(found["ratio_to_sort"]),
        f"{found['peak_bytes_per_row']:.1f}",
        ratio_words(found["bootstrap_ratio"]),
    )
    return table


def verdict(deltas: Sequence[Row], level: float) -> str:
    """One plain sentence."""
    n_tested = sum(row["p_adjusted"] is not None for row in deltas)
    if n_tested == 0:
        return "Verdict: nothing could be tested; no comparison has an interval."
    found = []
    for word in ("worse", "better"):
        rows = clear(deltas, word, 1 - level)
        if rows:
            names = ", ".join(f"{row['metric']} ({_bucket(row)})" for row in rows)
            found.append(f"significantly {word} in {len(rows)} of {n_tested} comparisons: {names}")
    if not found and all(says_nothing(row) for row in deltas if row["p_adjusted"] is not None):
        return "Verdict: too few users to say anything; every interval spans half of what is possible."
    if not found:
        return f"Verdict: no significant difference in {n_tested} comparisons."
    return f"Verdict: {'; '.join(found)}."


def worse(deltas: Iterable[Row], level: float) -> list[Row]:
    """The comparisons in which the candidate is significantly below the baseline."""
    return clear(deltas, "worse", 1 - level)


def _by_bucket(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for kind, bucket in ordered_buckets(rows):
        own = [row for row in rows if (row["bucket_kind"], row["bucket"]) == (kind, bucket)]
        groups.setdefault(bucket_words(kind, bucket), []).extend(own)
    return list(groups.items())


def _bucket(row: Row) -> str:
    return bucket_words(row["bucket_kind"], row["bucket"])
