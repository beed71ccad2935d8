"""A run's report.json as Markdown tables; the same as `learn-rank report RUN --markdown`.

python benchmarks/readme_table.py runs/steam
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.commands.report import report


def main(run: Annotated[Path, typer.Argument(help="Folder of a run, with report.json.")]) -> None:
    """Print the baseline's values, and every arm's difference to it in points with its 95 % interval."""
    report(run, markdown=True)


if __name__ == "__main__":
    typer.run(main)
