"""The plots of the report, as SVG text to be put into the page: matplotlib draws, nothing is fetched."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from learn_rank.report_kit.bucket_plot import draw_buckets
from learn_rank.report_kit.rules import mark
from learn_rank.report_kit.svg import SETTINGS, bare, shorten, svg_text
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
        _legend(figure, models, linestyle="none")
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
        _legend(figure, models, linestyle="-")
        return svg_text(figure, prefix)


def _is_clear(row: Mapping[str, Any]) -> bool:
    return mark(row) in ("better", "worse")


def _style(model: str, models: Sequence[str]) -> tuple[str, str]:
    if model in STYLES:
        return STYLES[model]
    if model == BASELINE:
        return "#111827", "."
    spare = [name for name in models if name not in STYLES and name != BASELINE]
    return _SPARE[spare.index(model) % len(_SPARE)]


def _legend(figure: Figure, models: Sequence[str], linestyle: Any) -> None:
    handles = []
    for model in models:
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
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(models), 4), frameon=False)
