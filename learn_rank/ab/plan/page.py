"""The page of a plan: needs, the smallest lift day by day, guardrails, in the frame of all reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from learn_rank.ab import words
from learn_rank.ab.plan.result import PlanResult, days_words
from learn_rank.ab.report.page import TEMPLATES, facts, plots
from learn_rank.ab.report.plots import ESTIMATE, FLAGGED, LAUNCH
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.svg import FAINT, SETTINGS, bare, svg_text
from learn_rank.report_kit.words import ordered_buckets

__all__ = ["day_plot", "plan_html"]

_HIGHEST = 200.0  # a lift beyond it is not planned for and would squeeze the others


def plan_html(result: PlanResult) -> str:
    """Render the page: style, script and plots are inside, given texts are escaped, nothing is fetched."""
    about = dict(result.about)
    metrics = list(dict.fromkeys(row["metric"] for row in result.rows))
    lift = about["declared_lift"]
    content = {
        "ab": words,
        "days_words": days_words,
        "title": about["title"],
        "started": about.get("started"),
        "result": result,
        "lift": lift,
        "power": about["power"],
        "n_days": about["n_days"],
        "notices": about.get("notices") or [],
        "metrics": metrics,
        "rows": in_order(result.rows, metrics),
        "plots": plots(metrics, lambda name, at: day_plot(result.curve, name, f"plan-{at}", lift)),
        "settings": facts(about.get("config")),
        "provenance": provenance_lines(about, facts(about.get("source"))),
    }
    return render("plan.html.j2", content, TEMPLATES, style="ab.css")


def in_order(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows by bucket, then by metric."""
    by_place = {(row["bucket_kind"], row["bucket"], row["metric"]): row for row in rows}
    return [by_place[kind, name, metric] for kind, name in ordered_buckets(rows) for metric in metrics]


def day_plot(curve: Sequence[Mapping[str, Any]], metric: str, prefix: str, lift: float) -> str:
    """Draw the smallest lift that is found against the days: all users in front, buckets behind.

    Args:
        curve: the rows ``PlanResult.curve``; those of other metrics are left out.
        metric: e.g. ``revenue``.
        prefix: made part of every id.
        lift: the declared one, a dashed line.

    Returns:
        An ``<svg>`` element in percent, or an empty string where fewer than two days have a value.
    """
    own = [row for row in curve if row["metric"] == metric and row["mde"] is not None]
    whole = [row for row in own if row["bucket_kind"] == "all"]
    if len(whole) < 2:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for kind, name in ordered_buckets(own):
            rows = [row for row in own if (row["bucket_kind"], row["bucket"]) == (kind, name)]
            is_whole = kind == "all"
            axes.plot(
                [row["day"] for row in rows],
                [100 * row["mde"] for row in rows],
                "-" if is_whole else ":",
                color=ESTIMATE if is_whole else FLAGGED,
                linewidth=2 if is_whole else 1,
                label="all users" if is_whole else None,
            )
        axes.plot([], [], ":", color=FLAGGED, linewidth=1, label="each bucket")
        axes.axhline(100 * lift, linestyle="--", color=LAUNCH, linewidth=1.2, label="declared lift")
        highest = max(100 * row["mde"] for row in whole)
        axes.set_ylim(0, min(_HIGHEST, 1.5 * max(highest, 100 * lift)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("days")
        axes.set_ylabel("smallest lift found, percent")
        bare(axes)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        return svg_text(figure, prefix)
