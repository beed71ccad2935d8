"""Exact AUC, UAUC and WUAUC of a prediction file, by bucket, and against a second; the same as `learn-rank
uauc`.

python benchmarks/uauc.py predictions.parquet --user user_id --label click --score pctr --bucket user_bucket
python benchmarks/uauc.py new.parquet --baseline old.parquet --user user_id --label click --score pctr
python benchmarks/uauc.py --speed        (time and memory; --speed --help has its options)
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.commands.uauc import uauc

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command(epilog="--speed: time and memory on generated rows; --speed --help has its options.")(uauc)
speed_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """The command, or with --speed the measurement of its speed."""
    if "--speed" not in sys.argv:
        app()
    from benchmarks.metrics.speed_command import speed

    speed_app.command()(speed)
    speed_app()


if __name__ == "__main__":
    main()
