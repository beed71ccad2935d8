"""A last part of training, later than all that is fitted on the rows before it: its new items are tomorrow's.

Validation that lies right behind training, or that was drawn from it, holds hardly an item that training
never had, and cannot say how such items are served best. The rows of training can, where they have time: what
is fitted on the earlier ones has never met the items that only the later ones show.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.learned_part import LATER_SHARE
from learn_recall.columns import CLICK, CONTEXT_ID, TIMESTAMP

#: of the training rows: what `learned_part` leaves to the ranker alone. Half of it gave the same answers on
#: three logs, with wider intervals (docs/decisions/new_items.md)
FORWARD_SHARE = LATER_SHARE


def forward_part(
    dataset: RankingDataset, *, share: float = FORWARD_SHARE
) -> tuple[RankingDataset | None, str]:
    """Cut the training rows in time: the last ones validate what is fitted on those before them.

    Definition: "valid" are the last `share` of the training rows by time, with all rows of the moment at
    which they begin; "train" are those before; "test" has no row. Nothing of the dataset's own validation and
    test is in it. The interactions are the dataset's, which towers and words were fitted on, so all of them
    have to lie before the first row of "valid"; and so does the newest event of each row's context before the
    row.

    Args:
        dataset: of any reader.
        share: of the training rows, at least, that validate.

    Returns:
        The part and an empty text, or None and why there is none: no time, contexts that do not say how new
        they are or are not older than their rows, interactions that reach into the last rows, or rows of one
        kind alone.
    """
    train, contexts = dataset.train, dataset.contexts
    if any(TIMESTAMP not in table for table in (train, dataset.interactions)):
        return None, "training rows and interactions have no time"
    if TIMESTAMP not in contexts:
        return None, "user contexts do not say how new they are"
    newest = contexts.set_index(CONTEXT_ID)[TIMESTAMP].reindex(train[CONTEXT_ID])
    if (newest.to_numpy() >= train[TIMESTAMP].to_numpy()).any():
        return None, "user contexts of training rows are not older than their rows"
    n_later = max(1, math.ceil(share * len(train)))
    begin = np.partition(train[TIMESTAMP].to_numpy(), -n_later)[-n_later]
    if (dataset.interactions[TIMESTAMP] >= begin).any():
        return None, "towers learned from interactions as late as the last training rows"
    is_later = (train[TIMESTAMP] >= begin).to_numpy()
    earlier, later = (train[kept].reset_index(drop=True) for kept in (~is_later, is_later))
    if any(rows[CLICK].nunique() < 2 for rows in (earlier, later)):
        return None, "the last training rows, or those before them, are all clicked or all not"
    is_used = contexts[CONTEXT_ID].isin(train[CONTEXT_ID])
    none: pd.DataFrame = later.iloc[:0]
    kept_contexts = contexts[is_used].reset_index(drop=True)
    return replace(dataset, train=earlier, valid=later, test=none, contexts=kept_contexts), ""


__all__ = ["FORWARD_SHARE", "forward_part"]
