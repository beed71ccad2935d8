"""The report as Markdown tables, for a page or a README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from learn_rank.report.data import Report
from learn_rank.report.once import shown_once
from learn_rank.report.verdict import TASK_ORDER, verdict_of
from learn_rank.report_kit import words
from learn_rank.report_kit.rules import find, headline_metric, says_nothing


def report_markdown(report: Report) -> str:
    """Write a report as two Markdown tables under where the numbers come from, the verdict and what to ship.

    The first has every task and metric over all test rows, the second the headline metric of the first task
    by bucket. Each shows the baseline's value and every other model's difference to it, in points (1 point =
    0.01) with its interval; what is undefined is a dash, and a bucket without rows, or with those of another,
    is left out.

    Args:
        report: what was found.
    """
    tasks = words.ordered((row["task"] for row in report.rows), TASK_ORDER)
    deltas = [row for row in report.deltas if row["baseline"] == words.BASELINE]
    models = words.ordered((row["model"] for row in deltas), words.MODEL_WORDS)
    verdict = verdict_of(report.deltas, report.about)
    said = f"**{verdict.headline}** {verdict.shipping.line}"
    heads = [f"- {head.words}" for head in verdict.shipping.heads]
    told = [line.replace(words.MINUS, "-") for line in (said, "", *heads)]
    lines = [_source(report.about), "", *told, "", *_header(["all test rows", words.BASELINE, *models])]
    for task in tasks:
        own = [row for row in report.rows if row["task"] == task]
        for metric in words.ordered((row["metric"] for row in own), words.METRIC_ORDER):
            place = {"task": task, "metric": metric, "bucket_kind": "all", "bucket": "all"}
            lines.append(_line([f"{task} {metric}", *_cells(own, deltas, models, place)]))
    for task in tasks[:1]:
        metric = headline_metric(report.deltas, task)
        own = [row for row in shown_once(report).rows if (row["task"], row["metric"]) == (task, metric)]
        by_bucket = [model for model in models if model not in words.NOT_BY_BUCKET]
        lines += ["", *_header([f"{task} {metric}", "test rows", words.BASELINE, *by_bucket])]
        for kind, bucket in words.ordered_buckets(row for row in own if row["bucket_kind"] != "all"):
            place = {"task": task, "metric": metric, "bucket_kind": kind, "bucket": bucket}
            counted = find(own, **place)
            n_rows = words.DASH if counted is None else f"{counted['n_rows']:,}"
            cells = _cells(own, deltas, by_bucket, place)
            lines.append(_line([words.bucket_words(kind, bucket), n_rows, *cells]))
    return "\n".join(lines) + "\n"


def _source(about: Mapping[str, Any]) -> str:
    parts = [
        about.get("dataset"),
        f"{len(about['seeds'])} seeds" if about.get("seeds") else None,
        f"commit {about['commit']}" if about.get("commit") else None,
        about.get("machine"),
    ]
    return ", ".join(str(part) for part in parts if part)


def _cells(
    rows: Sequence[dict[str, Any]],
    deltas: Sequence[dict[str, Any]],
    models: Iterable[str],
    place: Mapping[str, str],
) -> list[str]:
    """Give the baseline's value and each model's difference to it, at one place."""
    return [
        _value(find(rows, model=words.BASELINE, **place)),
        *(_delta(find(deltas, model=model, **place)) for model in models),
    ]


def _value(row: Mapping[str, Any] | None) -> str:
    return words.DASH if row is None or row["value"] is None else f"{row['value']:.4f}"


def _delta(row: Mapping[str, Any] | None) -> str:
    """Write a difference with the hyphen of a keyboard: such tables are searched and compared as text."""
    if row is None or row["delta"] is None:
        return words.DASH
    interval = "" if row["low"] is None else f" [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"
    return f"{100 * row['delta']:+.2f}{interval}{' says nothing' if says_nothing(row) else ''}"


def _header(names: Sequence[str]) -> list[str]:
    return [_line(names), "|---" * len(names) + "|"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


__all__ = ["report_markdown"]
