"""All rows of a table on an engine, then every bucket, as `compare_in_buckets` takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends import BaseBackend

from learn_rank.evaluation.compare import ALL, BucketScores
from learn_rank.evaluation.on_engine.checked_rows import Bounds, EngineLayout
from learn_rank.evaluation.on_engine.scored import EngineScores
from learn_rank.evaluation.on_engine.won_pairs import BUCKET, LABEL, SCORE, USER, won_pairs
from learn_rank.metrics.buckets import BUCKETS, BucketRule, bucket_codes, bucket_of_user
from learn_recall.engines.sources import fetched
from learn_recall.tables.parquet_files import from_arrow
from learn_recall.tables.rules import Rules

N_ROWS_OF_VALUE = "n_rows_of_value"


@dataclass(frozen=True, eq=False)
class EngineBuckets:
    """A column of buckets on an engine.

    Attributes:
        column: its name in the table.
        values: the values that `expression` takes, each once.
        codes: the bucket of each value, positions in `names`.
        names: of the buckets, in the order in which they are shown.
        expression: judged rows -> the value of each row.
    """

    column: str
    values: pd.Series
    codes: np.ndarray
    names: tuple[str, ...]
    expression: Callable[[ir.Table], ir.Column] = field(repr=False)

    @classmethod
    def by_name(cls, column: str, name: str, values: pd.Series) -> EngineBuckets:
        """Every value is a bucket; `name` is that of the column among the judged rows.

        Texts become their positions on the way, since engines sort numbers several times as fast.
        """
        codes, names = bucket_codes(values, len(values))
        if not pd.api.types.is_string_dtype(values.dtype):
            return cls(column, values, codes, names, lambda rows: rows[name])

        def place(rows: ir.Table) -> ir.Column:
            cases = [(rows[name] == value, at) for at, value in enumerate(values)]
            return ibis.cases(*cases, else_=len(values)).cast("int16")

        return cls(column, pd.Series(range(len(values))), codes, names, place)

    @classmethod
    def by_count(cls, column: str, name: str, rule: BucketRule) -> EngineBuckets:
        """Cut counts into the three buckets of the rule."""

        def place(rows: ir.Table) -> ir.Column:
            count = rows[name].cast("int64")
            return ibis.cases((count <= rule.cold_max, 0), (count <= rule.tail_max, 1), else_=2).cast("int8")

        codes = np.arange(len(BUCKETS))
        return cls(column, pd.Series(codes), codes, BUCKETS, place)

    def codes_of(self, found: pa.ChunkedArray) -> np.ndarray:
        """The bucket of each value that came back."""
        plain = from_arrow(found, self.column, Rules())
        return self.codes[pd.Index(self.values).get_indexer(pd.Index(plain))]


@dataclass(frozen=True, eq=False)
class EngineRows:
    """Checked rows on an engine.

    Attributes:
        connection: where they lie.
        rows: of `judged_rows`.
        layout: what they are.
        bounds: of `check_rows`.
    """

    connection: BaseBackend
    rows: ir.Table
    layout: EngineLayout
    bounds: Bounds

    def values_of(self, column: str) -> tuple[pd.Series, np.ndarray]:
        """The distinct values of a column of buckets, ascending, and how many rows hold each."""
        name = self.layout.bucket_name(column)
        found = self.rows.group_by(name).aggregate(**{N_ROWS_OF_VALUE: self.rows.count()})
        counted = fetched(self.connection, found)
        values = from_arrow(counted[name], column, Rules())
        n_rows = pd.Series(counted[N_ROWS_OF_VALUE].to_numpy())
        order = values.argsort().to_numpy()
        return values.iloc[order].reset_index(drop=True), n_rows.to_numpy()[order]

    def n_values_of(self, column: str) -> int:
        """How many distinct values a column of buckets has."""
        found = self.rows.aggregate(n=self.rows[self.layout.bucket_name(column)].nunique())
        return int(fetched(self.connection, found)["n"][0].as_py())

    def bucket_scores(
        self, buckets: tuple[EngineBuckets, ...], *, is_attributed: bool
    ) -> Iterator[BucketScores]:
        """All rows, then every bucket; one query for each model and column of buckets.

        Args:
            buckets: the ways of splitting the rows.
            is_attributed: whether to refuse buckets that cut through a user.
        """
        whole = {model: [self._scores(self._counted(model))] for model in self.layout.scores}
        yield BucketScores(ALL, ALL, whole)
        for way in buckets:
            counted = {model: self._counted(model, way) for model in self.layout.scores}
            codes = {model: way.codes_of(counts[BUCKET]) for model, counts in counted.items()}
            if is_attributed:
                first = next(iter(counted))
                _check_attributed(counted[first][USER], codes[first], way.column)
            for at, name in enumerate(way.names):
                scored = {
                    model: [self._scores(counts.take(np.flatnonzero(codes[model] == at)))]
                    for model, counts in counted.items()
                }
                yield BucketScores(way.column, name, scored)

    def _counted(self, model: str, way: EngineBuckets | None = None) -> pa.Table:
        rows, layout = self.rows, self.layout
        columns = {} if way is None else {BUCKET: way.expression(rows)}
        columns |= {USER: rows[USER], LABEL: rows[LABEL].cast("int64"), SCORE: rows[layout.score_name(model)]}
        summed = [layout.sum_name(column) for column in layout.summed]
        columns |= {name: rows[name].cast("int64") for name in summed}
        low, high = self.bounds.scores[model]
        return fetched(self.connection, won_pairs(rows.select(**columns), low, high, summed))

    def _scores(self, counts: pa.Table) -> EngineScores:
        return EngineScores.of(
            counts, {column: self.layout.sum_name(column) for column in self.layout.summed}
        )


def _check_attributed(users: pa.ChunkedArray, codes: np.ndarray, column: str) -> None:
    user = users.combine_chunks().dictionary_encode()
    try:
        bucket_of_user(user.indices.to_numpy(), codes, len(user.dictionary))
    except ValueError as error:
        raise ValueError(f"--bucket {column}: {error}") from None
