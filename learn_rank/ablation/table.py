"""The table of an ablation in the terminal: points over the baseline on all test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE

from learn_rank.evaluation.compare import DeltaRow
from learn_rank.report_kit.rules import says_nothing
from learn_recall.terminal.whole_table import WholeTable

METRICS = ("AUC", "UAUC")


def ablation_table(
    found: Mapping[str, Sequence[DeltaRow]], names: Sequence[str], *, over: str, part: str
) -> WholeTable:
    """Show AUC and UAUC of every task over all test rows, one line a variant and one for its `auto`.

    Args:
        found: of `learn_rank.ablation.study.ablate`.
        names: the variants, in the table's order.
        over, part: as of `learn_rank.ablation.study.ablate`.
    """
    whole = {key: [row for row in rows if row["bucket_kind"] == "all"] for key, rows in found.items()}
    columns = [(row["task"], row["metric"]) for row in next(iter(whole.values())) if row["metric"] in METRICS]
    table = WholeTable(title=f"Points over {over}, all {part} rows, 95 % intervals", box=SIMPLE)
    table.add_column("variant", no_wrap=True)
    for task, metric in columns:
        table.add_column(f"{task} {metric}", justify="right")
    for key in [key for name in names for key in (name, f"auto {name}") if key in found]:
        cells = {(row["task"], row["metric"]): _points(row) for row in whole[key]}
        table.add_row(key, *(cells[column] for column in columns))
    return table


def _points(row: DeltaRow) -> str:
    if row["delta"] is None:
        return "-"
    text = f"{100 * row['delta']:+.2f}"
    if row["low"] is not None and row["high"] is not None:
        text += f" [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"
    if says_nothing(row):
        text += " says nothing"
    return text


__all__ = ["ablation_table"]
