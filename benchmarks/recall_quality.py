"""Recall of every model on a folder, with published figures beside; else the same as `learn-recall
compare-models`.

python benchmarks/recall_quality.py --data data/amazon_beauty --json recall.json
python benchmarks/recall_quality.py --data data/amazon_games --only id --only learn --seeds 5
"""

from __future__ import annotations

import sys
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.recall.published import published, published_table
from learn_rank.uauc.provenance import provenance
from learn_recall.commands.compare_models import compare_models
from learn_recall.datasets.amazon import ITEMS, SEQUENCES
from learn_recall.files.whole_files import write_json

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@wraps(compare_models)
def main(**options: Any) -> None:
    """Compare the models, then add what others published on the same split, and the commit."""
    report = compare_models(**options)
    report["published"] = {name: list(values) for name, values in published(report).items()}
    others = published_table(report)
    if others is not None:
        Console().print(others)
    if options["json_out"] is not None:
        folder = options["data"]
        files = [] if folder is None else [folder / ITEMS, folder / SEQUENCES]
        report["environment"] = provenance(files, options) | report["environment"]
        write_json(options["json_out"], report)


if __name__ == "__main__":
    app()
