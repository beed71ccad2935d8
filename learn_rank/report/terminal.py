"""The report in the terminal: per task the headline of each model and the buckets, then the verdict."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from learn_rank.report.data import Report
from learn_rank.report.enough import few_seeds_words
from learn_rank.report.once import equal_words, shown_once
from learn_rank.report.verdict import TASK_ORDER, verdict_of
from learn_rank.report_kit import words
from learn_rank.report_kit.rules import find, headline_metric, mark, says_nothing
from learn_rank.report_kit.terminal import COLOURS, open_table
from learn_recall.terminal.whole_table import WholeTable

_FRAMES = {
    "yes": "green",
    "partly": "green",
    "worse": "red",
    "untrusted": "bold red",
    "mixed": "yellow",
    "unclear": "yellow",
}


def print_report(report: Report, console: Console) -> None:
    """Print, for each task, the values over all rows and the differences per bucket; then the verdict.

    Args:
        report: what was found.
        console: where to print; a table that is too wide comes in blocks of columns. Given texts are never
            read as markup.
    """
    verdict = verdict_of(report.deltas, report.about)  # auto has its say there
    equal, report = equal_words(report), shown_once(report)
    for task in words.ordered((row["task"] for row in (*report.rows, *report.deltas)), TASK_ORDER):
        console.print(headline_table(report, task))
        console.print(bucket_table(report, task))
    marks = ["better", "hint-better", "worse", "hint-worse", "none"]
    for key in [*marks, *(["vague"] if any(map(says_nothing, report.deltas)) else [])]:
        console.print(Text(f"{words.MARKS[key]} {words.MARK_WORDS[key]}", style="dim"))
    for line in equal:
        console.print(Text(line, style="dim"))
    few = few_seeds_words(report.about.get("seeds") or [])
    for warning in [*(report.about.get("warnings") or []), *([few] if few else [])]:
        console.print(Text(f"Note: {warning}", style="yellow"))
    bold = [Text(line, style="bold") for line in (verdict.headline, verdict.shipping.line)]
    lines = [*(head.words for head in verdict.shipping.heads), *verdict.sentences, *verdict.checks]
    text = Text("\n").join([*bold, *map(Text, lines)])
    console.print(
        Panel(text, border_style=_FRAMES.get(verdict.answer, "dim"), title="Verdict", box=box.ROUNDED)
    )


def headline_table(report: Report, task: str) -> WholeTable:
    """One line per metric and model over all rows: the value, the difference from the baseline, the mark."""
    whole = {"task": task, "bucket_kind": "all", "bucket": "all"}
    own = [row for row in report.rows if all(row[name] == text for name, text in whole.items())]
    models = words.ordered((row["model"] for row in own), words.MODEL_WORDS)
    table = open_table(words.capitalised(f"{words.task_words(task)}, all rows"), n_keys=2)
    for name in ("metric", "model"):
        table.add_column(name)
    table.add_column("value", justify="right")
    table.add_column("points over the baseline", justify="right")
    for metric in words.ordered((row["metric"] for row in own), words.METRIC_ORDER):
        for model in models:
            row = find(own, model=model, metric=metric)
            delta = find(report.deltas, model=model, baseline=words.BASELINE, metric=metric, **whole)
            table.add_row(
                Text(metric if model == models[0] else ""),
                Text(words.short_model_words(model)),
                _value(row),
                Text("") if model == words.BASELINE else _difference(delta, with_interval=True),
            )
        table.add_section()
    return table


def bucket_table(report: Report, task: str) -> WholeTable:
    """One line per bucket in the headline metric: the counts, and each model against the baseline."""
    metric = headline_metric(report.deltas, task)
    rows = [row for row in report.rows if (row["task"], row["metric"]) == (task, metric)]
    names = (task, metric, words.BASELINE)
    deltas = [row for row in report.deltas if (row["task"], row["metric"], row["baseline"]) == names]
    by_bucket = (row["model"] for row in deltas if row["model"] not in words.NOT_BY_BUCKET)
    models = words.ordered(by_bucket, words.MODEL_WORDS)
    title = words.capitalised(f"{words.task_words(task)}, by bucket: points of {metric} over baseline")
    table = open_table(title, space=0)
    table.add_column("bucket")
    for name in ("rows", "users", "skipped", *map(words.short_model_words, models)):
        table.add_column(Text(name), justify="right")
    for kind, bucket in words.ordered_buckets((*rows, *deltas)):
        place = {"bucket_kind": kind, "bucket": bucket}
        counted = find(rows, **place) or find(deltas, **place)
        found = [find(deltas, model=model, **place) for model in models]
        cells = [
            _difference(row, with_interval=model == words.LEARN)
            for model, row in zip(models, found, strict=True)
        ]
        table.add_row(Text(words.bucket_words(kind, bucket)), *_counts(counted), *cells)
        if (kind, bucket) == ("all", "all"):
            table.add_section()
    return table


def _value(row: Mapping[str, Any] | None) -> Text:
    if row is None or row["value"] is None:
        return _dash(row)
    interval = words.interval_words(row["low"], row["high"])
    return Text(words.value_words(row["value"])).append(f" {interval}", style="dim")


def _difference(row: Mapping[str, Any] | None, with_interval: bool) -> Text:
    key = mark(row)
    if row is None or key == "missing":
        return _dash(row if with_interval else None)
    text = Text(f"{words.points_words(row['delta'])} {words.MARKS[key]}", style=COLOURS.get(key, ""))
    if with_interval:
        interval = words.interval_words(row["low"], row["high"], words.points_words)
        text.append(f" {interval}", style="not bold dim")
    return text


def _dash(row: Mapping[str, Any] | None) -> Text:
    return Text(words.DASH if row is None else f"{words.DASH} {words.undefined_words(row)}", style="dim")


def _counts(row: Mapping[str, Any] | None) -> list[Text]:
    names = ("n_rows", "n_users", "n_skipped_users")
    counts = [None if row is None else row.get(name) for name in names]
    return [Text(words.DASH if count is None else words.count_words(count)) for count in counts]
