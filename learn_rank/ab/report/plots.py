"""The plots of the A/B page, as SVG text: lift per bucket, and lift per day and cumulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from learn_rank.ab import words
from learn_rank.report_kit.bucket_plot import draw_intervals, name_lines
from learn_rank.report_kit.rules import VAGUE_LIFT
from learn_rank.report_kit.svg import FAINT, INK, SETTINGS, bare, shorten, svg_text
from learn_rank.report_kit.words import count_words, ordered_buckets

ESTIMATE, LAUNCH, FLAGGED = "#0b5cad", "#b3530b", "#8a94a0"


def forest_plot(
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    prefix: str,
    level: float = 0.95,
    trainings: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Draw the relative lift per bucket with its interval, and the launch effect beside it.

    Args:
        rows: the rows of ``ABResult``; those of other metrics are left out.
        metric: e.g. ``revenue``.
        prefix: made part of every id, so that several plots can stand on one page.
        level: of the intervals.
        trainings: the rows ``ABResult.trainings``; each is a small dot under the interval of its bucket.

    Returns:
        An ``<svg>`` element in percent, or an empty string where there is nothing to draw. A full marker
        counts after correction, a hollow one does not, a grey one is flagged; a diamond is the launch.
    """
    own = [row for row in rows if row["metric"] == metric and row["relative"] is not None]
    places = ordered_buckets(own)
    if not own:
        return ""
    by_place = {(row["bucket_kind"], row["bucket"]): row for row in own}
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 1.1 + 0.5 * len(places)), layout="constrained")
        axes = figure.add_subplot()
        for height, place in enumerate(reversed(places)):
            _draw_lift(axes, by_place[place], height, level)
            alone = [
                100 * row["relative"]
                for row in trainings
                if (row["metric"], row["bucket_kind"], row["bucket"]) == (metric, *place)
                and row["relative"] is not None
            ]
            axes.plot(alone, [height - 0.14] * len(alone), ".", color=ESTIMATE, markersize=4)
        labels = [
            f"{shorten(words.place_words(*place), 24)}\n{_users(by_place[place])} users"
            for place in reversed(places)
        ]
        axes.set_ylim(-0.6, len(places) - 0.4)
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -104.0), min(high, _reach(own, "relative")))
        name_lines(axes, range(len(places)), labels, has_zero=True)
        axes.set_xlabel(f"{words.short_metric_words(metric)}: treatment over control, percent")
        return svg_text(figure, prefix)


def daily_plot(daily: Sequence[Mapping[str, Any]], metric: str, prefix: str) -> str:
    """Draw the relative lift of every day as dots with bars, and the cumulated lift as a line with a band.

    Args:
        daily: the rows ``ABResult.daily``; those of other metrics are left out. With ``always_low``
            and ``always_high``, as of a real experiment, dashed lines are the ends that hold at every look.
        metric: e.g. ``revenue``.
        prefix: made part of every id.

    Returns:
        An ``<svg>`` element in percent, or an empty string where there is nothing to draw.
    """
    own = sorted((row for row in daily if row["metric"] == metric), key=lambda row: row["day"])
    single = [row for row in own if row["relative"] is not None and row["relative_low"] is not None]
    summed = [row for row in own if row["cumulative"] is not None and row["cumulative_low"] is not None]
    if not single and not summed:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.add_subplot()
        if summed:
            days = [row["day"] for row in summed]
            low, middle, high = (
                [100 * row[name] for row in summed]
                for name in ("cumulative_low", "cumulative", "cumulative_high")
            )
            axes.fill_between(days, low, high, color=ESTIMATE, alpha=0.15, linewidth=0)
            axes.plot(days, middle, color=ESTIMATE, linewidth=2, label="all days so far")
        watched = [row for row in summed if row.get("always_low") is not None]
        for name, label in (("always_low", "holds at every look"), ("always_high", None)):
            ends = [100 * row[name] for row in watched]
            if ends:
                days = [row["day"] for row in watched]
                axes.plot(days, ends, "--", color=LAUNCH, linewidth=1.2, label=label)
        for row in single:
            middle, low, high = (100 * row[name] for name in ("relative", "relative_low", "relative_high"))
            bar = [[middle - low], [high - middle]]
            axes.errorbar(
                [row["day"]], [middle], bar, fmt="o", color=FLAGGED, markersize=4, elinewidth=1, capsize=2
            )
        axes.plot([], [], "o", color=FLAGGED, markersize=4, label="this day alone")
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        bottom, top = axes.get_ylim()
        axes.set_ylim(
            max(bottom, -104.0), min(top, _reach([*single, *summed], "relative", "cumulative", "always"))
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("day")
        axes.set_ylabel("lift, percent")
        bare(axes)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        figure.legend(loc="outside upper center", ncols=3 if watched else 2, frameon=False)
        return svg_text(figure, prefix)


def _reach(rows: Sequence[Mapping[str, Any]], *names: str) -> float:
    """How far up an axis goes, in percent: intervals that say nothing run out of it, values do not."""
    ends = [100.0]
    for row in rows:
        for name in names:
            low, middle, high = (row.get(f"{name}{end}") for end in ("_low", "", "_high"))
            says = low is not None and high is not None and high - low < VAGUE_LIFT
            ends += [100 * value for value in (middle, high if says else None) if value is not None]
        ends += [100 * row["launch"]] if row.get("launch") is not None else []
    return 1.08 * max(ends)


def _draw_lift(axes: Axes, row: Mapping[str, Any], height: int, level: float) -> None:
    key = words.mark(row, level)
    colour = FLAGGED if key == "flagged" else ESTIMATE
    low, high = words.lift_ends(row)
    if low is not None and high is not None:
        ends = 100 * row["relative"], 100 * low, 100 * high
        draw_intervals(axes, [height], [ends], (colour, "o"), is_full=key in ("better", "worse"))
    if row["launch"] is not None:
        axes.plot([100 * row["launch"]], [height - 0.26], "D", color=LAUNCH, markersize=4)


def _users(row: Mapping[str, Any]) -> str:
    return count_words(row["n_users_control"] + row["n_users_treatment"])
