"""From impression frames to batches: one `KeyedJaggedTensor` for host and plugin, dense features, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import CONVERTED_FEATURE, HISTORY_ITEM, Batch
from learn_rank.data.dataset import RankingDataset, is_list_column
from learn_rank.data.dense_features import standardised, with_log_odds
from learn_rank.data.encoded_histories import (
    converted_items,
    history_codes,
    need_contexts,
    recent_histories,
    with_history_items,
)
from learn_rank.data.host_statistics import ITEM_FEATURES, RATE_FEATURES, HostStatistics
from learn_rank.data.newness import Newness
from learn_rank.data.recent_popularity import RECENT_ITEM, with_recent
from learn_recall.columns import CLICK, CONTEXT_ID, CONVERSION, ITEM_ID, USER_ID
from learn_recall.store import id_keys

_PER_ROW = ("dense", "click", "conversion", "user_key", "item_key", "history_row")


@dataclass(frozen=True)
class EncodedRows:
    """The encoded rows of one part; `batches` cuts them.

    Attributes:
        floor_weight: (2, n_dense) weights of the dense features whose sum orders rows by clicks, and by
            conversions, as "item rate + user rate" does.
    """

    codes: dict[str, np.ndarray]
    lists: dict[str, tuple[np.ndarray, np.ndarray]]
    dense: np.ndarray
    click: np.ndarray
    conversion: np.ndarray
    user_key: np.ndarray
    item_key: np.ndarray
    history_row: np.ndarray
    history_keys: np.ndarray = field(repr=False)
    history_lengths: np.ndarray = field(repr=False)
    history_converted: np.ndarray | None = field(repr=False)
    item_columns: np.ndarray = field(repr=False)
    unknown_item_dense: np.ndarray = field(repr=False)
    floor_weight: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.click)

    def batches(
        self,
        batch_size: int,
        *,
        generator: np.random.Generator | None = None,
        newness_rate: float = 0.0,
    ) -> Iterator[Batch]:
        """Cut into batches; with a generator the rows are shuffled.

        Args:
            batch_size: rows a batch, the last one may be smaller.
            generator: shuffles the rows and draws the simulated newness.
            newness_rate: share of rows whose item becomes unknown to the host (no id, no counts, prior rates)
                while its content vector stays: what a new item will look like. Needs a generator.
        """
        if newness_rate > 0 and generator is None:
            raise ValueError("newness_rate: expected a generator with it, got None; pass generator=.")
        order = np.arange(len(self)) if generator is None else generator.permutation(len(self))
        for start in range(0, len(self), batch_size):
            index = order[start : start + batch_size]
            batch = self._batch(index)
            if generator is not None and newness_rate > 0:
                is_new = generator.random(len(index)) < newness_rate
                batch = self.newness.of(batch, torch.from_numpy(is_new))
            yield batch

    @property
    def newness(self) -> Newness:
        """What the host does not know of a new item."""
        unknown = dict(zip(self.item_columns.tolist(), self.unknown_item_dense.tolist(), strict=True))
        return Newness((ITEM_ID,), dense=unknown)

    def of(self, rows: np.ndarray) -> EncodedRows:
        """Some of the rows, by bool or positions."""
        return replace(
            self,
            codes={name: codes[rows] for name, codes in self.codes.items()},
            lists={name: (row[rows], table) for name, (row, table) in self.lists.items()},
            **{name: getattr(self, name)[rows] for name in _PER_ROW},
        )

    def with_rows_of(self, other: EncodedRows) -> EncodedRows:
        """These rows and then those of another part of the same `EncodedDataset`."""
        return replace(
            self,
            codes={name: np.concatenate([codes, other.codes[name]]) for name, codes in self.codes.items()},
            lists={
                name: (np.concatenate([row, other.lists[name][0]]), table)
                for name, (row, table) in self.lists.items()
            },
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _PER_ROW},
        )

    def _batch(self, index: np.ndarray) -> Batch:
        keys, values, lengths = [], [], []
        one = np.ones(len(index), np.int64)
        for name, codes in self.codes.items():
            keys.append(name)
            values.append(codes[index])
            lengths.append(one)
        for name, (row, table) in self.lists.items():
            padded = table[row[index]]
            keys.append(name)
            values.append(padded[padded >= 0])
            lengths.append((padded >= 0).sum(1))
        history = self.history_keys[self.history_row[index]]
        history_lengths = self.history_lengths[self.history_row[index]]
        has_slot = np.arange(history.shape[1]) < history_lengths[:, None]
        keys += ["learn_user", "learn_item", "learn_history"]
        values += [self.user_key[index], self.item_key[index], history[has_slot]]
        lengths += [one, one, history_lengths]
        if self.history_converted is not None:
            keys.append(CONVERTED_FEATURE)
            values.append(self.history_converted[self.history_row[index]][has_slot])
            lengths.append(history_lengths)

        return Batch(
            sparse=KeyedJaggedTensor(
                keys=keys,
                values=torch.from_numpy(np.concatenate(values).astype(np.int64)),
                lengths=torch.from_numpy(np.concatenate(lengths).astype(np.int64)),
            ),
            dense=torch.from_numpy(self.dense[index]),
            click=torch.from_numpy(self.click[index]),
            conversion=torch.from_numpy(self.conversion[index]),
        )


@dataclass(frozen=True)
class EncodedDataset:
    """Train, valid and test rows in the codes of training, and the sizes that the ranker needs."""

    train: EncodedRows
    valid: EncodedRows
    test: EncodedRows
    n_codes: dict[str, int]
    n_dense: int

    @property
    def n_known_items(self) -> int:
        """Items of the training rows: their codes are 1 to this one, those of histories alone lie behind."""
        return int(self.train.codes[ITEM_ID].max())


def joined_features(dataset: RankingDataset, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Host features of every row by part, from the impressions or, by the row's item, from the items."""
    by_item = dataset.items.set_index(ITEM_ID)[[name for name in names if name in dataset.items]]
    return {
        part: rows[[name for name in names if name not in by_item]].join(
            by_item.reindex(rows[ITEM_ID]).set_axis(rows.index)
        )
        for part, rows in dataset.parts.items()
    }


def encode_dataset(
    dataset: RankingDataset,
    *,
    history_length: int = 80,
    has_item_history: bool = False,
    recent_popularity: bool = False,
    user_snapshot_days: float = 1.0,
) -> EncodedDataset:
    """Turn the frames into codes and standardised numbers; everything is fitted on ``train``.

    Args:
        dataset: with contexts for every row.
        history_length: most recent items of a context that are kept for the similarity features and the
            host's own history.
        has_item_history: also give the host the codes of the history's items (`Batch.sparse`,
            ``history_item_id``); it then knows the items of the training rows' histories, too, and not only
            those that it was trained to rank.
        recent_popularity: the host also knows what was popular lately
            (`learn_rank.data.recent_popularity.RecentPopularity.host_features`), where rows have time.
        user_snapshot_days: as in `HostStatistics`.

    Raises:
        ValueError: a row without context, a dense feature that float32 cannot hold once it is standardised,
            or conversions of another number than a history's items.
    """
    parts = dataset.parts
    statistics = HostStatistics(parts, dataset.is_sampled, user_snapshot_days=user_snapshot_days)
    known = {name: with_log_odds(frame, RATE_FEATURES) for name, frame in statistics.features().items()}
    if recent_popularity:
        known = with_recent(dataset, known)
    joined = joined_features(dataset, (*dataset.dense, *dataset.categorical))
    dense, mean_std = standardised(known, {name: joined[name][list(dataset.dense)] for name in joined})
    mean, std = mean_std
    names = list(known["train"].columns)
    of_item = [name for name in names if name in (*ITEM_FEATURES, *RECENT_ITEM)]
    item_columns = np.array([names.index(name) for name in of_item])
    priors = with_log_odds(pd.DataFrame([statistics.prior]), RATE_FEATURES).iloc[0]
    prior = np.array([priors.get(name, 0.0) for name in of_item])
    unknown_item = ((prior - mean[item_columns]) / std[item_columns]).astype(np.float32)
    in_floor = np.array([[name in floor for name in names] for floor in statistics.floors])
    floor_weight = np.pad(in_floor * std[: len(names)], ((0, 0), (0, len(dataset.dense))))

    codes: dict[str, dict[str, np.ndarray]] = {name: {} for name in parts}
    lists: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {name: {} for name in parts}
    n_codes: dict[str, int] = {}
    vocabularies = {column: pd.Index(parts["train"][column].unique()) for column in (USER_ID, ITEM_ID)}
    if has_item_history:
        vocabularies[ITEM_ID] = with_history_items(vocabularies[ITEM_ID], dataset)
    for column in (USER_ID, ITEM_ID, *dataset.categorical):
        if column in vocabularies:
            n_codes[column] = _encode_scalars(column, parts, codes, vocabularies[column])
        elif is_list_column(joined["train"][column]):
            n_codes[column] = _encode_lists(column, joined, lists)
        else:
            known_values = pd.Index(joined["train"][column].dropna().unique())
            n_codes[column] = _encode_scalars(column, joined, codes, known_values)

    history_keys, history_lengths, context_row = recent_histories(dataset.contexts, history_length)
    converted = converted_items(dataset.contexts, history_lengths, history_length)
    history_row = {name: context_row.get_indexer(pd.Index(part[CONTEXT_ID])) for name, part in parts.items()}
    need_contexts(history_row)
    if has_item_history:
        of_host = history_codes(dataset.contexts, vocabularies[ITEM_ID], history_length)
        for name, row in history_row.items():
            lists[name][HISTORY_ITEM] = (row, of_host)
    encoded = {
        name: EncodedRows(
            codes=codes[name],
            lists=lists[name],
            dense=dense[name],
            click=part[CLICK].to_numpy(np.float32),
            conversion=_conversions(part),
            user_key=id_keys(part[CONTEXT_ID].to_numpy()),
            item_key=id_keys(part[ITEM_ID].to_numpy()),
            history_row=history_row[name],
            history_keys=history_keys,
            history_lengths=history_lengths,
            history_converted=converted,
            item_columns=item_columns,
            unknown_item_dense=unknown_item,
            floor_weight=floor_weight,
        )
        for name, part in parts.items()
    }
    return EncodedDataset(**encoded, n_codes=n_codes, n_dense=dense["train"].shape[1])


def _conversions(part: pd.DataFrame) -> np.ndarray:
    """NaN where there was no click, and everywhere in data that records no conversion."""
    if CONVERSION not in part:
        return np.full(len(part), np.nan, np.float32)
    return part[CONVERSION].to_numpy(np.float32)


def _encode_scalars(
    column: str,
    frames: dict[str, pd.DataFrame],
    codes: dict[str, dict[str, np.ndarray]],
    vocabulary: pd.Index,
) -> int:
    for name, frame in frames.items():
        codes[name][column] = vocabulary.get_indexer(pd.Index(frame[column])) + 1
    return len(vocabulary) + 1


def _encode_lists(
    column: str,
    frames: dict[str, pd.DataFrame],
    lists: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]],
) -> int:
    """Every distinct list becomes a row of one padded table (-1 = no entry), so a batch is one gather."""
    as_tuples = {
        name: frame[column].map(lambda v: tuple(v) if isinstance(v, (list, tuple, np.ndarray)) else ())
        for name, frame in frames.items()
    }
    vocabulary = pd.Index(sorted({value for entry in set(as_tuples["train"]) for value in entry}))
    distinct = pd.Series(sorted(set().union(*(set(entries) for entries in as_tuples.values()))))
    width = max(1, max((len(entry) for entry in distinct), default=1))
    table = np.full((len(distinct), width), -1, np.int64)
    for row, entry in enumerate(distinct):
        table[row, : len(entry)] = vocabulary.get_indexer(pd.Index(entry, dtype=object)) + 1
    row_of = {entry: row for row, entry in enumerate(distinct)}
    for name, entries in as_tuples.items():
        lists[name][column] = (entries.map(row_of).to_numpy(np.int64), table)
    return len(vocabulary) + 1
