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
    """Write a report as Markdown tables under where the numbers come from, the verdict and what to ship.

    The first has every task and metric over all test rows, the second the headline metric of the first task
    by bucket, a third by item age where a run tells ages apart. Each shows the baseline's value and every
    other model's difference to it, in points (1 point = 0.01) with its interval; what is undefined is a dash,
    and a bucket without rows, or with those of another, is left out. Between them a line says what the
    baseline's own history brings.

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
    lines += _history_lines(report.deltas, tasks)
    by_bucket = [model for model in models if model not in words.NOT_BY_BUCKET]
    by_age = report.about.get("item_age") or {"rows": [], "deltas": []}
    for task in tasks[:1]:
        metric = headline_metric(report.deltas, task)
        for rows, differences in ((shown_once(report).rows, deltas), (by_age["rows"], by_age["deltas"])):
            own = [row for row in rows if (row["task"], row["metric"]) == (task, metric)]
            lines += _bucket_lines(own, differences, by_bucket)
    return "\n".join(lines) + "\n"


def _history_lines(deltas: Sequence[dict[str, Any]], tasks: Sequence[str]) -> list[str]:
    """The baseline less itself without history, over all rows, in the metrics that headlines take."""
    found = []
    for task in tasks:
        place = {"task": task, "bucket_kind": "all", "bucket": "all", "baseline": words.NO_HISTORY}
        for metric in words.HEADLINE_METRICS[:2]:
            row = find(deltas, model=words.BASELINE, metric=metric, **place)
            found += [f"{task} {metric} {_delta(row)}"] if row is not None else []
    return ["", f"The baseline's own history of ids brings {', '.join(found)}."] if found else []


def _bucket_lines(
    rows: Sequence[dict[str, Any]], deltas: Sequence[dict[str, Any]], models: Sequence[str]
) -> list[str]:
    """A table by bucket of the rows of one task and metric, nothing where there is no bucket."""
    inside = [row for row in rows if row["bucket_kind"] != "all"]
    if not inside:
        return []
    names = {"task": inside[0]["task"], "metric": inside[0]["metric"]}
    lines = ["", *_header([" ".join(names.values()), "test rows", words.BASELINE, *models])]
    for kind, bucket in words.ordered_buckets(inside):
        place = {**names, "bucket_kind": kind, "bucket": bucket}
        counted = find(inside, **place)
        n_rows = words.DASH if counted is None else f"{counted['n_rows']:,}"
        lines.append(
            _line([words.bucket_words(kind, bucket), n_rows, *_cells(inside, deltas, models, place)])
        )
    return lines


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
