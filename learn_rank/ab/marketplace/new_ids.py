"""Ids that training never had get embeddings of their own, so that nightly training can learn them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from learn_rank.data.encoded_rows import EncodedDataset, EncodedRows
from learn_rank.data.newness import UNKNOWN
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_recall.columns import ITEM_ID, USER_ID

__all__ = ["widened", "with_new_ids"]


def with_new_ids(data: EncodedDataset, frames: Mapping[str, pd.DataFrame]) -> EncodedDataset:
    """The same rows, where each user and item that was unknown has a code of its own behind the known ones.

    Args:
        data: encoded rows.
        frames: "valid" and "test", the frames that were encoded, for their ids.
    """
    parts: dict[str, EncodedRows] = {name: getattr(data, name) for name in frames}
    n_codes = dict(data.n_codes)
    for column in (USER_ID, ITEM_ID):
        is_new = {name: rows.codes[column] == UNKNOWN for name, rows in parts.items()}
        new_ids = pd.Index(np.unique(np.concatenate([frames[n].loc[is_new[n], column] for n in parts])))
        for name, rows in parts.items():
            own = n_codes[column] + new_ids.get_indexer(pd.Index(frames[name][column]))
            codes = np.where(is_new[name], own, rows.codes[column])
            parts[name] = replace(rows, codes={**rows.codes, column: codes})
        n_codes[column] += len(new_ids)
    fields: dict[str, Any] = {"n_codes": n_codes, **parts}
    return replace(data, **fields)


def widened(ranker: MultiTaskRanker, wide: MultiTaskRanker) -> MultiTaskRanker:
    """A ranker with more codes and the weights of another; a new code begins as the unknown one is.

    Args:
        ranker: trained.
        wide: the same but for the number of codes; it is given the weights.
    """
    weights = ranker.state_dict()
    for name, wanted in wide.state_dict().items():
        n_more = len(wanted) - len(weights[name]) if wanted.ndim else 0
        if n_more:
            unknown = weights[name][UNKNOWN : UNKNOWN + 1].expand(n_more, -1)
            weights[name] = torch.cat([weights[name], unknown])
    wide.load_state_dict(weights)
    return wide.eval()
