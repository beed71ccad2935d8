"""Exact AUC, UAUC and WUAUC of a prediction file, by bucket, with intervals; and against a second file.

python benchmarks/uauc.py predictions.parquet --user user_id --label click --score pctr --bucket user_bucket
python benchmarks/uauc.py new.parquet --baseline old.parquet --user user_id --label click --score pctr
python benchmarks/uauc.py --speed
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.prediction_files import check_same_rows, read_predictions
from benchmarks.uauc_tables import delta_table, result_table, speed_table, verdict, worse
from learn_rank.judge import Partition, adjust, judge
from learn_rank.metrics import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, NormalizedEntropy
from learn_rank.rows import Rows
from learn_rank.uncertainty import Bootstrap, ClosedForm, Uncertainty

IS_WORSE, BAD_INPUT = 1, 2
HELP = """Exact AUC, UAUC and WUAUC of a prediction file, with intervals over users, not rows.

UAUC: AUC of each user that has both labels, then the plain mean. WUAUC: the mean weighted by --wuauc. Ties
count half. Users with one label only are skipped and counted. If all scores lie in 0..1, PCOC, normalised
entropy, log loss and ECE stand beside them.

With --baseline both files must hold the same rows in the same order. Differences are paired by user; p values
are adjusted by Holm over all comparisons of the run. Exit code 0; 1 with --fail-if-worse if anything is
significantly worse; 2 for input that cannot be judged.

Example: python benchmarks/uauc.py new.parquet --baseline old.parquet --user user_id --label click
--score pctr --bucket user_bucket --bucket item_bucket --fail-if-worse
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None)
FileIn = Annotated[Path | None, typer.Argument(help="Parquet, csv or csv.gz, one row per impression.")]
User = Annotated[str, typer.Option(help="Column with user ids, strings or integers.")]
Label = Annotated[str, typer.Option(help="Column with 0/1.")]
Score = Annotated[str, typer.Option(help="Column with scores on any scale; only their order matters.")]
Baseline = Annotated[Path | None, typer.Option(help="A second file with the same rows, to compare with.")]
BaselineScore = Annotated[str | None, typer.Option(help="Its score column, if named otherwise.")]
Weight = Annotated[str | None, typer.Option(help="Column with row weights; 2 counts like two rows.")]
Wuauc = Annotated[str, typer.Option(help="A user's weight in WUAUC: impressions, positives, or a column.")]
MinRows = Annotated[int, typer.Option(help="Skip users with fewer rows in UAUC and WUAUC.", min=1)]
Bucket = Annotated[
    list[str] | None, typer.Option(help="Column of buckets, repeatable; pairs are taken within the bucket.")
]
Task = Annotated[str | None, typer.Option(help="Name of the task in the output; default: --label.")]
Resamples = Annotated[int, typer.Option(help="Resamples of the users; 0: the closed form.", min=0)]
Seed = Annotated[int, typer.Option(help="Seed of the resamples, or of --speed's rows.")]
Level = Annotated[float, typer.Option(help="Level of the intervals; tests use 1 - level.")]
JsonOut = Annotated[Path | None, typer.Option("--json", help="Write the rows there as JSON.")]
FailIfWorse = Annotated[
    bool, typer.Option("--fail-if-worse", help="Exit 1 if significantly worse anywhere; needs --baseline.")
]
Speed = Annotated[bool, typer.Option("--speed", help="Measure time and memory on generated rows.")]
NRows = Annotated[int, typer.Option(help="Rows for --speed.", min=1)]
NUsers = Annotated[int, typer.Option(help="Users for --speed.", min=1)]
Peers = Annotated[
    bool,
    typer.Option("--peers", help="With --speed: also time and check the grouped AUC of other libraries."),
]
PeerUsers = Annotated[int, typer.Option(help="Users for --peers, 20 rows each.", min=2)]
TorchEasyRec = Annotated[
    Path | None, typer.Option("--torcheasyrec", help="A checkout of TorchEasyRec, for --peers.")
]


@app.command(help=HELP)
def main(  # noqa: PLR0917 - typer passes every option by name
    predictions: FileIn = None,
    user: User = "user_id",
    label: Label = "click",
    score: Score = "pctr",
    baseline: Baseline = None,
    baseline_score: BaselineScore = None,
    weight: Weight = None,
    wuauc: Wuauc = "impressions",
    min_rows: MinRows = 2,
    bucket: Bucket = None,
    task: Task = None,
    bootstrap: Resamples = 0,
    seed: Seed = 0,
    level: Level = 0.95,
    json_out: JsonOut = None,
    fail_if_worse: FailIfWorse = False,
    speed: Speed = False,
    rows: NRows = 10_000_000,
    users: NUsers = 1_000_000,
    peers: Peers = False,
    peer_users: PeerUsers = 100_000,
    torcheasyrec: TorchEasyRec = None,
) -> None:
    """See HELP."""
    try:
        if speed:
            measured = report_speed(rows, users, seed)
            if peers:
                measured["peers"] = report_peers(peer_users, seed, torcheasyrec)
            write_json(json_out, measured)
            return
        if predictions is None:
            raise ValueError("PREDICTIONS: expected a file, got none. Remedy: name one, or pass --speed")
        if fail_if_worse and baseline is None:
            raise ValueError("--fail-if-worse: expected --baseline as well, got none")
        question = Question(
            user, label, score, baseline_score or score, weight, tuple(bucket or ()), wuauc, min_rows
        )
        how: Uncertainty = Bootstrap(level, bootstrap, seed) if bootstrap else ClosedForm(level)
        found = compare(predictions, baseline, question, task or label, how)
    except ValueError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
    write_json(json_out, found)
    console = Console()
    for name in dict.fromkeys(row["model"] for row in found["rows"]):
        console.print(result_table([row for row in found["rows"] if row["model"] == name], name))
    if baseline is not None:
        console.print(delta_table(found["deltas"], level))
        console.print(verdict(found["deltas"], level), markup=False, highlight=False, soft_wrap=True)
        if fail_if_worse and worse(found["deltas"], level):
            raise typer.Exit(IS_WORSE)


@dataclass(frozen=True)
class Question:
    """Which columns are judged, and how."""

    user: str
    label: str
    score: str
    baseline_score: str
    weight: str | None
    buckets: tuple[str, ...]
    wuauc: str
    min_rows: int

    @property
    def shared(self) -> list[str]:
        """The columns that must agree between two files."""
        column = [] if self.wuauc in ("impressions", "positives") else [self.wuauc]
        weight = [] if self.weight is None else [self.weight]
        return [self.user, self.label, *self.buckets, *weight, *column]


def compare(
    predictions: Path, baseline: Path | None, question: Question, task: str, how: Uncertainty
) -> dict[str, Any]:
    """{"rows": .., "deltas": .., "about": ..} of one file, or of two."""
    q = question
    table = read_predictions(predictions, q.shared, q.user, q.score)
    scores = {"candidate": [table[q.score].to_numpy()]}
    if baseline is not None:
        other = read_predictions(baseline, q.shared, q.user, q.baseline_score)
        check_same_rows(table, other, q.shared)
        scores["baseline"] = [other[q.baseline_score].to_numpy()]
    columns = {q.wuauc: table[q.wuauc]} if q.wuauc in table else {}
    rows = Rows.of(table[q.label], table[q.user], None if q.weight is None else table[q.weight], columns)
    ranking = [AUC(), UAUC(q.min_rows), WUAUC(q.wuauc, q.min_rows)]
    partitions = [Partition(column, table[column]) for column in q.buckets]
    results, deltas = judge(
        rows,
        scores,
        partitions,
        task=task,
        metrics=ranking,
        baseline=None if baseline is None else "baseline",
        uncertainty=how,
    )
    if all(_are_probabilities(column) for columns in scores.values() for column in columns):
        calibration = [PCOC(), NormalizedEntropy(), LogLoss(), ECE()]
        results += judge(rows, scores, partitions, task=task, metrics=calibration, uncertainty=how)[0]
    names = {"candidate": str(predictions), "baseline": str(baseline)}
    return {
        "rows": [{**row, "model": names[row["model"]]} for row in results],
        "deltas": [_named(row, names) for row in adjust(deltas, family=())],
        "about": {"uncertainty": repr(how), "family": "all comparisons of this run, adjusted by Holm"},
    }


def report_speed(n_rows: int, n_users: int, seed: int) -> dict[str, Any]:
    """Measures and prints."""
    from benchmarks.uauc_speed import measure

    found = measure(n_rows, n_users, seed)
    Console().print(speed_table(found))
    return found


def report_peers(n_users: int, seed: int, torcheasyrec: Path | None) -> dict[str, Any]:
    """Measures and prints the grouped AUC of other libraries."""
    from benchmarks.peer_table import case_table, measure_peers, peer_table
    from benchmarks.peers import find_peers

    console = Console()
    with console.status("") as status:
        found = measure_peers(find_peers(torcheasyrec), n_users, seed, status.update)
    console.print(peer_table(found))
    console.print(case_table(found))
    return found


def write_json(path: Path | None, content: Any) -> None:
    """Strict JSON, written beside its place and renamed."""
    if path is None:
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, path)


def _named(row: Any, names: dict[str, str]) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("model", "baseline")}
    return {"baseline": names["baseline"], "candidate": names["candidate"], **rest}


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.dtype.kind in "fiub" and ((scores >= 0) & (scores <= 1)).all())


if __name__ == "__main__":
    app()
