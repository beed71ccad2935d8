"""Which rows of a prediction file lie in which bucket: columns of names, and columns of training counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.evaluation.compare import Partition
from learn_rank.metrics.buckets import BUCKETS, BucketRule, bucket_codes, bucket_of_user
from learn_rank.metrics.labelled_rows import LabelledRows

MEANINGS = ("within", "attributed")
MAX_BUCKETS = 500


@dataclass(frozen=True)
class CountBucket:
    """A column of training counts that is cut into cold-start, long-tail and other.

    Attributes:
        column: the column; each row holds the count of its user or item in training.
        rule: the thresholds, or None where they come from `tail_share`.
        tail_share: the rows with the smallest counts, cold-start included, that together are at most this
            share of the judged rows, are not "other".
    """

    column: str
    rule: BucketRule | None = None
    tail_share: float | None = None

    @classmethod
    def parse(cls, text: str) -> CountBucket:
        """Read COLUMN, COLUMN:COLD_MAX:TAIL_MAX or COLUMN:share=SHARE.

        Raises:
            ValueError: another form, or thresholds that `BucketRule` refuses.

        Example:
            >>> CountBucket.parse("item_count:0:20").rule
            BucketRule(cold_max=0, tail_max=20)
            >>> CountBucket.parse("item_count:share=.2").tail_share
            0.2
        """
        form = r"(.+?)(?::(\d+):(\d+)|:share=(\d*\.?\d+))?"
        found = re.fullmatch(form, text)
        if found is None or ":share=" in found[1]:
            raise ValueError(
                "--count-bucket: expected COLUMN, COLUMN:COLD_MAX:TAIL_MAX or COLUMN:share=SHARE, got "
                f"{text!r}. Remedy: for example item_count:0:20 or item_count:share=.2"
            )
        column, cold_max, tail_max, share = found.groups()
        if share is None:
            return cls(column, BucketRule() if cold_max is None else BucketRule(int(cold_max), int(tail_max)))
        if not 0 <= float(share) <= 1:
            raise ValueError(f"--count-bucket: expected a share within 0..1, got {share} for {column!r}")
        return cls(column, tail_share=float(share))

    def rule_for(self, counts: np.ndarray) -> BucketRule:
        """The thresholds for these rows; counts (N,) int64."""
        return self.rule_of(*np.unique(counts, return_counts=True))

    def rule_of(self, size: np.ndarray, n_rows: np.ndarray) -> BucketRule:
        """The thresholds where `n_rows` rows have the count `size`; both (V,) int64, sizes ascending."""
        if self.rule is not None:
            return self.rule
        is_tail = np.cumsum(n_rows) <= (self.tail_share or 0) * n_rows.sum()
        return BucketRule(0, int(size[is_tail][-1]) if is_tail.any() else 0)


def partitions_of(
    table: pd.DataFrame, columns: Sequence[str], count_buckets: Sequence[CountBucket]
) -> tuple[list[Partition], dict[str, str]]:
    """The ways of splitting the rows, and what each means in words.

    Args:
        table: the rows.
        columns: columns that name each row's bucket.
        count_buckets: columns of counts.

    Raises:
        ValueError: a column named twice, one with more than `MAX_BUCKETS` values, or counts that are none.
    """
    check_kinds(columns, count_buckets)
    partitions, meaning = [], {}
    for column in columns:
        check_few(table[column].nunique(), column)
        partitions.append(Partition(column, table[column]))
        meaning[column] = f"the values of the column {column}"
    for bucket in count_buckets:
        counts = counts_of(table[bucket.column], bucket.column)
        rule = bucket.rule_for(counts)
        partitions.append(Partition(bucket.column, rule.bucket_of(counts), BUCKETS))
        meaning[bucket.column] = rule_words(rule, bucket)
    return partitions, meaning


def check_kinds(columns: Sequence[str], count_buckets: Sequence[CountBucket]) -> None:
    """Refuse a column that is named twice."""
    kinds = [*columns, *(bucket.column for bucket in count_buckets)]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise ValueError(f"--bucket, --count-bucket: expected each column once, got {twice} more than once")


def check_few(n_values: int, column: str) -> None:
    """Refuse a column with more values than anybody wants to read about."""
    if n_values > MAX_BUCKETS:
        raise ValueError(
            f"--bucket: expected at most {MAX_BUCKETS} buckets, got {n_values} values in {column!r}. "
            "Remedy: group them first, or use --count-bucket for a column of counts"
        )


def check_attributed(rows: LabelledRows, partitions: Sequence[Partition]) -> None:
    """Refuse a bucket that cuts through a user, so that no user belongs to one bucket."""
    user, n_users = rows.known_users("--bucket-meaning attributed").compact()
    for partition in partitions:
        code, _ = bucket_codes(partition.buckets, len(rows), partition.names)
        try:
            bucket_of_user(user, code, n_users)
        except ValueError as error:
            raise ValueError(f"--bucket {partition.kind}: {error}") from None


def rule_words(rule: BucketRule, bucket: CountBucket) -> str:
    """The thresholds for a reader.

    Example:
        >>> rule_words(BucketRule(3, 10), CountBucket("n", BucketRule(3, 10)))
        'n: cold-start up to 3, long-tail 4 to 10, other above 10'
    """
    cold, tail = rule.cold_max, rule.tail_max
    middle = f"long-tail {cold + 1} to {tail}" if tail > cold else "no long-tail"
    words = f"{bucket.column}: cold-start {f'up to {cold}' if cold else '0'}, {middle}, other above {tail}"
    if bucket.tail_share is None:
        return words
    return f"{words} (the smallest counts, together at most {bucket.tail_share:.0%} of the judged rows)"


def counts_of(column: pd.Series, name: str, *, has_rows: bool = True) -> np.ndarray:
    """(N,) int64 of a column of counts, whose positions are rows where `has_rows`.

    Raises:
        ValueError: anything but whole numbers of at least 0.
    """
    is_number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    values = column.to_numpy(np.float64, na_value=np.nan) if is_number else np.full(len(column), np.nan)
    is_bad = ~((values >= 0) & (values < 2.0**63) & (values == np.floor(values)))
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        where = f" in row {row}" if has_rows else ""
        value = column.iloc[row]
        value = value.item() if isinstance(value, np.generic) else value
        raise ValueError(
            f"--count-bucket: expected whole numbers of at least 0 in {name!r}, got "
            f"{value!r}{where} and {int(is_bad.sum()) - 1} more. "
            "Remedy: an id that training never saw has count 0"
        )
    return values.astype(np.int64)
