"""`learn-rank uauc`: exact AUC, UAUC and WUAUC of a prediction file, and against a second file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from learn_rank.commands.choices import ENGINES, MEANINGS, MEMORY, TASKS, WEIGHTS
from learn_rank.commands.common import IS_WORSE
from learn_recall.columns import CLICK, CONVERSION, PCTR, PCVR, USER_ID
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import atomic_path, write_json
from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.progress import track_steps

FileIn = Annotated[
    Path | None,
    typer.Argument(
        help="Parquet, csv(.gz) or jsonl(.gz), one row per impression; or a folder or glob of parquet; or, "
        "with --engine, a table there."
    ),
]
User = Annotated[str, typer.Option(help="Column with user ids, strings or integers.")]
Label = Annotated[str, typer.Option(help="Column with 0/1.")]
Score = Annotated[str, typer.Option(help="Column with scores on any scale; only their order matters.")]
Baseline = Annotated[Path | None, typer.Option(help="A second file with the same rows, to compare with.")]
BaselineScore = Annotated[str | None, typer.Option(help="Its score column, if named otherwise.")]
Weight = Annotated[str | None, typer.Option(help="Column with row weights; 2 counts like two rows.")]
Wuauc = Annotated[
    str,
    typer.Option(
        help="A user's weight in WUAUC: impressions, positives, or a column.", autocompletion=WEIGHTS
    ),
]
MinRows = Annotated[int, typer.Option(help="Skip users with fewer rows in UAUC and WUAUC.", min=1)]
Bucket = Annotated[
    list[str] | None, typer.Option(help="Column of buckets, repeatable; pairs are taken within the bucket.")
]
CountBuckets = Annotated[
    list[str] | None,
    typer.Option(
        "--count-bucket",
        help="Column of training counts, repeatable: COLUMN:COLD_MAX:TAIL_MAX (default 0:20), or "
        "COLUMN:share=.2 for the rarest that are at most that share of the rows.",
    ),
]
BucketMeaning = Annotated[
    str,
    typer.Option(
        help="within, or attributed, which refuses buckets that cut through a user.", autocompletion=MEANINGS
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(help='Judge only rows that fulfil this, repeatable: COLUMN SIGN VALUE, as "click == 1".'),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="Name of the task in the output; default: --label. cvr alone stands for --label conversion "
        '--score pcvr --where "click == 1".',
        autocompletion=TASKS,
    ),
]
Resamples = Annotated[int, typer.Option(help="Resamples of the users; 0: the closed form.", min=0)]
Seed = Annotated[int, typer.Option(help="Seed of the resamples.", min=0)]
Level = Annotated[float, typer.Option(help="Level of the intervals; tests use 1 - level.")]
JsonOut = Annotated[Path | None, typer.Option("--json", help="Write the rows there as JSON.")]
HtmlOut = Annotated[
    Path | None, typer.Option("--html", help="Write a page with plots there; it needs nothing else.")
]
FailIfWorse = Annotated[
    bool, typer.Option("--fail-if-worse", help="Exit 1 if significantly worse anywhere; needs --baseline.")
]
MemoryRows = Annotated[
    int,
    typer.Option(help="Parquet files with more rows in all are judged from disk, to the same digits.", min=0),
]
Spill = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the temporary files of that and of duckdb; default: the system's temporary folder."
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="Where pairs are counted: memory; duckdb or spark, which take parquet or a table of theirs; or "
        "a URL of Ibis, such as duckdb:///scores.db, with a table there. Same digits.",
        autocompletion=ENGINES,
    ),
]


@plain_errors()
def uauc(  # noqa: PLR0917 - typer passes every option by name
    context: typer.Context,
    predictions: FileIn = None,
    user: User = USER_ID,
    label: Label = CLICK,
    score: Score = PCTR,
    baseline: Baseline = None,
    baseline_score: BaselineScore = None,
    weight: Weight = None,
    wuauc: Wuauc = "impressions",
    min_rows: MinRows = 2,
    bucket: Bucket = None,
    count_bucket: CountBuckets = None,
    bucket_meaning: BucketMeaning = "within",
    where: Where = None,
    task: Task = None,
    bootstrap: Resamples = 0,
    seed: Seed = 0,
    level: Level = 0.95,
    json_out: JsonOut = None,
    html_out: HtmlOut = None,
    fail_if_worse: FailIfWorse = False,
    memory_rows: MemoryRows = 50_000_000,
    spill: Spill = None,
    engine: Engine = MEMORY,
) -> None:
    """Exact AUC, UAUC and WUAUC of a prediction file, with intervals over users, not rows.

    UAUC: AUC of each user that has both labels, then the plain mean. WUAUC: the mean weighted by --wuauc.
    Ties count half. Users with one label only are skipped and counted. If all scores lie in 0..1, PCOC,
    normalised entropy, log loss and ECE stand beside them.

    With --baseline both files must hold the same rows in the same order. Differences are paired by user; p
    values are adjusted by Holm over all comparisons of the run. Exit code 0; 1 with --fail-if-worse if
    anything is significantly worse; 2 for input that cannot be judged.

    Example: learn-rank uauc new.parquet --baseline old.parquet --user user_id --label click
    --score pctr --bucket user_bucket --bucket item_bucket --fail-if-worse

    Conversions of a run's predictions: learn-rank uauc new.parquet --baseline old.parquet --task cvr
    """
    from learn_rank.data.row_conditions import RowCondition
    from learn_rank.evaluation.beyond_memory import MemoryLimits
    from learn_rank.uauc.count_buckets import CountBucket
    from learn_rank.uauc.judgement import Question, compare
    from learn_rank.uauc.on_disk import compare_on_disk, is_beyond_memory
    from learn_rank.uauc.provenance import provenance
    from learn_rank.uauc.terminal import delta_table, result_table, rows_words, verdict, worse
    from learn_rank.uncertainty.intervals import Bootstrap, ClosedForm, Uncertainty

    paths = [path for path in (predictions, baseline) if path is not None]
    check_writable("--json", json_out)
    check_writable("--html", html_out)
    if predictions is None:
        raise ValueError("PREDICTIONS: expected a file, got none. Remedy: name one")
    if fail_if_worse and baseline is None:
        raise ValueError(
            "--fail-if-worse: expected --baseline as well, got none. Remedy: name the other file"
        )
    label, score, conditions = _asked(context, task, label, score, where or ())
    question = Question(
        user=user,
        label=label,
        score=score,
        baseline_score=baseline_score,
        weight=weight,
        buckets=tuple(bucket or ()),
        count_buckets=tuple(CountBucket.parse(text) for text in count_bucket or ()),
        meaning=bucket_meaning,
        wuauc=wuauc,
        min_rows=min_rows,
        conditions=tuple(RowCondition.parse(text) for text in conditions),
        task=task,
    )
    is_written = json_out is not None or html_out is not None
    is_large = engine == MEMORY and is_beyond_memory(paths, memory_rows)
    uncertainty: Uncertainty = ClosedForm(level)
    if bootstrap:
        uncertainty = Bootstrap(level, bootstrap, seed)
        if not is_large:  # else the partitions tell how far it is
            uncertainty = replace(uncertainty, track=track_steps)
    judge = partial(compare, predictions, baseline, question, uncertainty, has_details=is_written)
    if is_large:
        judge = partial(compare_on_disk, *judge.args, **judge.keywords, limits=MemoryLimits(spill=spill))
    elif engine != MEMORY:
        from learn_rank.uauc.on_engine import compare_on_engine

        judge = partial(compare_on_engine, *judge.args, **judge.keywords, engine=engine, spill=spill)
    try:
        found = judge()
    except ValueError as error:
        note = "\n(Rows are counted among those that --where keeps.)" if conditions else ""
        raise ValueError(f"{error}{note}") from error
    if is_written:
        found["about"] |= provenance(paths, context.params)
        write_files(found, json_out, html_out)
    console = result_console()
    for words in rows_words(found["about"]):
        console.print(words, markup=False, highlight=False, soft_wrap=True)
    for name in dict.fromkeys(row["model"] for row in found["rows"]):
        console.print(result_table([row for row in found["rows"] if row["model"] == name], name))
    if baseline is not None:
        console.print(delta_table(found["deltas"], level))
        console.print(verdict(found["deltas"], level), markup=False, highlight=False, soft_wrap=True)
        if fail_if_worse and worse(found["deltas"], level):
            raise typer.Exit(IS_WORSE)


def _asked(
    context: typer.Context, task: str | None, label: str, score: str, where: Sequence[str]
) -> tuple[str, str, Sequence[str]]:
    """Label, score and conditions; --task cvr stands for all three where neither column was named."""
    typed = {name for name in ("label", "score") if _is_typed(context, name)}
    if task is None or typed or task.lower() not in ("cvr", "ctcvr"):
        return label, score, where
    if task.lower() == "ctcvr":
        raise ValueError(
            f"--task {task}: expected --label and --score with it, got neither. Remedy: name a column that "
            "is 0 where nothing was clicked as --label and pctcvr as --score; --task is then only the name"
        )
    return CONVERSION, PCVR, [f"{CLICK} == 1", *where]


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def write_files(found: dict[str, Any], json_out: Path | None, html_out: Path | None) -> None:
    """Write what was asked for, each file whole or not at all."""
    if json_out is not None:
        write_json(json_out, found)
    if html_out is not None:
        from learn_rank.uauc.page import page_html

        with atomic_path(html_out) as temporary:
            temporary.write_text(page_html(found), encoding="utf-8")


def check_writable(option: str, path: Path | None) -> None:
    """Make the folder of a file and refuse one that could not be written, before anything is judged."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_open = os.access(path.parent, os.W_OK) and not path.is_dir()
    except OSError:
        is_open = False
    if not is_open:
        raise ValueError(
            f"{option}: expected a file that can be written, got {path}. Remedy: name a file in a folder of "
            "your own"
        )
