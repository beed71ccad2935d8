"""A run's report.json as the Markdown tables of the README.

Run: python benchmarks/readme_table.py runs/steam
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from learn_rank.report import read_report

METRICS = ("AUC", "UAUC", "WUAUC")
MODELS = ("learn", "raw_text", "shuffled", "rates")
BUCKETS = [(kind, bucket) for kind in ("user", "item") for bucket in ("cold-start", "long-tail", "other")]


def main(run: Annotated[Path, typer.Argument(help="Folder of a run, with report.json.")]) -> None:
    """Print the baseline's values, and every arm's difference to it in points with its 95 % interval."""
    report = read_report(run)
    about = report.about
    tasks = [task for task in ("CTR", "CVR", "CTCVR") if any(row["task"] == task for row in report.rows)]
    base = {_key(row): row for row in report.rows if row["model"] == "baseline"}
    deltas = {(row["model"], *_key(row)): row for row in report.deltas if row["baseline"] == "baseline"}
    print(f"{about['dataset']}, {len(about['seeds'])} seeds, commit {about['commit']}, {about['machine']}\n")
    print("| all test rows | baseline | " + " | ".join(MODELS) + " |")
    print("|---" * (2 + len(MODELS)) + "|")
    for task in tasks:
        for metric in METRICS:
            place = (task, metric, "all", "all")
            cells = [_delta(deltas.get((model, *place))) for model in MODELS]
            print(f"| {task} {metric} | {_value(base.get(place))} | " + " | ".join(cells) + " |")
    print(f"\n| {tasks[0]} UAUC | test rows | baseline | " + " | ".join(MODELS[:3]) + " |")
    print("|---" * 6 + "|")
    for kind, bucket in BUCKETS:
        row = base[tasks[0], "UAUC", kind, bucket]
        cells = [_delta(deltas.get((model, tasks[0], "UAUC", kind, bucket))) for model in MODELS[:3]]
        print(f"| {bucket} {kind}s | {row['n_rows']:,} | {_value(row)} | " + " | ".join(cells) + " |")


def _key(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["task"], row["metric"], row["bucket_kind"], row["bucket"]


def _value(row: dict[str, Any] | None) -> str:
    return "–" if row is None or row["value"] is None else f"{row['value']:.4f}"


def _delta(row: dict[str, Any] | None) -> str:
    if row is None or row["delta"] is None:
        return "–"
    interval = "" if row["low"] is None else f" [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"
    return f"{100 * row['delta']:+.2f}{interval}"


if __name__ == "__main__":
    typer.run(main)
