"""Cold-start, long-tail and other users and items by counts in training alone; metrics by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from learn_rank.metrics.auc import GroupedMetric, Metric, MetricResult
from learn_rank.metrics.grouped_auc import fold_users
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.metrics.user_codes import as_users

COLD_START = "cold-start"
LONG_TAIL = "long-tail"
OTHER = "other"
BUCKETS = (COLD_START, LONG_TAIL, OTHER)


@dataclass(frozen=True)
class BucketRule:
    """Count thresholds: cold-start up to `cold_max`, long-tail up to `tail_max`, other above.

    The paper splits users and items "by interaction frequency" and gives no numbers. Defaults, for items: no
    training event at all is cold-start (no id embedding was ever trained), and 20 events are roughly where
    an id embedding starts to beat the text. For users see `USER_RULE`.

    Args:
        cold_max: the largest count of a cold-start id, >= 0.
        tail_max: the largest count of a long-tail id, >= cold_max; equal leaves long-tail empty.
    """

    cold_max: int = 0
    tail_max: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.cold_max <= self.tail_max:
            raise ValueError(
                "cold_max, tail_max: expected 0 <= cold_max <= tail_max, got "
                f"{self.cold_max} and {self.tail_max}"
            )

    @classmethod
    def by_exposure(cls, counts: pd.Series, *, tail_share: float = 0.2, cold_max: int = 0) -> BucketRule:
        """The rule whose cold-start and long-tail ids together hold at most `tail_share` of all events.

        Args:
            counts: events per id in training (`TrainingCounts.users` or `.items`).
            tail_share: share of events, 0..1.
            cold_max: as in the constructor.

        Example:
            >>> BucketRule.by_exposure(pd.Series([70, 20, 6, 3, 1]), tail_share=0.1)
            BucketRule(cold_max=0, tail_max=6)
        """
        if not 0 <= tail_share <= 1:
            raise ValueError(f"tail_share: expected a share within 0..1, got {tail_share!r}")
        size, ids_of_size = np.unique(np.asarray(counts, np.int64), return_counts=True)
        held = np.cumsum(size * ids_of_size)
        is_tail = held <= tail_share * held[-1] if held.size else np.zeros(0, bool)
        tail_max = int(size[is_tail][-1]) if is_tail.any() else 0
        return cls(cold_max, max(cold_max, tail_max))

    def bucket_of(self, counts: Any) -> np.ndarray:
        """Bucket names for counts.

        Example:
            >>> BucketRule().bucket_of([0, 1, 20, 21]).tolist()
            ['cold-start', 'long-tail', 'long-tail', 'other']
        """
        place = np.searchsorted([self.cold_max, self.tail_max], np.asarray(counts), side="left")
        return np.array(BUCKETS, dtype=object)[place]


ITEM_RULE = BucketRule(cold_max=0, tail_max=20)
#: Three events or fewer say little about a user's taste; ten are about the median of public data sets.
USER_RULE = BucketRule(cold_max=3, tail_max=10)


class TrainingCounts(NamedTuple):
    """Events per id in training: two Series of int64, index = id. An id that is absent has no event."""

    users: pd.Series
    items: pd.Series


_PAIR = ("user_id", "item_id")


def training_counts(
    train_impressions: pd.DataFrame | None, interactions: pd.DataFrame | None = None
) -> TrainingCounts:
    """Count what training knows of each user and item: distinct (user, item) pairs with a positive event.

    A pair counts once however often it occurs, because the same purchase usually stands in both tables. So an
    item's count is its number of users, a user's count the number of items. Pass training rows only: a count
    that has seen validation or test rows moves exactly the rows one wants to judge.

    Args:
        train_impressions: user_id, item_id, click; rows with click 1 count. None: no impressions.
        interactions: user_id, item_id; every row counts. None: no interactions.

    Raises:
        ValueError: both are None, a column is missing, or ids are floats, or of one kind here and of another
            there.
    """
    pairs: dict[str, pd.DataFrame] = {}
    if train_impressions is not None:
        _need(train_impressions, "train_impressions", ("user_id", "item_id", "click"))
        pairs["train_impressions"] = train_impressions.loc[train_impressions["click"] == 1, list(_PAIR)]
    if interactions is not None:
        _need(interactions, "interactions", ("user_id", "item_id"))
        pairs["interactions"] = interactions[list(_PAIR)]
    if not pairs:
        raise ValueError("train_impressions: expected a table here or as interactions, got None for both")
    joined = {name: _joined({table: each[name] for table, each in pairs.items()}, name) for name in _PAIR}
    distinct = pd.DataFrame(joined).drop_duplicates()
    return TrainingCounts(distinct["user_id"].value_counts(), distinct["item_id"].value_counts())


def assign_buckets(ids: Any, training_counts: pd.Series, rule: BucketRule) -> np.ndarray:
    """The bucket of each row's id.

    Args:
        ids: (N,) user or item ids, of the kind that indexes `training_counts`.
        training_counts: events per id in training; absent ids count 0.
        rule: the thresholds.

    Returns:
        (N,) object array of `BUCKETS` names.

    Raises:
        ValueError: missing ids, or integers here and strings there, which would make every row cold-start.
    """
    column = pd.Series(ids).infer_objects()
    if column.isna().any():
        raise ValueError(f"ids: expected an id in every row, got {int(column.isna().sum())} missing")
    here, there = (pd.api.types.is_integer_dtype(x.dtype) for x in (column, training_counts.index))
    if len(column) and len(training_counts) and here != there:
        raise ValueError(
            f"ids: expected the kind of id of training_counts ({training_counts.index.dtype}), got "
            f"{column.dtype}. Remedy: read both tables with the same id type, else every row is cold-start"
        )
    counts = training_counts.reindex(pd.Index(column)).fillna(0)
    return rule.bucket_of(counts.to_numpy(np.int64))


def bucketed(
    metric: Metric,
    labels: Any,
    scores: Any,
    users: Any,
    buckets: Any,
    *,
    meaning: Literal["within", "attributed"] = "within",
    names: Sequence[str] | None = None,
    weights: Any = None,
    columns: Mapping[str, Any] | None = None,
) -> dict[str, MetricResult]:
    """A metric by bucket, the grouped ones in a single pass over the rows.

    Args:
        metric: any metric.
        labels: (N,) 0/1.
        scores: (N,).
        users: (N,) ids.
        buckets: (N,) bucket name of each row.
        meaning: "within": only pairs of rows inside the bucket are compared; for item buckets a user's AUC is
            that among the rows of such items. "attributed": a user's AUC over all his rows goes to the bucket
            of the user, so all rows of a user must be in one bucket; then both meanings give the same.
        names: the buckets to report, in order; by default those that occur, in `BUCKETS` order, then sorted.
        weights: (N,) row weights.
        columns: columns that the metric's settings name.

    Returns:
        {bucket: result}. A bucket without rows has n_rows 0 and value NaN.

    Raises:
        ValueError: bad rows; "attributed" for buckets that cut through a user or for a metric that is not a
            mean over users; a bucket outside `names`.
    """
    if meaning not in ("within", "attributed"):
        raise ValueError(f"meaning: expected 'within' or 'attributed', got {meaning!r}")
    rows = LabelledRows.of(labels, users, weights, columns)
    code, shown = bucket_codes(buckets, len(rows), names)
    if not isinstance(metric, GroupedMetric):
        if meaning == "attributed":
            raise ValueError(f"meaning: 'attributed' needs a mean over users, got {metric}. Use 'within'")
        score = as_scores(scores, len(rows))
        chosen = [np.flatnonzero(code == at) for at in range(len(shown))]
        return {
            name: metric.compute(rows.take(at), score[at]) for name, at in zip(shown, chosen, strict=True)
        }
    user, n_users = rows.known_users(str(metric)).compact()
    group = user * len(shown) + code if meaning == "within" else user
    grouped = replace(rows, users=as_users(group, len(rows)), columns=metric.columns_used(rows.columns))
    per_group = fold_users(grouped, scores)
    if meaning == "within":
        bucket = per_group.user % max(len(shown), 1)
    else:
        bucket = bucket_of_user(user, code, n_users)
    return {name: metric.result(metric.fold(per_group.take(bucket == at))) for at, name in enumerate(shown)}


def bucket_codes(
    buckets: Any, n_rows: int, names: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N,) position of each row's bucket in the names to report, and these names, as strings.

    Raises:
        ValueError: another length, a row without bucket, or a bucket outside `names`.
    """
    column = pd.Series(buckets).reset_index(drop=True)
    if len(column) != n_rows:
        raise ValueError(f"buckets: expected {n_rows} rows, as many as labels, got {len(column)}")
    if column.isna().any():
        raise ValueError(
            f"buckets: expected a bucket in every row, got {int(column.isna().sum())} missing, first in row "
            f"{int(np.flatnonzero(column.isna())[0])}. Remedy: give these rows a bucket of their own"
        )
    code, found = pd.factorize(column)
    text = [str(value) for value in found]
    if names is None:
        order = sorted(range(len(text)), key=lambda i: (_rank(text[i]), found[i]))
        names = [text[i] for i in order]
    missing = sorted(set(text) - set(names))
    if missing:
        raise ValueError(f"buckets: expected only {list(names)}, got {missing} as well")
    return np.array([list(names).index(value) for value in text], np.int64)[code], tuple(names)


def _rank(name: str) -> int:
    return BUCKETS.index(name) if name in BUCKETS else len(BUCKETS)


def bucket_of_user(user: np.ndarray, code: np.ndarray, n_users: int) -> np.ndarray:
    """(U,) the bucket that all rows of the user share, from (N,) codes; ValueError where there is none."""
    bucket = np.zeros(n_users, np.int64)
    bucket[user] = code
    is_torn = bucket[user] != code
    if is_torn.any():
        raise ValueError(
            f"buckets: 'attributed' expects all rows of a user in one bucket, got "
            f"{np.unique(user[is_torn]).size} user(s) in several. Remedy: use 'within'"
        )
    return bucket


def _joined(columns: Mapping[str, pd.Series], name: str) -> pd.Series:
    """The ids of several tables one below the other; of signed and unsigned ones pandas would make floats."""
    filled = {table: column for table, column in columns.items() if len(column)}
    kinds = {table: _kind_of_ids(column) for table, column in filled.items()}
    if "float" in kinds.values() or len(set(kinds.values())) > 1:
        got = ", ".join(f"{kind} in {table}" for table, kind in kinds.items())
        raise ValueError(
            f"{name}: expected integers in every table or text in every table, got {got}. Remedy: read the "
            "tables with one type of id; as a float, large ids fall together"
        )
    columns = filled or columns
    if {column.dtype.kind for column in columns.values()} > {"u"}:
        columns = {table: column.astype(object) for table, column in columns.items()}
    return pd.concat(columns.values(), ignore_index=True).infer_objects()


def _kind_of_ids(column: pd.Series | pd.Index) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _kind_of_ids(column.dtype.categories)
    if pd.api.types.is_float_dtype(column.dtype):
        return "float"
    if pd.api.types.is_integer_dtype(column.dtype):
        return "integer"
    return pd.api.types.infer_dtype(column, skipna=True).replace("string", "text")


def _need(table: pd.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"{name}: expected the columns {list(columns)}, got none named {missing}")
