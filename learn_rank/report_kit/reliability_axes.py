"""The axes of a reliability curve: observed over predicted, and the line on which both are equal."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from learn_rank.report_kit.svg import FAINT, INK, bare

_WIDE = 20  # largest over smallest, from which on a linear axis would hide the small ones


def draw_reliability_axes(axes: Axes, points: Sequence[float], ends: Sequence[float] = ()) -> None:
    """Draw the line where predicted is observed; axes are logarithmic where all points allow and need it.

    Args:
        axes: to draw on.
        points: all predicted and observed shares, at least one.
        ends: of intervals; on logarithmic axes one that lies far below every point is cut off.
    """
    least, most = min(points), max(points)
    is_log = least > 0 and most > _WIDE * least
    low, high = 0.0, min(1.0, 1.06 * max(most, *ends, least)) if most > 0 else 1.0
    if is_log:
        low, high = max(min(least, *ends, most), least / 3) / 1.3, max(most, *ends, least) * 1.3
        axes.set_xscale("log")
        axes.set_yscale("log", nonpositive="clip")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("mean predicted probability")
    axes.set_ylabel("observed rate")
    bare(axes)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
