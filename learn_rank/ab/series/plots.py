"""The plots of a series of tests, as SVG text: the tests that differ most, and how p is spread over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from learn_rank.ab.report.plots import ESTIMATE, FLAGGED, LAUNCH
from learn_rank.ab.series.judge import DIFFERS, LEVEL, WINNER
from learn_rank.report_kit.bucket_plot import draw_intervals, name_lines
from learn_rank.report_kit.svg import FAINT, SETTINGS, bare, shorten, svg_text

__all__ = ["best_plot", "p_plot"]

Row = Mapping[str, Any]
MOST_DRAWN, N_BINS = 20, 20
FAMILY = (WINNER, DIFFERS, LEVEL)
_HIGHEST = 500.0  # a lift beyond it would squeeze the others; its value stands in the table


def best_plot(tests: Sequence[Row], prefix: str = "best") -> str:
    """Draw the lift of the best arm over the others, for the tests that differ most.

    Args:
        tests: the rows ``SeriesResult.tests``, those with the least q first.
        prefix: made part of every id.

    Returns:
        An ``<svg>`` element in percent, full where the test has a winner; an empty string where no test
        differs.
    """
    found = [row for row in tests if row["status"] in (WINNER, DIFFERS) and row["relative_low"] is not None]
    drawn = list(reversed(found[:MOST_DRAWN]))
    if not drawn:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 1.1 + 0.34 * len(drawn)), layout="constrained")
        axes = figure.add_subplot()
        for status in (WINNER, DIFFERS):  # one artist for all that look alike
            own = [(height, row) for height, row in enumerate(drawn) if row["status"] == status]
            if own:
                ends = [
                    (100 * row["relative"], 100 * row["relative_low"], 100 * row["relative_high"])
                    for _, row in own
                ]
                draw_intervals(
                    axes, [height for height, _ in own], ends, (ESTIMATE, "o"), is_full=status == WINNER
                )
        axes.set_ylim(-0.6, len(drawn) - 0.4)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.0), min(high, max(_HIGHEST, *(108 * row["relative"] for row in drawn))))
        name_lines(axes, range(len(drawn)), [shorten(str(row["test"]), 26) for row in drawn], has_zero=True)
        axes.set_xlabel("CTR of the best arm over the others, percent")
        return svg_text(figure, prefix)


def p_plot(tests: Sequence[Row], prefix: str = "p") -> str:
    """Draw how many of the judged tests have which p, before any correction.

    Where no test differed the bars would be as high as the dashed line; what stands above it on the left are
    tests that differ.

    Returns:
        An ``<svg>`` element, an empty string with fewer than 20 judged tests.
    """
    p = [row["p"] for row in tests if row["status"] in FAMILY]
    if len(p) < N_BINS:
        return ""
    counts, edges = np.histogram(p, bins=N_BINS, range=(0.0, 1.0))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(edges[:-1], counts, width=1 / N_BINS, align="edge", color=FLAGGED, edgecolor="white")
        expected = len(p) / N_BINS
        axes.axhline(expected, linestyle="--", color=LAUNCH, linewidth=1.2, label="if no test differed")
        axes.set_xlim(0, 1)
        axes.set_xlabel("p of equal click rates, before correction")
        axes.set_ylabel("tests")
        bare(axes)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        figure.legend(loc="outside upper center", frameon=False)
        return svg_text(figure, prefix)
