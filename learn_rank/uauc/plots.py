"""The plots of the page of benchmarks/uauc.py, as SVG text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from learn_rank.report_kit.bucket_plot import Style, draw_buckets
from learn_rank.report_kit.reliability_axes import draw_reliability_axes
from learn_rank.report_kit.svg import INK, SETTINGS, bare, svg_text
from learn_rank.report_kit.words import MINUS, ordered_buckets

STYLES: dict[str, Style] = {"baseline": ("#6b7280", "D"), "candidate": ("#0b5cad", "o")}
GAIN, LOSS = "#0b6647", "#a0252b"
WIDTH = 4.3  # inches; wider ones would have tiny letters on a telephone
MAX_BUCKETS = 24

Row = Mapping[str, Any]


def bucket_plot(
    rows: Sequence[Row],
    key: Literal["value", "delta"],
    label: str,
    prefix: str,
    is_full: Callable[[Row], bool],
) -> str:
    """Values or differences of one metric per bucket, with intervals; "" where no bucket has one.

    Args:
        rows: of one metric, `model` being "candidate" or "baseline".
        key: what to draw.
        label: of the axis.
        prefix: made part of every id.
        is_full: which markers are full.
    """
    if not any(row["low"] is not None for row in rows):
        return ""
    rows = largest(rows)
    buckets = ordered_buckets(rows)
    styles = {model: style for model, style in STYLES.items() if any(row["model"] == model for row in rows)}
    with mpl.rc_context(SETTINGS):
        height = 1.1 + 0.2 * len(buckets) * max(len(styles) + 0.7, 2.0)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
        draw_buckets(axes, rows, buckets, styles, key=key, is_full=is_full)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(label)
        _legend(figure, styles)
        return svg_text(figure, prefix)


def largest(rows: Sequence[Row]) -> list[Row]:
    """The rows of the `MAX_BUCKETS` buckets with the most rows; a plot of more could not be read."""
    sizes: dict[tuple[str, str], int] = {}
    for row in rows:
        place = row["bucket_kind"], row["bucket"]
        sizes[place] = max(sizes.get(place, 0), row["n_rows"] + (row["bucket_kind"] == "all"))
    kept = sorted(sizes, key=lambda place: -sizes[place])[:MAX_BUCKETS]
    return [row for row in rows if (row["bucket_kind"], row["bucket"]) in kept]


def user_plot(users: Mapping[str, Row], key: str, mean: str, label: str, prefix: str) -> str:
    """Shares of users (or of their weight) by AUC, one outline per model, its mean as a broken line.

    Args:
        users: model -> `users.distribution`.
        key: share_of_users or share_of_weight.
        mean: mean or weighted_mean.
        label: of the vertical axis.
        prefix: made part of every id.
    """
    shown = {model: users[model] for model in STYLES if model in users and users[model][key] is not None}
    if not shown:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for model, view in shown.items():
            colour = STYLES[model][0]
            n_steps = len(view[key]) - 1
            edges = (np.arange(n_steps + 2) - 0.5) / n_steps
            axes.stairs(view[key], edges, fill=True, color=colour, alpha=0.18)
            axes.stairs(view[key], edges, color=colour, linewidth=1.4)
            axes.axvline(view[mean], color=colour, linewidth=1.6, linestyle=(0, (4, 2)))
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("AUC of the user")
        _shares(axes, label)
        _legend(figure, {model: STYLES[model] for model in shown}, is_area=True)
        return svg_text(figure, prefix)


def difference_plot(difference: Row, key: str, label: str, prefix: str) -> str:
    """Shares of users (or of their weight) by candidate - baseline; those without any difference left out."""
    shares = difference[key]
    if shares is None or not any(shares):
        return ""
    reach, width = len(shares) // 2, difference["width"]
    place = np.arange(-reach, reach + 1)
    colours = [LOSS if at < 0 else GAIN if at > 0 else "#8b95a1" for at in place]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(place, shares, width=0.9, color=colours)
        axes.axvline(0, color=INK, linewidth=1)
        ticks = [-reach, -(reach + 1) // 2, 0, (reach + 1) // 2, reach]
        axes.set_xticks(ticks, [_tick(at * width, abs(at) == reach) for at in ticks])
        axes.set_xlabel("AUC of the user: candidate minus baseline")
        _shares(axes, label)
        return svg_text(figure, prefix)


def reliability_plot(bins: Mapping[str, Sequence[Row]], prefix: str) -> str:
    """Observed rate over mean probability, a dot per bin, on logarithmic axes where all are above 0."""
    points = {model: bins[model] for model in STYLES if bins.get(model)}
    if not points:
        return ""
    values = [one[key] for rows in points.values() for one in rows for key in ("predicted", "observed")]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.add_subplot()
        draw_reliability_axes(axes, values)
        for model, rows in points.items():
            colour, shape = STYLES[model]
            axes.plot(
                [row["predicted"] for row in rows],
                [row["observed"] for row in rows],
                color=colour,
                marker=shape,
                markersize=4,
                linewidth=1,
            )
        _legend(figure, {model: STYLES[model] for model in points}, linestyle="-")
        return svg_text(figure, prefix)


def _shares(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    axes.locator_params(axis="y", nbins=5)
    bare(axes)


def _tick(value: float, is_end: bool) -> str:
    if value == 0:
        return "0"
    text = f"{'+' if value > 0 else MINUS}{abs(value):.3g}"
    return f"{'≥' if value > 0 else '≤'} {text}" if is_end else text


def _legend(
    figure: Figure, styles: Mapping[str, Style], is_area: bool = False, linestyle: Any = "none"
) -> None:
    """Name the models where there are two, and the line of the mean."""
    shown = styles if len(styles) > 1 else {}
    handles: list[Any] = [
        Patch(facecolor=f"{colour}2e", edgecolor=colour, label=model)
        if is_area
        else Line2D([], [], color=colour, marker=shape, markersize=5, linestyle=linestyle, label=model)
        for model, (colour, shape) in shown.items()
    ]
    if is_area:
        handles.append(Line2D([], [], color=INK, linewidth=1.6, linestyle=(0, (4, 2)), label="mean"))
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
