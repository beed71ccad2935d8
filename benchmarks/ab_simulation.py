"""The offline A/B simulation of two rankers; the same as `learn-rank ab`.

python benchmarks/ab_simulation.py candidates.parquet --environment known --html ab.html
python benchmarks/ab_simulation.py --marketplace demo --treatment learn
python benchmarks/ab_simulation.py --marketplace demo --treatment learn --retrain-daily
python benchmarks/ab_simulation.py --log decisions.parquet --reward click
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.commands.ab import ab

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(ab)

if __name__ == "__main__":
    app()
