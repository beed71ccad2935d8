"""The tables of one ranking task, split, with the user context of every row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from learn_recall.columns import CONVERSION
from learn_recall.tables.links import shared_kinds, with_plain_ids
from learn_recall.tables.problems import TableError

_FRAMES = ("items", "interactions", "train", "valid", "test", "contexts")


@dataclass(frozen=True)
class RankingDataset:
    """Everything that `learn-rank run` needs; every reader returns one and every stage takes one.

    Columns of several tables must hold one kind of value in all of them (`TableError`): an integer category
    in train that is text in test would be unknown in every row.

    Attributes:
        name: short name, printed in the report.
        items: canonical items table; further columns may be named in ``dense`` or ``categorical``.
        interactions: what the towers learn from; all of it is also in ``train``.
        train: impressions that the ranker is fitted on, with ``context_id``.
        valid: impressions that select (epoch, never more).
        test: impressions that are judged, once.
        contexts: ``context_id, user_id, history`` (item ids, oldest first): the user as known at a request.
        dense: names of numeric host features, in the impressions or the items.
        categorical: names of categorical host features (a scalar or a list a row), likewise.
        is_sampled: the impressions not clicked are sampled negatives, not shown items.
        protocol: how the split and the negatives were made and what was checked, for the report.
    """

    name: str
    items: pd.DataFrame
    interactions: pd.DataFrame
    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    contexts: pd.DataFrame
    dense: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    is_sampled: bool = False
    protocol: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _FRAMES:
            object.__setattr__(self, name, with_plain_ids(getattr(self, name), table=name))
        problems = shared_kinds({name: getattr(self, name) for name in _FRAMES})
        if problems:
            raise TableError(problems)

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The impressions by part, in the order of time."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def has_conversions(self) -> bool:
        """Whether conversion is recorded; without it CTR alone is learned and judged."""
        return CONVERSION in self.train


def is_list_column(column: pd.Series) -> bool:
    """Whether the values that are there are lists.

    Example:
        >>> is_list_column(pd.Series([None, ["a", "b"]])), is_list_column(pd.Series(["a"]))
        (True, False)
    """
    filled = column.dropna()
    return len(filled) > 0 and isinstance(filled.iloc[0], list | tuple | np.ndarray)
