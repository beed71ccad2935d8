"""What each choice of the fusion is worth: variants trained alike on the tables and vectors of one run.

python benchmarks/fusion_ablation.py runs/steam --seeds 5
python benchmarks/fusion_ablation.py runs/ml1m_ctr --only no_auxiliary gate --seeds 3

Every variant is the run's own ranker on the run's own rows with the weight decay that the run tuned for its
baseline; the run's arms stand beside them. Finished trainings are kept in RUN/ablation, so a stopped command
goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.fusion.study import VARIANTS, ablate, open_study
from learn_rank.evaluation.compare import DeltaRow
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import write_json


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished `learn-rank run`.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(VARIANTS)}.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of every variant.")] = 3,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = all cores.")] = 0,
) -> None:
    """Train the variants and print their differences to the baseline, in points with 95 % intervals."""
    with plain_errors():
        names = list(VARIANTS) if only is None else only
        unknown = sorted(set(names) - set(VARIANTS))
        if unknown:
            raise ValueError(f"--only: expected some of {list(VARIANTS)}, got {unknown}.")
        if threads:
            import torch

            torch.set_num_threads(threads)
        study, console = open_study(run), Console()
        if not study.has_conversions:
            left_out = [name for name in names if VARIANTS[name].settings.get("auxiliary_task") == "both"]
            names = [name for name in names if name not in left_out]
            console.print(f"left out, for want of conversions: {left_out}")
        if not study.config.word_dimension and "no_words" in names:
            names = [name for name in names if name != "no_words"]
            console.print("left out, for want of words: ['no_words']")
        found = ablate(study, names, range(seeds))
        table(found, names, console)
        if json_out is not None:
            write_json(json_out, found)


def table(found: dict[str, list[DeltaRow]], names: Sequence[str], console: Console) -> None:
    """All test rows, AUC and UAUC of every task."""
    first = next(iter(found.values()))
    columns = [
        (row["task"], row["metric"])
        for row in first
        if row["bucket_kind"] == "all" and row["metric"] in ("AUC", "UAUC")
    ]
    shown = Table(title="Points over the baseline, all test rows, 95 % intervals", box=SIMPLE)
    shown.add_column("variant", no_wrap=True)
    for task, metric in columns:
        shown.add_column(f"{task} {metric}", justify="right")
    for key in [key for name in names for key in (name, f"auto {name}") if key in found]:
        rows = {(r["task"], r["metric"]): r for r in found[key] if r["bucket_kind"] == "all"}
        shown.add_row(key, *(_points(rows[column]) for column in columns))
    console.print(shown)


def _points(row: DeltaRow) -> str:
    if row["delta"] is None:
        return "-"
    text = f"{100 * row['delta']:+.2f}"
    if row["low"] is not None and row["high"] is not None:
        text += f" [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"
    return text


if __name__ == "__main__":
    typer.run(main)
