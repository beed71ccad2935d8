"""Tables that stay where they lie: the same judgement, from an engine that counts pairs by user."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from learn_rank.data.parquet_rows import ParquetRows, is_parquet, read_as
from learn_rank.evaluation.on_engine.checked_rows import (
    EngineLayout,
    check_rows,
    judged_rows,
    rows_that_fulfil,
)
from learn_rank.evaluation.on_engine.places import EngineBuckets, EngineRows
from learn_rank.metrics.user_codes import as_users
from learn_rank.uauc.count_buckets import CountBucket, check_few, check_kinds, counts_of, rule_words
from learn_rank.uauc.judgement import (
    CANDIDATE,
    Question,
    file_names,
    judgement,
    named,
    rows_judged,
)
from learn_rank.uauc.prediction_files import FileColumns
from learn_rank.uauc.prediction_files import check_kinds as check_types
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.intervals import Uncertainty
from learn_recall.engines.connections import DUCKDB, connected, engine_name
from learn_recall.engines.sources import arrow_schema, check_case, fetched, named_table, parquet_table


def compare_on_engine(
    predictions: Path,
    baseline: Path | None,
    question: Question,
    uncertainty: Uncertainty,
    *,
    engine: Any,
    has_details: bool = False,
    spill: Path | None = None,
) -> dict[str, Any]:
    """`judgement.compare` on an engine, where a baseline can only be a second score of the same table.

    Raises:
        ValueError: another table as baseline, or what `judge_table` refuses.
    """
    if baseline is not None and baseline != predictions:
        raise ValueError(
            f"--baseline: expected {predictions} again with --engine, as a table has no order of rows, got "
            f"{baseline}. Remedy: join the two, and name the other score with --baseline-score"
        )
    return judge_table(
        predictions,
        question,
        engine=engine,
        uncertainty=uncertainty,
        is_compared=baseline is not None,
        has_details=has_details,
        spill=spill,
    )


def judge_table(
    table: ir.Table | Path | str,
    question: Question | None = None,
    *,
    engine: Any = DUCKDB,
    uncertainty: Uncertainty | None = None,
    is_compared: bool = False,
    has_details: bool = False,
    spill: Path | None = None,
) -> dict[str, Any]:
    """AUC, UAUC and WUAUC of a table, with intervals, in every bucket; its rows never leave the engine.

    The digits are those of `learn_rank.uauc.judgement.compare` on the same rows. Only counts by user and
    bucket come back, so memory here grows with users.

    Args:
        table: a table of Ibis, with whatever was joined or filtered before; the name of one of the engine's
            tables; or a parquet file, folder or glob, for DuckDB and Spark.
        question: the columns and settings; None: those of a run's predictions.
        engine: "duckdb", "spark", a URL of Ibis, an Ibis backend, a connection of duckdb or a SparkSession;
            not read where `table` is one of Ibis, which knows its own.
        uncertainty: default `ClosedForm(level=.95)`; nothing is resampled on an engine.
        is_compared: whether `question.baseline_score` is a second score to compare with.
        has_details: whether counts and users are asked for, for a page.
        spill: as in `learn_recall.engines.connections.connected`.

    Returns:
        As `learn_rank.uauc.judgement.judgement`, with the table's name as the model's.

    Raises:
        ValueError: an engine or a table that is not there, rows that `learn_rank.metrics` refuses, row
            weights or resampling.

    Example:
        >>> import ibis
        >>> from learn_rank.uauc.judgement import Question
        >>> rows = ibis.memtable({"u": [7, 7, 7, 8, 8], "click": [1, 0, 0, 1, 0], "p": [9, 1, 9, 2, 3]})
        >>> found = judge_table(rows, Question(user="u", label="click", score="p"))
        >>> {row["metric"]: row["value"] for row in found["rows"]}  # u 7: won 1, tied 1; u 8: lost
        {'AUC': 0.5833333333333334, 'UAUC': 0.375, 'WUAUC': 0.45}
    """
    q = Question() if question is None else question
    method = ClosedForm() if uncertainty is None else uncertainty
    _check_question(q, method)
    scores = q.scores if is_compared else {CANDIDATE: q.score}
    layout = EngineLayout(
        q.user,
        q.label,
        scores,
        () if q.wuauc in ("impressions", "positives") else (q.wuauc,),
        (*q.buckets, *(bucket.column for bucket in q.count_buckets)),
    )
    columns = [q.columns_of(role) for role in scores]
    name = "table" if isinstance(table, ir.Table) else str(table)
    connection, source, schema = _opened(table, engine, columns, name, spill)
    as_users(schema.empty_table()[q.user].to_pandas(), 0)  # refuses floats
    for column in layout.summed:
        _check_whole(schema.field(column).type, column)
    kept = rows_that_fulfil(source, q.conditions, schema) if q.conditions else source
    rows = judged_rows(kept, layout)
    bounds = check_rows(connection, rows, layout, q.conditions, name)
    checked = EngineRows(connection, rows, layout, bounds)
    ways = tuple(_ways(checked, q))
    is_attributed = q.meaning == "attributed"
    found = judgement(
        checked.bucket_scores(tuple(way for way, _ in ways), is_attributed=is_attributed),
        q,
        method,
        has_probabilities=False,
        has_details=has_details,
    )
    n_rows = bounds.n_rows
    if q.conditions:
        n_rows = int(fetched(connection, source.aggregate(n=source.count()))["n"][0].as_py())
    found["about"] |= {
        "engine": engine_name(connection),
        "buckets": {way.column: words for way, words in ways},
        **rows_judged(bounds.n_rows, n_rows, q),
        "n_repeated": None,
        "repeated_in": [],
    }
    return named(found, file_names(Path(name), Path(name) if is_compared else None, q))


def _check_question(question: Question, method: Uncertainty) -> None:
    check_kinds(question.buckets, question.count_buckets)
    remedy = "Remedy: leave it out, or judge parquet files without --engine"
    if question.weight is not None:
        raise ValueError(
            "--weight: expected none on an engine, whose sums of fractions hang on the order of its "
            f"workers, got {question.weight!r}. {remedy}"
        )
    if not isinstance(method, ClosedForm):
        raise ValueError(
            f"--bootstrap: expected 0 on an engine, since resampling needs the rows, got {method}. {remedy}"
        )


def _check_whole(kind: pa.DataType, column: str) -> None:
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise ValueError(
            f"--wuauc {column}: expected whole numbers on an engine, whose sums of fractions hang on the "
            f"order of its workers, got {kind}. Remedy: a smaller unit (cents), or judge parquet files "
            "without --engine"
        )


def _opened(
    table: ir.Table | Path | str, engine: Any, columns: list[FileColumns], name: str, spill: Path | None
) -> tuple[BaseBackend, ir.Table, pa.Schema]:
    """The engine, the table there, and the types of the columns that are judged or compared with a value."""
    rules = columns[0].rules
    conditions = [condition.column for condition in columns[0].conditions]
    wanted = list(dict.fromkeys([name for each in columns for name in each.wanted] + conditions))
    if isinstance(table, ir.Table):
        connection, source = table.get_backend(), table
    else:
        connection = connected(engine, spill=spill)
        if _is_path(table):
            return connection, *_from_files(connection, Path(table), wanted, columns)
        source = named_table(connection, str(table))
    given = arrow_schema(source, wanted, name)
    schema = pa.schema([(field.name, read_as(field.type, field.name, rules)) for field in given])
    for each in columns:
        check_types(schema, each, name)
    return connection, source, schema


def _from_files(
    connection: BaseBackend, path: Path, wanted: list[str], columns: list[FileColumns]
) -> tuple[ir.Table, pa.Schema]:
    if not is_parquet(path):
        raise ValueError(
            f"{path}: expected parquet files or a table on an engine, got {path.suffix or 'another file'}. "
            "Remedy: convert it to parquet, or leave out --engine"
        )
    files = ParquetRows.at(path, columns[0].rules)
    schema = files.schema(wanted)
    check_case(files.names, wanted, str(path))
    for each in columns:
        check_types(schema, each, str(path))
    return parquet_table(connection, files.files, path if files.folders else None), schema


def _is_path(table: Path | str) -> bool:
    """Whether files are meant: something is there, or only a path is written like that."""
    text = str(table)
    return Path(text).exists() or glob.has_magic(text) or "/" in text or text.endswith((".parquet", ".csv"))


def _ways(rows: EngineRows, question: Question) -> list[tuple[EngineBuckets, str]]:
    """Each way of splitting the rows, and what it means in words."""
    found = []
    for column in question.buckets:
        check_few(rows.n_values_of(column), column)
        way = EngineBuckets.by_name(column, rows.layout.bucket_name(column), rows.values_of(column)[0])
        found.append((way, f"the values of the column {column}"))
    for bucket in question.count_buckets:
        found.append(_counted(rows, bucket))
    return found


def _counted(rows: EngineRows, bucket: CountBucket) -> tuple[EngineBuckets, str]:
    values, n_rows = rows.values_of(bucket.column)
    rule = bucket.rule_of(counts_of(values, bucket.column, has_rows=False), n_rows)
    way = EngineBuckets.by_count(bucket.column, rows.layout.bucket_name(bucket.column), rule)
    return way, rule_words(rule, bucket)
