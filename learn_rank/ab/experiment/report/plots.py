"""The lift by days since a user's first exposure, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from learn_rank.ab.report.plots import ESTIMATE
from learn_rank.report_kit.svg import FAINT, INK, SETTINGS, bare, svg_text

__all__ = ["novelty_plot"]

_WIDEST = 2.0  # an interval beyond twice the control says nothing and would squeeze the others


def novelty_plot(novelty: Sequence[Mapping[str, Any]], metric: str, prefix: str) -> str:
    """Draw the relative lift of each day since the first exposure as a dot with its interval.

    Args:
        novelty: rows of `novelty_rows` of one treatment; those of other metrics are left out.
        metric: e.g. ``revenue``.
        prefix: made part of every id, so that several plots can stand on one page.

    Returns:
        An ``<svg>`` element in percent, or an empty string where there is nothing to draw.
    """
    own = [row for row in novelty if row["metric"] == metric and row["relative_low"] is not None]
    if len(own) < 2:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for row in own:
            middle, low, high = (100 * row[name] for name in ("relative", "relative_low", "relative_high"))
            bar = [[middle - low], [high - middle]]
            axes.errorbar(
                [row["days_since"]], [middle], bar, fmt="o", color=ESTIMATE, markersize=4, capsize=2
            )
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        bottom, top = axes.get_ylim()
        says = [row["relative_high"] for row in own if row["relative_high"] < _WIDEST]
        highest = max([*says, *(row["relative"] for row in own), 0.1])
        axes.set_ylim(max(bottom, -104.0), min(top, 108 * highest))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("days since the user's first exposure")
        axes.set_ylabel("lift, percent")
        bare(axes)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        return svg_text(figure, prefix)
