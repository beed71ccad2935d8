"""The plots of the report, as SVG text to be put into the page: matplotlib draws, nothing is fetched."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from learn_rank.report_kit.bucket_plot import draw_buckets
from learn_rank.report_kit.reliability_axes import draw_reliability_axes
from learn_rank.report_kit.rules import mark
from learn_rank.report_kit.svg import FAINT, INK, SETTINGS, bare, shorten, svg_text
from learn_rank.report_kit.words import (
    BASELINE,
    LEARN,
    MODEL_WORDS,
    NOT_BY_BUCKET,
    RAW_TEXT,
    SHUFFLED,
    ordered,
    ordered_buckets,
    short_model_words,
)

STYLES = {LEARN: ("#0b5cad", "o"), RAW_TEXT: ("#b3530b", "s"), SHUFFLED: ("#6b7280", "D")}
_MOST_RATIO = 3.0  # observed over predicted above which a bin is cut off: one bin would hide all others
_SPARE = (("#7a3e9d", "^"), ("#0f766e", "v"), ("#9d174d", "P"), ("#4d5c0f", "X"))


def forest_plot(deltas: Sequence[Mapping[str, Any]], task: str, metric: str, prefix: str) -> str:
    """Draw the differences from the baseline per bucket, with intervals, the models next to each other.

    Args:
        deltas: rows with the keys of `DELTA_KEYS`; those of other tasks, metrics and baselines
            are left out.
        task: e.g. `CTR`.
        metric: e.g. `UAUC`.
        prefix: made part of every id, so that several plots can stand on one page.

    Returns:
        An `<svg>` element in points (1 point = 0.01), or an empty string where there is nothing to draw.
        A full marker is a clear difference, a hollow one is not (see `rules.mark`); a small dot under an
        interval is one training seed.
    """
    names = (task, metric, BASELINE)
    own = [row for row in deltas if (row["task"], row["metric"], row["baseline"]) == names]
    own = [row for row in own if row["model"] not in NOT_BY_BUCKET]
    buckets, models = ordered_buckets(own), ordered((row["model"] for row in own), MODEL_WORDS)
    if not own:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(4.7, 1.25 + 0.2 * len(buckets) * (len(models) + 0.7)), layout="constrained")
        axes = figure.add_subplot()
        styles = {model: _style(model, models) for model in models}
        draw_buckets(axes, own, buckets, styles, key="delta", is_full=_is_clear)
        axes.set_xlabel(f"difference from the baseline, points of {shorten(metric, 16)}")
        _legend(figure, models, models, linestyle="none")
        return svg_text(figure, prefix)


def training_plot(training: Sequence[Mapping[str, Any]], prefix: str) -> str:
    """Draw the validation AUC per epoch, one line per model and seed, one colour per model.

    Args:
        training: rows with `model`, `seed`, `epoch` and `valid_auc` (None where it was not measured).
        prefix: made part of every id.
    """
    points = [row for row in training if row.get("valid_auc") is not None and row.get("epoch") is not None]
    models = ordered((str(row["model"]) for row in points), MODEL_WORDS)
    if not points:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for model in models:
            colour, shape = _style(model, models)
            for seed in dict.fromkeys(row.get("seed") for row in points if str(row["model"]) == model):
                line = [row for row in points if (str(row["model"]), row.get("seed")) == (model, seed)]
                line.sort(key=lambda row: row["epoch"])
                axes.plot(
                    [row["epoch"] for row in line],
                    [row["valid_auc"] for row in line],
                    color=colour,
                    marker=shape,
                    markersize=3.5,
                    linewidth=1,
                    alpha=0.8,
                )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("AUC on the validation rows")
        bare(axes)
        _legend(figure, models, models, linestyle="-")
        return svg_text(figure, prefix)


def reliability_plot(bins: Sequence[Mapping[str, Any]], models: Sequence[str], prefix: str) -> str:
    """Draw the observed share over the mean prediction, a dot a bin with its interval, a line a model.

    Below it the same bins once more, divided by the prediction, so that a tenth too much can be seen.

    Args:
        bins: of one task, with the keys of `about["reliability"]`.
        models: of the whole page; those that have bins are drawn.
        prefix: made part of every id.

    Returns:
        An `<svg>` element, or an empty string without bins. On the line is right; above it more happens than
        is predicted.
    """
    drawn = [model for model in models if any(row["model"] == model for row in bins)]
    if not drawn:
        return ""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(4.7, 5.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        points = [row[key] for row in bins for key in ("predicted", "observed")]
        ends = [row[key] for row in bins for key in ("low", "high") if row[key] is not None]
        draw_reliability_axes(above, points, ends)
        for model in drawn:
            line = sorted((row for row in bins if row["model"] == model), key=lambda row: row["bin"])
            _draw_bins(above, line, _style(model, models), over=lambda row: 1.0)
            has_ratio = [row for row in line if row["predicted"] > 0]
            _draw_bins(below, has_ratio, _style(model, models), over=lambda row: row["predicted"])
        below.axhline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        low, high = below.get_ylim()
        below.set_ylim(max(low, 0.0), min(high, _MOST_RATIO))
        bare(below)
        below.grid(axis="y", color=FAINT, linewidth=0.5)
        below.set_ylabel("observed / predicted")
        below.set_xlabel(above.get_xlabel())
        above.set_xlabel("")
        _legend(figure, drawn, models, linestyle="-")
        return svg_text(figure, prefix)


def _draw_bins(
    axes: Axes,
    line: Sequence[Mapping[str, Any]],
    style: tuple[str, str],
    over: Callable[[Mapping[str, Any]], float],
) -> None:
    """A dot a bin at its observed share divided by `over`, joined, and its interval."""
    colour, shape = style
    height = [row["observed"] / over(row) for row in line]
    size = 8 if shape == "." else 4
    axes.plot(
        [row["predicted"] for row in line], height, color=colour, marker=shape, markersize=size, linewidth=1
    )
    for row in line:
        if row["low"] is not None:
            ends = row["low"] / over(row), row["high"] / over(row)
            axes.vlines(row["predicted"], *ends, color=colour, linewidth=1.2)


def _is_clear(row: Mapping[str, Any]) -> bool:
    return mark(row) in ("better", "worse")


def _style(model: str, models: Sequence[str]) -> tuple[str, str]:
    if model in STYLES:
        return STYLES[model]
    if model == BASELINE:
        return "#111827", "."
    spare = [name for name in models if name not in STYLES and name != BASELINE]
    return _SPARE[spare.index(model) % len(_SPARE)]


def _legend(figure: Figure, drawn: Sequence[str], models: Sequence[str], linestyle: Any) -> None:
    handles = []
    for model in drawn:
        colour, shape = _style(model, models)
        handles.append(
            Line2D(
                [],
                [],
                color=colour,
                marker=shape,
                markersize=5,
                linestyle=linestyle,
                label=shorten(short_model_words(model), 16),
            )
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(drawn), 4), frameon=False)
