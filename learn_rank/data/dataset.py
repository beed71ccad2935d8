"""The tables of one ranking task, split, with the user context of every row."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from learn_recall.columns import CONVERSION


@dataclass(frozen=True)
class RankingDataset:
    """Everything that `learn-rank run` needs; every reader returns one and every stage takes one.

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

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The impressions by part, in the order of time."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def has_conversions(self) -> bool:
        """Whether conversion is recorded; without it CTR alone is learned and judged."""
        return CONVERSION in self.train
