"""One number with its interval per bucket and model, as dots with bars beneath each other."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from learn_rank.report_kit.svg import FAINT, INK, bare, shorten
from learn_rank.report_kit.words import bucket_words, count_words

Style = tuple[str, str]  # colour, shape of the marker
Ends = tuple[float, float, float]  # middle, low and high of an interval
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
    scale = 100 if key == "delta" else 1
    step = len(models) + 0.7
    centres = [-step * position for position in range(len(buckets))]
    labels = []
    # one artist for all that look alike: matplotlib takes as long for one interval as for twenty
    intervals: dict[tuple[Style, bool], list[tuple[float, Ends]]] = defaultdict(list)
    seeds: dict[str, list[tuple[float, float]]] = defaultdict(list)
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
            middle, low, high = (scale * row[name] for name in (key, "low", "high"))
            intervals[styles[row["model"]], is_full(row)].append((height, (middle, low, high)))
            of_seeds = row.get("seed_deltas") or ()
            seeds[styles[row["model"]][0]] += [(scale * value, height - _BELOW) for value in of_seeds]
    for (style, full), drawn in intervals.items():
        heights, ends = zip(*drawn, strict=True)
        draw_intervals(axes, heights, ends, style, is_full=full)
    for colour, places in seeds.items():
        if places:
            axes.plot(*zip(*places, strict=True), ".", color=colour, markersize=3.4, alpha=0.8)
    for above, below, first, second in zip(centres, centres[1:], buckets, buckets[1:], strict=False):
        axes.axhline((above + below) / 2, color=FAINT, linewidth=1.4 if first[0] != second[0] else 0.5)
    axes.set_ylim(centres[-1] - step / 2, step / 2)
    axes.margins(x=0.08)
    if key == "delta":  # as far as a difference can go
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -100.0), min(high, 100.0))
    name_lines(axes, centres, labels, has_zero=key == "delta")


def draw_intervals(
    axes: Axes, heights: Sequence[float], ends: Sequence[Ends], style: Style, *, is_full: bool
) -> None:
    """Dots with bars.

    Args:
        axes: to draw on.
        heights: of the dots.
        ends: middle, low and high of each.
        style: colour and shape of the dots.
        is_full: else the dots are hollow.
    """
    colour, shape = style
    middles, lows, highs = zip(*ends, strict=True)
    below = [max(0.0, middle - low) for middle, low in zip(middles, lows, strict=True)]
    above = [max(0.0, high - middle) for middle, high in zip(middles, highs, strict=True)]
    axes.errorbar(
        middles,
        heights,
        xerr=[below, above],
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
