"""One number with its interval per bucket and model, as dots with bars beneath each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from learn_rank.report_kit.svg import FAINT, INK, bare, shorten
from learn_rank.report_kit.words import bucket_words, count_words

Style = tuple[str, str]  # colour, shape of the marker
_SOFT = "#6b7280"
_BELOW = 0.33  # how far under an interval its seeds stand; from one model to the next it is 1


def draw_buckets(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    buckets: Sequence[tuple[str, str]],
    styles: Mapping[str, Style],
    *,
    key: Literal["delta", "value"],
    is_full: Callable[[Mapping[str, Any]], bool],
) -> None:
    """Draw the rows, the models of a bucket next to each other.

    Args:
        axes: to draw on.
        rows: with model, bucket_kind, bucket, n_rows, low, high and `key`; where one has `seed_deltas`, each
            is a small dot under its interval.
        buckets: (bucket_kind, bucket) from top to bottom.
        styles: model -> (colour, marker), from top to bottom.
        key: "delta" is drawn in points around a line at 0; "value" as it is.
        is_full: whether a row's marker is full; else it is hollow.
    """
    models = list(styles)
    step = len(models) + 0.7
    centres = [-step * position for position in range(len(buckets))]
    labels = []
    for centre, (kind, bucket) in zip(centres, buckets, strict=True):
        here = [row for row in rows if (row["bucket_kind"], row["bucket"]) == (kind, bucket)]
        n_rows = count_words(max(row["n_rows"] for row in here))
        labels.append(f"{shorten(bucket_words(kind, bucket), 22)}\n{n_rows} rows")
        missing = [row for row in here if any(row[name] is None for name in (key, "low", "high"))]
        if len(missing) == len(here):
            axes.annotate(
                "not defined" if all(row[key] is None for row in here) else "no interval",
                (0.02, centre),
                xycoords=("axes fraction", "data"),
                color=_SOFT,
                va="center",
                fontsize="small",
            )
            continue
        for row in here:
            height = centre + (len(models) - 1) / 2 - models.index(row["model"])
            if row in missing:
                axes.annotate(
                    "–",
                    (0.02, height),
                    xycoords=("axes fraction", "data"),
                    color=styles[row["model"]][0],
                    va="center",
                )
                continue
            colour, shape = styles[row["model"]]
            scale = 100 if key == "delta" else 1
            middle, low, high = (scale * row[name] for name in (key, "low", "high"))
            draw_interval(axes, height, (middle, low, high), (colour, shape), is_full=is_full(row))
            seeds = [scale * value for value in row.get("seed_deltas") or ()]
            axes.plot(seeds, [height - _BELOW] * len(seeds), ".", color=colour, markersize=3.4, alpha=0.8)
    for above, below, first, second in zip(centres, centres[1:], buckets, buckets[1:], strict=False):
        axes.axhline((above + below) / 2, color=FAINT, linewidth=1.4 if first[0] != second[0] else 0.5)
    axes.set_ylim(centres[-1] - step / 2, step / 2)
    axes.margins(x=0.08)
    if key == "delta":  # as far as a difference can go
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -100.0), min(high, 100.0))
    name_lines(axes, centres, labels, has_zero=key == "delta")


def draw_interval(
    axes: Axes, height: float, ends: tuple[float, float, float], style: Style, *, is_full: bool
) -> None:
    """A dot with a bar.

    Args:
        axes: to draw on.
        height: of the dot.
        ends: middle, low and high.
        style: colour and shape of the dot.
        is_full: else the dot is hollow.
    """
    (middle, low, high), (colour, shape) = ends, style
    axes.errorbar(
        [middle],
        [height],
        xerr=[[max(0.0, middle - low)], [max(0.0, high - middle)]],
        fmt=shape,
        color=colour,
        markerfacecolor=colour if is_full else "white",
        markersize=5,
        elinewidth=1.4,
        capsize=2.5,
    )


def name_lines(axes: Axes, heights: Sequence[float], labels: Sequence[str], *, has_zero: bool) -> None:
    """Names beside the lines of a plot, no other axis on the left, and where it is asked for a line at 0."""
    if has_zero:
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
    axes.set_yticks(heights, labels)
    axes.tick_params(axis="y", length=0)
    bare(axes)
    axes.spines["left"].set_visible(False)
