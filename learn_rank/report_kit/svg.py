"""Plots as SVG text to be put into a page: matplotlib draws, nothing is fetched, text stays text."""

import io
import re
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, FAINT = "#1f2933", "#d5dae1"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: readable by a screen reader, in the page's own font
    "svg.hashsalt": "report",  # the same rows give the same bytes
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def shorten(text: str, n_letters: int) -> str:
    """A name that leaves space for the plot; the whole name stands in the tables."""
    return text if len(text) <= n_letters else f"{text[: n_letters - 1]}…"


def bare(axes: Axes) -> None:
    """No frame, faint axes, faint lines at the values."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def svg_text(figure: Figure, prefix: str) -> str:
    """The figure as a bare `<svg>` element: no XML head, no metadata, no name space, ids made unique."""
    buffer = io.StringIO()
    figure.set_facecolor("white")
    # one drawing, which also lays the figure out; `Figure.savefig` draws it a second time to do so
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
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
