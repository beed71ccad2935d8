"""The page of the A/B report: a result in, one self-contained HTML text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from learn_rank.ab import words
from learn_rank.ab.report.plots import daily_plot, forest_plot
from learn_rank.ab.report.result import ABResult
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.rules import find
from learn_rank.report_kit.words import (
    DASH,
    amount_words,
    count_words,
    interval_name,
    ordered,
    ordered_buckets,
    unbroken,
)

TEMPLATES = Path(__file__).with_name("templates")
STATUS_CLASS = {
    "better": "yes",
    "better with an open guardrail": "unknown",
    "worse": "worse",
    "no detectable difference": "none",
    "invalid": "untrusted",
    "descriptive only": "unknown",
}
Row = Mapping[str, Any]


def ab_html(result: ABResult) -> str:
    """Render the page: style, script and plots are inside, every given text is escaped, nothing is fetched.

    Args:
        result: what was found.

    Returns:
        The whole page. Verdict and mode of evidence come first; every number is one of ``result``.
    """
    return render("ab.html.j2", page_content(result), TEMPLATES)


def page_content(result: ABResult) -> dict[str, Any]:
    """Everything that the template shows, in the order of the page."""
    about = dict(result.about)
    level = about.get("level", 0.95)
    metrics = ordered((row["metric"] for row in result.rows), words.METRIC_ORDER)
    lines = trainings(result, metrics)
    dots = result.trainings if lines else ()
    return {
        "ab": words,
        "title": about.get("title") or "A/B simulation",
        "started": about.get("started"),
        "result": result,
        "main_class": STATUS_CLASS[result.verdict.status],
        "mode_name": words.MODE_NAMES[result.mode],
        "mode_words": words.MODE_WORDS[result.mode],
        "interval_name": unbroken(interval_name(level)),
        "level": level,
        "declared_lift": about.get("declared_lift"),
        "notices": about.get("notices") or [],
        "guard_summary": words.guard_summary(result.guards),
        "beside": about.get("beside") or [],
        "cards": [card(result.rows, metric, level) for metric in metrics],
        "metrics": metrics,
        "matrix": matrix(result.rows, metrics, level),
        "trainings": lines,
        "launches": [row for row in result.rows if row["bucket_kind"] == "all" and row["launch"] is not None],
        "forests": plots(
            metrics, lambda name, at: forest_plot(result.rows, name, f"forest-{at}", level, dots)
        ),
        "dailies": plots(metrics, lambda name, at: daily_plot(result.daily, name, f"daily-{at}")),
        "calibration": result.calibration,
        "spend": about.get("spend") or [],
        "estimates": estimates(result.estimates),
        "values": [(row, words.mark(row, level)) for row in in_order(result.rows, metrics)],
        "counts": facts(about.get("counts")),
        "excluded": facts(about.get("excluded")),
        "settings": facts(about.get("config")),
        "provenance": provenance_lines(
            about, [*facts(about.get("source")), *facts(about.get("environment"))]
        ),
    }


def card(rows: Sequence[Row], metric: str, level: float) -> dict[str, Any]:
    """The headline of one metric over all users."""
    row = find(rows, metric=metric, bucket_kind="all")
    return {"metric": metric, "row": row, "mark": words.mark(row, level)}


def matrix(rows: Sequence[Row], metrics: Sequence[str], level: float) -> list[dict[str, Any]]:
    """For whom: one line per bucket, one cell per metric."""
    found = []
    for kind, bucket in ordered_buckets(rows):
        cells = [find(rows, metric=metric, bucket_kind=kind, bucket=bucket) for metric in metrics]
        found.append(
            {
                "name": words.place_words(kind, bucket),
                "kind": kind,
                "cells": [(row, words.mark(row, level)) for row in cells],
            }
        )
    return found


def trainings(result: ABResult, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """One line per training, and one of all of them: each metric over all users. Empty for one training."""
    if len(result.training_seeds) < 2:
        return []
    lines: list[tuple[str, Sequence[Row]]] = [
        (f"training {seed}", [row for row in result.trainings if row["seed"] == seed])
        for seed in result.training_seeds
    ]
    return [
        {"name": name, "cells": [find(rows, metric=metric, bucket_kind="all") for metric in metrics]}
        for name, rows in [*lines, ("all trainings", result.rows)]
    ]


def in_order(rows: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """The rows by bucket, then by metric."""
    places = [(kind, bucket, metric) for kind, bucket in ordered_buckets(rows) for metric in metrics]
    found = (find(rows, bucket_kind=kind, bucket=bucket, metric=metric) for kind, bucket, metric in places)
    return [row for row in found if row is not None]


def estimates(rows: Sequence[Row]) -> list[Row]:
    """The estimators' rows, the headline first, the policies of an estimator together."""
    names = ordered((row["estimator"] for row in rows), ("SNIPS", "IPS", "clipped IPS", "DR"))
    return sorted(rows, key=lambda row: names.index(row["estimator"]))


def plots(metrics: Sequence[str], draw: Any) -> list[dict[str, Any]]:
    """The plots that have something to show, one per metric."""
    drawn = [{"metric": metric, "svg": Markup(draw(metric, at))} for at, metric in enumerate(metrics)]
    return [plot for plot in drawn if plot["svg"]]


def facts(given: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Name and text of settings or counts, names without underscores."""
    return [(name.replace("_", " "), fact_words(value)) for name, value in (given or {}).items()]


def fact_words(value: Any) -> str:
    """A setting as a reader writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else count_words(value)
    if isinstance(value, float):
        return amount_words(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(fact_words, value))
    return DASH if value is None else str(value)


__all__ = ["ab_html", "page_content"]
