"""The part of the interactions that towers and text learn from, and that leaves new items to the ranker.

Whatever is fitted on the clicks of all training rows (towers, words, whitening) knows every item that was
clicked there, and of the others it knows nothing: in training rows "not known" then means "never clicked",
and a ranker learns just that. The new items of later days are not known either, and it ranks all of them
last. Rows after the part that was learned from hold items that are new in the way tomorrow's will be.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from learn_recall.columns import TIMESTAMP

LATER_SHARE = 0.25  # of the training rows, which the ranker needs behind what towers and text learned from


def learned_part(
    interactions: pd.DataFrame, train: pd.DataFrame, *, later_share: float = LATER_SHARE
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep the interactions that leave a last share of the training rows to the ranker alone.

    Args:
        interactions: ``timestamp`` and further columns.
        train: impressions with ``timestamp``.
        later_share: of the training rows, at least, that are later than every interaction that is kept.

    Returns:
        The interactions, and what the report's protocol says of them. Those that end early enough come back
        as they are, and so do those of which nothing would be left.

    Example:
        >>> days = pd.DataFrame({"timestamp": [1, 2, 3, 4]})
        >>> kept, said = learned_part(days, days)
        >>> kept["timestamp"].tolist(), said["towers"]
        ([1, 2, 3], 'learn from 3 of 4 interactions, those before the last 25% of the training rows')
        >>> learned_part(days[:1], days)[1]
        {}
    """
    n_later = math.ceil(later_share * len(train))
    if n_later == 0:
        return interactions, {}
    first_later = np.partition(train[TIMESTAMP].to_numpy(), -n_later)[-n_later]
    kept = interactions.loc[interactions[TIMESTAMP] < first_later].reset_index(drop=True)
    if len(kept) in (0, len(interactions)):
        return interactions, {}
    said = (
        f"learn from {len(kept):,} of {len(interactions):,} interactions, those before the last "
        f"{later_share:.0%} of the training rows"
    )
    return kept, {"towers": said}


__all__ = ["LATER_SHARE", "learned_part"]
