"""What each choice of the fusion is worth on a finished run; the same as `learn-rank ablate`.

python benchmarks/fusion_ablation.py runs/steam --seeds 5
python benchmarks/fusion_ablation.py runs/ml1m_ctr --only no_auxiliary,gate --seeds 3
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.commands.ablate import ablate

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(ablate)

if __name__ == "__main__":
    app()
