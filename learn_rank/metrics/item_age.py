"""How long an item has been around when it is shown: its age since anybody first met it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_ID, TIMESTAMP

HOUR = 3_600.0
AGES: Mapping[str, float] = {"< 6 h": 6.0, "6-24 h": 24.0, "1-3 d": 72.0, "older": np.inf}
"""The buckets, and the hours that an item of each is younger than."""


def item_ages(asked: pd.DataFrame, *tables: pd.DataFrame) -> np.ndarray:
    """The bucket of `AGES` of each row's item at the row's time.

    Definition: an item's age at time t is t - the first time that it occurs in any table, the row's own
    included; later rows do not change it. Items that were there before the tables begin seem younger than
    they are, near that beginning.

    Args:
        asked: ``item_id`` and ``timestamp`` in unix seconds.
        tables: with the same columns; what is known of the items.

    Returns:
        (N,) names.

    Example:
        >>> rows = pd.DataFrame({"item_id": [1, 1, 2], "timestamp": [0, 6 * 3600, 90_000]})
        >>> item_ages(rows).tolist()
        ['< 6 h', '6-24 h', '< 6 h']
    """
    every = pd.concat([table[[ITEM_ID, TIMESTAMP]] for table in (asked, *tables)], ignore_index=True)
    first = every.groupby(ITEM_ID)[TIMESTAMP].min()
    hours = (asked[TIMESTAMP].to_numpy() - asked[ITEM_ID].map(first).to_numpy()) / HOUR
    edges = list(AGES.values())[:-1]
    return np.array(list(AGES), dtype=object)[np.searchsorted(edges, hours, side="right")]


__all__ = ["AGES", "item_ages"]
