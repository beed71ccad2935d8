"""The rows to be judged on an engine, under names of our own, and one query that refuses what cannot be.

Engines differ in what NaN is (a value above all others, or no value), in what they do with the case of names,
and in what a cast does with a fraction. So every column is looked at before anything is cast or compared, and
the sentences are those of rows in memory, without the numbers of rows, which a table does not have.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from learn_rank.data.row_conditions import RowCondition, condition_words
from learn_rank.evaluation.on_engine.won_pairs import LABEL, USER
from learn_recall.engines.sources import fetched

_SIGNS: Mapping[str, Callable[..., Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
N_ROWS, NO_USER = ("all", "rows"), ("no", "user")
OTHER_LABELS, NO_LABEL, LOW_LABEL, HIGH_LABEL = (
    (what, "label") for what in ("other", "no", "lowest other", "highest other")
)


@dataclass(frozen=True)
class EngineLayout:
    """Which columns of a table are judged.

    Attributes:
        user, label: columns.
        scores: model -> its column.
        summed: columns that a metric's settings name, whole numbers.
        buckets: columns that say in which bucket a row lies.
    """

    user: str
    label: str
    scores: Mapping[str, str]
    summed: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()

    def score_name(self, model: str) -> str:
        """What a model's scores are called among the judged rows."""
        return f"score_{list(self.scores).index(model)}"

    def sum_name(self, column: str) -> str:
        """What a summed column is called there."""
        return f"sum_{self.summed.index(column)}"

    def bucket_name(self, column: str) -> str:
        """What a column of buckets is called there."""
        return f"bucket_{self.buckets.index(column)}"


@dataclass(frozen=True)
class Bounds:
    """What the query has learned: the number of rows, and the smallest and largest score of each model."""

    n_rows: int
    scores: Mapping[str, tuple[float, float]]


def judged_rows(table: ir.Table, layout: EngineLayout) -> ir.Table:
    """The layout's columns: truth values and decimals as numbers, the rest as it lies."""
    columns = {USER: table[layout.user], LABEL: _number(table[layout.label])}
    for model, column in layout.scores.items():
        columns[layout.score_name(model)] = _number(table[column])
    columns |= {layout.sum_name(column): _number(table[column]) for column in layout.summed}
    columns |= {layout.bucket_name(column): table[column] for column in layout.buckets}
    return table.select(**columns)


def rows_that_fulfil(table: ir.Table, conditions: Sequence[RowCondition], schema: pa.Schema) -> ir.Table:
    """The rows that fulfil every condition, by the rules of `RowCondition.holds`.

    Args:
        table: holds the conditions' columns.
        conditions: as typed.
        schema: the types of these columns.
    """
    return table.filter([_holds(table, condition, schema) for condition in conditions])


def check_rows(
    connection: BaseBackend,
    rows: ir.Table,
    layout: EngineLayout,
    conditions: Sequence[RowCondition],
    name: str,
) -> Bounds:
    """Look at every judged row once.

    Args:
        connection: where they lie.
        rows: of `judged_rows`.
        layout: what they are.
        conditions: which rows of the table they are, for a message.
        name: what the table is called in one.

    Raises:
        ValueError: no rows; users, buckets or sums that are missing; labels other than 0 and 1; scores that
            are not finite.
    """
    asked: dict[tuple[str, str], ir.Scalar] = {N_ROWS: rows.count(), NO_USER: _n_missing(rows[USER])}
    asked |= {
        ("no bucket", column): _n_missing(rows[layout.bucket_name(column)]) for column in layout.buckets
    }
    is_other = _is_missing(rows[LABEL]) | ~rows[LABEL].isin([0, 1])
    seen = is_other & ~_is_missing(rows[LABEL])
    asked |= {OTHER_LABELS: is_other.sum(), NO_LABEL: _n_missing(rows[LABEL])}
    asked["top", LABEL] = rows[LABEL].max()
    asked |= {LOW_LABEL: rows[LABEL].min(where=seen), HIGH_LABEL: rows[LABEL].max(where=seen)}
    for column in layout.summed:
        values = rows[layout.sum_name(column)]
        asked["bad sum", column] = (_is_missing(values) | (values < 0)).sum()
    for model in layout.scores:
        score = rows[layout.score_name(model)]
        is_finite = ~_is_missing(score) & ~_is_infinite(score)
        asked |= {("no score", model): _n_missing(score), ("infinite", model): _is_infinite(score).sum()}
        asked["top", f"score {model}"] = score.max()
        asked |= {("low", model): score.min(where=is_finite), ("high", model): score.max(where=is_finite)}
    names = {f"found_{at}": value for at, value in enumerate(asked.values())}
    (answer,) = fetched(connection, rows.aggregate(**names)).to_pylist()
    found = dict(zip(asked, answer.values(), strict=True))
    _count_unseen(found, layout)
    _refuse(found, layout, conditions, name)
    bounds = {model: (float(found["low", model]), float(found["high", model])) for model in layout.scores}
    return Bounds(int(found[N_ROWS]), bounds)


def _count_unseen(found: dict[tuple[str, str], Any], layout: EngineLayout) -> None:
    """At least one NaN where the largest value is one, whatever a condition on the column has said.

    DuckDB 2.0 answers conditions from the bounds of a parquet file, which leave NaN out
    (duckdb/duckdb#25521); a user's view may lie on such a file.
    """
    if _is_nan(found["top", LABEL]):
        found[OTHER_LABELS], found[NO_LABEL] = max(1, found[OTHER_LABELS]), max(1, found[NO_LABEL])
    for model in layout.scores:
        if _is_nan(found["top", f"score {model}"]):
            found["no score", model] = max(1, found["no score", model])


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _refuse(
    found: Mapping[tuple[str, str], Any], layout: EngineLayout, conditions: Sequence[RowCondition], name: str
) -> None:
    if not found[N_ROWS]:
        if conditions:
            raise ValueError(
                f"{name}: expected rows where {condition_words(conditions)}, got none. Remedy: look at the "
                "values of the column, or leave out --where"
            )
        raise ValueError(f"{name}: expected rows, got none. Remedy: check the job that wrote the file")
    if found[NO_USER]:
        raise _missing_error("users", "an id", found[NO_USER])
    if found[OTHER_LABELS]:
        shown = [str(value) for value in dict.fromkeys((found[LOW_LABEL], found[HIGH_LABEL]))]
        values = " to ".join(shown) if found[LOW_LABEL] is not None else ""
        empty = f"{found[NO_LABEL]} empty or NaN" if found[NO_LABEL] else ""
        raise ValueError(
            f"labels: expected only 0 and 1, got {found[OTHER_LABELS]} other row(s): "
            f"{' and '.join(filter(None, (values, empty)))}. Remedy: drop the rows without a label "
            "(learn-rank uauc: --where 'click == 1'), or turn grades into 0/1"
        )
    for column in layout.summed:
        if found["bad sum", column]:
            raise ValueError(
                f"{column}: expected finite numbers >= 0, got {found['bad sum', column]} other row(s). "
                "Remedy: clean the column"
            )
    for column in layout.buckets:
        if found["no bucket", column]:
            raise _missing_error("buckets", f"a bucket ({column})", found["no bucket", column])
    for model in layout.scores:
        n_missing, n_infinite = found["no score", model], found["infinite", model]
        if n_missing or n_infinite:
            raise ValueError(
                f"{model}: expected finite numbers, got {n_missing + n_infinite} other row(s): {n_missing} "
                f"empty or NaN, {n_infinite} infinite. Remedy: find out why the model wrote them; a metric "
                "over the rest would hide it"
            )


def _missing_error(name: str, what: str, n_missing: int) -> ValueError:
    return ValueError(
        f"{name}: expected {what} in every row, got {n_missing} missing. Remedy: drop these rows or give "
        "each its own"
    )


def _number(column: ir.Column) -> ir.NumericColumn:
    kind = column.type()
    return (
        column.cast("int8") if kind.is_boolean() else column.cast("float64") if kind.is_decimal() else column
    )


def _is_float(column: ir.Column) -> bool:
    return bool(column.type().is_floating())


def _is_missing(column: ir.Column) -> ir.BooleanColumn:
    """Null, NaN or an empty text; never null itself."""
    parts = [column.isnull()]
    parts += [column.isnan().fill_null(False)] if _is_float(column) else []
    parts += [(column == "").fill_null(False)] if column.type().is_string() else []
    return reduce(operator.or_, parts)


def _n_missing(column: ir.Column) -> ir.IntegerScalar:
    return _is_missing(column).sum()


def _is_infinite(column: ir.NumericColumn) -> ir.BooleanColumn:
    """Of either sign, NaN left out; Ibis 12's own `isinf` missed the negative one on Spark."""
    if not _is_float(column):
        return column.isnull() & ibis.literal(False)
    return ~_is_missing(column) & (column.cast("float64").abs() > sys.float_info.max).fill_null(False)


def _holds(table: ir.Table, condition: RowCondition, schema: pa.Schema) -> ir.BooleanColumn:
    column, value = table[condition.column], condition.value_for(schema.field(condition.column).type)
    if isinstance(value, float):
        column = column.cast("float64")
    return ~_is_missing(column) & _SIGNS[condition.sign](column, value)
