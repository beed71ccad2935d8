"""The page of the report: plain rows in, one self-contained HTML text out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from learn_rank.report.between import calibration_table, parts_table, reliability_plots
from learn_rank.report.data import ABOUT_DICTS, ABOUT_LISTS, ABOUT_TABLES, ABOUT_TEXTS, SEED_DELTAS, Report
from learn_rank.report.enough import few_seeds_words
from learn_rank.report.looks import LOOKS
from learn_rank.report.once import equal_words, hidden_words, shown_once
from learn_rank.report.plots import forest_plot, training_plot
from learn_rank.report.verdict import TASK_ORDER, Verdict, verdict_of
from learn_rank.report_kit import words
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.rules import PRIOR_ROWS, find, headline_metric, mark
from learn_rank.report_kit.value_table import value_table

TEMPLATES = Path(__file__).with_name("templates")
_NAMES = ("task", "metric", "bucket_kind", "bucket")


def report_html(report: Report) -> str:
    """Render the page: style, script and plots are inside, every given text is escaped, nothing is fetched.

    A content security policy in its head forbids every request and every script but the page's own, so that
    a title which slipped through the escaping could still do nothing.
    """
    return render("report.html.j2", page_content(report), TEMPLATES)


def page_content(report: Report) -> dict[str, Any]:
    """Everything that the template shows, in the order of the page."""
    whole, report = report, shown_once(report)
    rows, deltas = report.rows, report.deltas
    known = (*ABOUT_TEXTS, *ABOUT_DICTS, *ABOUT_LISTS, *ABOUT_TABLES)
    about = {**dict.fromkeys(known), **report.about}
    verdict = verdict_of(whole.deltas, about)  # auto has its say there
    tasks = words.ordered((row["task"] for row in (*rows, *deltas)), TASK_ORDER)
    seeds = about.get("seeds") or []
    return {
        "about": about,
        "verdict": verdict,
        "seeds": seeds,
        "interval_name": words.unbroken(words.interval_name(about["confidence"])),
        "has_rates": any(row["model"] == words.RATES for row in rows),
        "has_recent": any(row["model"] == words.RECENT for row in rows),
        "notices": [*(about.get("warnings") or []), *notices(report)],
        "cards": [card(report, verdict, task) for task in tasks],
        "tasks": tasks,
        "matrix": matrix(whole, deltas, tasks),
        "equal": equal_words(whole),
        "contrasts": contrast_table(deltas, tasks),
        "looks": LOOKS if verdict.control == "lift" else (),
        "plots": [task_plots(deltas, task) for task in tasks],
        "tables": [value_table(rows, task) for task in tasks],
        "calibration": [calibration_table(about.get("calibration") or [], task) for task in tasks],
        "reliability": [reliability_plots(about.get("reliability") or [], task) for task in tasks],
        "parts": [parts_table(about.get("auc_parts") or [], task) for task in tasks],
        "moved": moved_table(about.get("moved_items") or []),
        "prior_rows": PRIOR_ROWS,
        "has_seed_dots": any(row.get(SEED_DELTAS) for row in deltas),
        "coverage": about.get("coverage") or [],
        "recall": recall_table(about.get("recall") or []),
        "examples": about.get("examples") or [],
        "example_columns": list(dict.fromkeys(key for row in about.get("examples") or [] for key in row)),
        "training_svg": Markup(training_plot(about.get("training") or [], "training")),
        "protocol": [(name.replace("_", " "), text) for name, text in (about["protocol"] or {}).items()],
        "provenance": provenance_lines(
            about, [("dataset", about["dataset"]), ("seeds", ", ".join(map(str, seeds)))]
        ),
    }


def notices(report: Report) -> list[str]:
    """What a reader must know although nobody wrote it: unlike test rows, one seed or two."""
    found = []
    rows_of: dict[tuple[str, ...], set[int]] = {}
    for row in report.rows:
        rows_of.setdefault(tuple(row[name] for name in _NAMES), set()).add(row["n_rows"])
    unlike = [names for names, counts in rows_of.items() if len(counts) > 1]
    if unlike:
        example = ", ".join(unlike[0])
        found.append(
            f"The models were not judged on the same rows: their row counts differ in {len(unlike)} places "
            f"(first: {example}). Differences there compare unlike things."
        )
    few = few_seeds_words(report.about.get("seeds") or [])
    return [*found, few] if few else found


def card(report: Report, verdict: Verdict, task: str) -> dict[str, Any]:
    """The headline of one task: both values, their difference, and the other metrics beside it."""
    judged = next((item for item in verdict.tasks if item.task == task), None)
    metric = judged.metric if judged else headline_metric(report.deltas, task)
    whole = {"task": task, "bucket_kind": "all", "bucket": "all"}
    learn = {"model": words.LEARN, "baseline": words.BASELINE, **whole}
    metrics = words.ordered((row["metric"] for row in report.deltas), words.METRIC_ORDER)
    others = [(name, find(report.deltas, metric=name, **learn)) for name in metrics if name != metric]
    delta = judged.delta if judged else None
    return {
        "task": task,
        "metric": metric,
        "delta": delta,
        "mark": mark(delta),
        "before": find(report.rows, model=words.BASELINE, metric=metric, **whole),
        "after": find(report.rows, model=words.LEARN, metric=metric, **whole),
        "others": [(name, row, mark(row)) for name, row in others if row is not None],
    }


def matrix(whole: Report, deltas: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """For whom: one row per bucket, one cell per task, LEARN against the baseline in the headline metric.

    Args:
        whole: the report; deltas: those of it that are shown; tasks: in order.
    """
    own = [row for row in deltas if (row["model"], row["baseline"]) == (words.LEARN, words.BASELINE)]
    found = []
    for kind, bucket in words.ordered_buckets(own):
        cells = []
        for task in tasks:
            names = {"task": task, "metric": headline_metric(deltas, task)}
            row = find(own, bucket_kind=kind, bucket=bucket, **names)
            cells.append({"row": row, "mark": mark(row), "why": hidden_words(whole, task, kind, bucket)})
        found.append({"name": words.bucket_words(kind, bucket), "kind": kind, "cells": cells})
    return found


def contrast_table(deltas: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """LEARN minus shuffled and raw text, and what the host's history brings; a cell per task, all rows."""
    found = []
    asked = (
        (words.LEARN, words.SHUFFLED),
        (words.LEARN, words.RAW_TEXT),
        (words.BASELINE, words.NO_HISTORY),
    )
    for model, other in asked:
        cells = []
        for task in tasks:
            metric = headline_metric(deltas, task)
            place = {"task": task, "metric": metric, "bucket_kind": "all", "bucket": "all"}
            row = find(deltas, model=model, baseline=other, **place)
            cells.append({"row": row, "mark": mark(row)})
        if any(cell["row"] is not None for cell in cells):
            names = words.short_model_words(model), words.short_model_words(other).lower()
            name = " minus ".join(names)
            found.append({"name": name, "cells": cells})
    return found


def task_plots(deltas: Sequence[Mapping[str, Any]], task: str) -> dict[str, Any]:
    """The forest plot of a task in its headline metric, and those in the other metrics."""
    first = headline_metric(deltas, task)
    metrics = words.ordered(
        (row["metric"] for row in deltas if row["task"] == task), (first, *words.METRIC_ORDER)
    )
    prefix = "".join(letter for letter in task if letter.isalnum() and letter.isascii())
    drawn = [
        {"metric": metric, "svg": Markup(forest_plot(deltas, task, metric, f"plot-{prefix}-{position}"))}
        for position, metric in enumerate(metrics)
    ]
    drawn = [plot for plot in drawn if plot["svg"]]
    return {"task": task, "first": drawn[:1], "others": drawn[1:]}


def moved_table(moved: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The items that gained most, then those that lost most, as far as there are any."""
    parts = [(name, [row for row in moved if row["direction"] == name]) for name in ("gained", "lost")]
    return [part for part in parts if part[1]]


def recall_table(recall: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Models by metrics, of the retrieval with the vectors alone."""
    models = words.ordered((str(row["model"]) for row in recall), words.MODEL_WORDS)
    metrics = list(dict.fromkeys(str(row["metric"]) for row in recall))
    cells = {(str(row["model"]), str(row["metric"])): row["value"] for row in recall}
    return {
        "metrics": metrics,
        "lines": [(model, [cells.get((model, metric)) for metric in metrics]) for model in models],
    }
