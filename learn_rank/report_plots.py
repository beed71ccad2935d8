"""The plots of the report, as SVG text to be put into the page: matplotlib draws, nothing is fetched."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from learn_rank.report_rules import mark, outcome
from learn_rank.report_words import (
    BASELINE,
    LEARN,
    MODEL_WORDS,
    RATES,
    RAW_TEXT,
    SHUFFLED,
    bucket_words,
    count_words,
    ordered,
    ordered_buckets,
    short_model_words,
)

STYLES = {LEARN: ("#0b5cad", "o"), RAW_TEXT: ("#b3530b", "s"), SHUFFLED: ("#6b7280", "D")}
_SPARE = (("#7a3e9d", "^"), ("#0f766e", "v"), ("#9d174d", "P"), ("#4d5c0f", "X"))
_INK, _FAINT = "#1f2933", "#d5dae1"
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: readable by a screen reader, in the page's own font
    "svg.hashsalt": "report",  # the same rows give the same bytes
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def forest_plot(deltas: Sequence[Mapping[str, Any]], task: str, metric: str, prefix: str) -> str:
    """Draws the differences from the baseline per bucket, with intervals, the models next to each other.

    Args:
        deltas: rows with the keys of `report_data.DELTA_KEYS`; those of other tasks, metrics and baselines
            are left out.
        task: e.g. `CTR`.
        metric: e.g. `UAUC`.
        prefix: made part of every id, so that several plots can stand on one page.

    Returns:
        An `<svg>` element in points (1 point = 0.01), or an empty string where there is nothing to draw.
        A full marker is a clear difference, a hollow one is not (see `report_rules.mark`).
    """
    names = (task, metric, BASELINE)
    own = [row for row in deltas if (row["task"], row["metric"], row["baseline"]) == names]
    own = [row for row in own if row["model"] != RATES]  # so far below that it would squeeze the others
    buckets, models = ordered_buckets(own), ordered((row["model"] for row in own), MODEL_WORDS)
    if not own:
        return ""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(4.7, 1.25 + 0.2 * len(buckets) * (len(models) + 0.7)), layout="constrained")
        axes = figure.add_subplot()
        _draw_buckets(axes, own, buckets, models)
        axes.set_xlabel(f"difference from the baseline, points of {_cut(metric, 16)}")
        _legend(figure, models, linestyle="none")
        return _svg(figure, prefix)


def training_plot(training: Sequence[Mapping[str, Any]], prefix: str) -> str:
    """Draws the validation AUC per epoch, one line per model and seed, one colour per model.

    Args:
        training: rows with `model`, `seed`, `epoch` and `valid_auc` (None where it was not measured).
        prefix: made part of every id.
    """
    points = [row for row in training if row.get("valid_auc") is not None and row.get("epoch") is not None]
    models = ordered((str(row["model"]) for row in points), MODEL_WORDS)
    if not points:
        return ""
    with mpl.rc_context(_SETTINGS):
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
        _bare(axes)
        _legend(figure, models, linestyle="-")
        return _svg(figure, prefix)


def _draw_buckets(
    axes: Axes,
    deltas: Sequence[Mapping[str, Any]],
    buckets: Sequence[tuple[str, str]],
    models: Sequence[str],
) -> None:
    step = len(models) + 0.7
    centres = [-step * position for position in range(len(buckets))]
    labels = []
    for centre, (kind, bucket) in zip(centres, buckets, strict=True):
        here = [row for row in deltas if (row["bucket_kind"], row["bucket"]) == (kind, bucket)]
        labels.append(
            f"{_cut(bucket_words(kind, bucket), 22)}\n{count_words(max(row['n_rows'] for row in here))} rows"
        )
        if all(outcome(row) == "missing" for row in here):
            axes.text(0, centre, "  not defined", color=STYLES[SHUFFLED][0], va="center", fontsize="small")
            continue
        for row in here:
            height = centre + (len(models) - 1) / 2 - models.index(row["model"])
            colour, shape = _style(row["model"], models)
            if outcome(row) == "missing":
                axes.text(0, height, "– ", color=colour, ha="right", va="center")
                continue
            delta, low, high = (100 * row[key] for key in ("delta", "low", "high"))
            axes.errorbar(
                [delta],
                [height],
                xerr=[[max(0.0, delta - low)], [max(0.0, high - delta)]],
                fmt=shape,
                color=colour,
                markerfacecolor=colour if mark(row) in ("better", "worse") else "white",
                markersize=5,
                elinewidth=1.4,
                capsize=2.5,
            )
    for above, below, first, second in zip(centres, centres[1:], buckets, buckets[1:], strict=False):
        axes.axhline((above + below) / 2, color=_FAINT, linewidth=1.4 if first[0] != second[0] else 0.5)
    axes.axvline(0, color=_INK, linewidth=1, zorder=1)
    axes.set_ylim(centres[-1] - step / 2, step / 2)
    axes.set_yticks(centres, labels)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)
    _bare(axes)
    axes.spines["left"].set_visible(False)


def _style(model: str, models: Sequence[str]) -> tuple[str, str]:
    if model in STYLES:
        return STYLES[model]
    if model == BASELINE:
        return "#111827", "."
    spare = [name for name in models if name not in STYLES and name != BASELINE]
    return _SPARE[spare.index(model) % len(_SPARE)]


def _cut(text: str, n_letters: int) -> str:
    """A name that leaves the plot its room; the whole name stands in the tables."""
    return text if len(text) <= n_letters else f"{text[: n_letters - 1]}…"


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
                label=_cut(short_model_words(model), 16),
            )
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(models), 4), frameon=False)


def _bare(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    axes.grid(axis="x", color=_FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _svg(figure: Figure, prefix: str) -> str:
    """The figure as a bare `<svg>` element: no XML head, no metadata, no name space, ids made unique."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(xmlns(:xlink)?|version)="[^"]*"', "", text)
    text = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", text, count=1)
    return text.strip()
