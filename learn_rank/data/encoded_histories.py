"""The histories of contexts as padded tables: keys for the plugin, codes for a host that reads them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_recall.columns import CONTEXT_ID, HISTORY, HISTORY_CONVERTED
from learn_recall.store import id_keys


def recent_histories(contexts: pd.DataFrame, length: int) -> tuple[np.ndarray, np.ndarray, pd.Index]:
    """(contexts, length) keys of the newest items, how many they are, and the ids of the contexts."""
    recent = [list(items)[-length:] for items in contexts[HISTORY]]
    lengths = np.array([len(items) for items in recent], np.int64)
    keys = np.zeros((len(recent), length), np.int64)
    flat = [item for items in recent for item in items]
    if flat:
        keys[np.arange(length) < lengths[:, None]] = id_keys(np.array(flat))
    return keys, lengths, pd.Index(contexts[CONTEXT_ID])


def converted_items(contexts: pd.DataFrame, lengths: np.ndarray, length: int) -> np.ndarray | None:
    """(contexts, length) int8 beside the keys of `recent_histories`; None where the contexts do not say."""
    if HISTORY_CONVERTED not in contexts:
        return None
    cells = zip(contexts[HISTORY_CONVERTED], contexts[HISTORY], strict=True)
    is_other = [len(flags) != len(items) for flags, items in cells]
    if any(is_other):
        first = contexts.iloc[is_other.index(True)]
        raise ValueError(
            f"contexts: expected a value of {HISTORY_CONVERTED} for each item of {HISTORY}, got "
            f"{len(first[HISTORY_CONVERTED])} beside {len(first[HISTORY])} in context {first[CONTEXT_ID]!r}, "
            f"{sum(is_other)} such rows. Remedy: filter and cut both lists alike."
        )
    converted = np.zeros((len(contexts), length), np.int8)
    flat = [flag for flags in contexts[HISTORY_CONVERTED] for flag in list(flags)[-length:]]
    converted[np.arange(length) < lengths[:, None]] = flat
    return converted


def with_history_items(known: pd.Index, dataset: RankingDataset) -> pd.Index:
    """The items of the training rows, and behind them those of these rows' histories."""
    is_of_train = dataset.contexts[CONTEXT_ID].isin(dataset.train[CONTEXT_ID])
    met = dataset.contexts.loc[is_of_train, HISTORY].explode().dropna().unique()
    return known.append(pd.Index(met, dtype=known.dtype)).unique()


def history_codes(contexts: pd.DataFrame, vocabulary: pd.Index, length: int) -> np.ndarray:
    """(contexts, length) codes beside the keys of `recent_histories`, 0 = unknown; -1 behind the last one."""
    recent = [list(items)[-length:] for items in contexts[HISTORY]]
    n_items = np.array([len(items) for items in recent], np.int64)
    codes = np.full((len(recent), length), -1, np.int64)
    flat = pd.Index([item for items in recent for item in items], dtype=vocabulary.dtype)
    codes[np.arange(length) < n_items[:, None]] = vocabulary.get_indexer(flat) + 1
    return codes


def need_contexts(history_row: dict[str, np.ndarray]) -> None:
    """Refuse a part (name -> place of each row's context) with rows that have none."""
    for name, row in history_row.items():
        if (row < 0).any():
            raise ValueError(
                f"contexts: expected a row for every context_id of {name}, {int((row < 0).sum())} are "
                "missing; add them, with an empty history if need be."
            )
