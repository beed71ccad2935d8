"""The page of an experiment: a result in, one self-contained HTML text out, in the frame of all reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.ab import words
from learn_rank.ab.experiment.report.plots import novelty_plot
from learn_rank.ab.experiment.report.result import MODE, ExperimentResult
from learn_rank.ab.experiment.table import PRIMARY
from learn_rank.ab.report.page import STATUS_CLASS, TEMPLATES, facts, plots
from learn_rank.ab.report.plots import daily_plot, forest_plot
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.words import interval_name, ordered_buckets, unbroken

__all__ = ["experiment_content", "experiment_html"]


def experiment_html(result: ExperimentResult) -> str:
    """Render the page: style, script and plots are inside, every given text is escaped, nothing is fetched.

    Args:
        result: what was found.
    """
    return render("experiment.html.j2", experiment_content(result), TEMPLATES, style="ab.css")


def experiment_content(result: ExperimentResult) -> dict[str, Any]:
    """Everything that the template shows, in the order of the page."""
    about = dict(result.about)
    level = about.get("level", 0.95)
    return {
        "ab": words,
        "title": about.get("title") or "Experiment",
        "started": about.get("started"),
        "result": result,
        "main_class": STATUS_CLASS[result.status],
        "status_class": STATUS_CLASS,
        "mode": MODE,
        "mode_name": words.MODE_NAMES[MODE],
        "mode_words": words.MODE_WORDS[MODE],
        "interval_name": unbroken(interval_name(level)),
        "declared_lift": about.get("declared_lift"),
        "control": about.get("control"),
        "primary": about.get("primary"),
        "notices": about.get("notices") or [],
        "guard_summary": words.guard_summary(result.guards),
        "arms": [arm_content(result, arm, at, level) for at, arm in enumerate(result.verdicts)],
        "metrics": list(dict.fromkeys(row["metric"] for row in result.rows)),
        "values": [(row, words.mark(row, level)) for row in result.rows],
        "has_ways": len({row["way"] for row in result.estimates}) > 1,
        "counts": facts(about.get("counts")),
        "settings": facts(about.get("config")),
        "provenance": provenance_lines(about, facts(about.get("source"))),
    }


def arm_content(result: ExperimentResult, arm: str, at: int, level: float) -> dict[str, Any]:
    """What is said of one treatment: verdict, cards, buckets, days, novelty."""
    rows = _of(result.rows, arm)
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    daily, novelty = _of(result.daily, arm), _of(result.novelty, arm)
    launched = [{**row, "launch": None} for row in rows]  # only a simulation can launch
    return {
        "name": arm,
        "verdict": result.verdicts[arm],
        "cards": [(row, words.mark(row, level)) for row in rows if row["bucket_kind"] == "all"],
        "matrix": _matrix(rows, metrics, level),
        "has_buckets": any(row["bucket_kind"] != "all" for row in rows),
        "metrics": metrics,
        "forests": plots(
            metrics, lambda name, place: forest_plot(launched, name, f"forest-{at}-{place}", level)
        ),
        "dailies": plots(metrics, lambda name, place: daily_plot(daily, name, f"daily-{at}-{place}")),
        "novelties": plots(metrics, lambda name, place: novelty_plot(novelty, name, f"novelty-{at}-{place}")),
        "wear": _of(result.wear, arm),
        "is_primary": {row["metric"]: row["role"] == PRIMARY for row in rows if row["bucket_kind"] == "all"},
    }


def _matrix(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str], level: float) -> list[dict[str, Any]]:
    by_place = {(row["bucket_kind"], row["bucket"], row["metric"]): row for row in rows}
    return [
        {
            "name": words.place_words(kind, bucket),
            "kind": kind,
            "cells": [
                (by_place[kind, bucket, metric], words.mark(by_place[kind, bucket, metric], level))
                for metric in metrics
            ],
        }
        for kind, bucket in ordered_buckets(rows)
    ]


def _of(rows: Sequence[Mapping[str, Any]], arm: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["arm"] == arm]
