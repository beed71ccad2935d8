"""Tables and the figure of `learn-recall compare-models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE

from learn_recall.files.whole_files import atomic_path
from learn_recall.terminal.whole_table import WholeTable


def main_table(report: dict[str, Any]) -> WholeTable:
    """Show a row a model: strict, history in and out, rare targets, coverage, official.

    Args:
        report: of `learn_recall.comparison.run.compare_on`.
    """
    first = next(iter(report["models"].values()))["seeds"][0]["strict"]["filtered"]
    several = ("H@10",) if "H@10" in first else ()  # any of a user's targets is found
    table = WholeTable(
        "model", "R@10", "95 %", "N@10", *several, "seeds", "rare R@10", "cover", "popular", "R@10 nf",
        "N@10 nf", "official R@10", "CPU s", box=SIMPLE,
        title=f"{report['protocol']['task']}: strict, history out; nf = history in",
    )  # fmt: skip
    for name, model in report["models"].items():
        seeds = model["seeds"]
        each = [seed["strict"]["filtered"]["R@10"] for seed in seeds]
        table.add_row(
            name,
            f"{model['R@10']:.4f}",
            f"{model['low']:.4f} .. {model['high']:.4f}",
            f"{model['N@10']:.4f}",
            *(f"{_mean(seeds, 'strict', 'filtered', metric):.4f}" for metric in several),
            f"{min(each):.4f} .. {max(each):.4f}" if len(each) > 1 else "1",
            "-" if model["rare R@10"] is None else f"{model['rare R@10']:.4f}",
            f"{_mean(seeds, 'coverage@10'):.2f}",
            f"{_mean(seeds, 'popularity@10'):.1f}",
            f"{_mean(seeds, 'strict', 'unfiltered', 'R@10'):.4f}",
            f"{_mean(seeds, 'strict', 'unfiltered', 'N@10'):.4f}",
            f"{_mean(seeds, 'official', 'R@10'):.4f}",
            f"{_mean(seeds, 'cpu_seconds'):.0f}",
        )
    return table


def comparison_table(report: dict[str, Any]) -> WholeTable:
    """Show the buckets of every model, and its difference to the id baseline.

    Args:
        report: of `learn_recall.comparison.run.compare_on`.
    """
    first = next(iter(report["models"].values()))["seeds"][0]["buckets"]
    columns = [(kind, name) for kind, names in first.items() for name in names]
    short = {"item_count": "events", "history_length": "history"}
    table = WholeTable("model", "R@10 - id", *(f"{short[k]} {n}" for k, n in columns), box=SIMPLE)
    for name, model in report["models"].items():
        difference = model.get("minus_id", {}).get("R@10")
        cells = ["-" if difference is None else "{value:+.4f} [{low:+.4f}, {high:+.4f}]".format(**difference)]
        for kind, bucket in columns:
            values = [seed["buckets"][kind][bucket]["R@10"] for seed in model["seeds"]]
            cells.append("-" if values[0] is None else f"{sum(values) / len(values):.4f}")
        table.add_row(name, *cells)
    return table


def draw_dial(report: dict[str, Any], path: Path) -> None:
    """Draw recall on rare targets against recall on all, along the dial, a line a model.

    Args:
        report: of `learn_recall.comparison.run.compare_on`.
        path: its ending is the format: png or svg.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only the figure needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, model in report["models"].items():
        points = [
            (point["R@10"], point["rare R@10"]) for point in model["dial"] if point["rare R@10"] is not None
        ]
        if points:
            line = axes.plot(*zip(*points, strict=True), marker=".", label=name)[0]
            axes.plot(*points[0], marker="o", color=line.get_color())
    axes.set_xlabel("Recall@10, all targets")
    axes.set_ylabel("Recall@10, targets with at most 5 training events")
    axes.set_title("Head against tail: score - a log(events + 1); the large mark is a = 0")
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png", dpi=120)


def _mean(seeds: list[dict[str, Any]], *path: str) -> float:
    values: list[Any] = seeds
    for step in path:
        values = [value[step] for value in values]
    return sum(values) / len(values)


__all__ = ["comparison_table", "draw_dial", "main_table"]
