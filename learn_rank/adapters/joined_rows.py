"""What the stores say of a batch of rows: the numbers that `LearnFeatureFusion` would look up and compute.

B rows, D dimensions of a vector, H history items, S similarity features, U distinct ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from learn_rank.adapters.coverage import Coverage
from learn_rank.fusion import similarity
from learn_rank.fusion.similarity import compared_blocks, similarity_features
from learn_recall.columns import ITEM_ID
from learn_recall.store import EmbeddingStore, StoreError
from learn_recall.store.ids import as_id_array
from learn_recall.tables.parquet_files import plain
from learn_recall.tables.rules import Rules

_ROWS_AT_ONCE = 1024  # (rows, H, D) history vectors that are in memory at once


@dataclass(frozen=True)
class JoinedRows:
    """Vectors and similarities of B rows, before they are given a layout.

    Attributes:
        user: (B, D) float32, zeros where there is none.
        item: (B, D) float32, zeros where there is none, and in a block that the row's user has not.
        has_user: (B,) bool; has_item: (B,) bool.
        similarities: (B, S) float32, `learn_rank.fusion.similarity.similarity_features`.
        users, items, histories: what was found.
    """

    user: np.ndarray
    item: np.ndarray
    has_user: np.ndarray
    has_item: np.ndarray
    similarities: np.ndarray
    users: Coverage
    items: Coverage
    histories: Coverage


def join_rows(
    users: pa.Array,
    items: pa.Array,
    histories: pa.Array | None,
    user_store: EmbeddingStore,
    item_store: EmbeddingStore,
    *,
    history_length: int,
    converted: pa.Array | None = None,
) -> JoinedRows:
    """Look B rows up and compare.

    Args:
        users: (B,) ids of the kind that the user store holds; null is a user without vector.
        items: (B,) ids of the kind that the item store holds.
        histories: (B,) lists of item ids, oldest first; None leaves their similarities out.
        user_store: of `open_pair`; item_store: of `open_pair`.
        history_length: at most that many of the most recent history items are compared.
        converted: (B,) lists of true or false (or 1 and 0) beside those of ``histories``: the user converted
            on that item; null is an empty list. None = not known, those items are not compared apart.

    Raises:
        StoreError: ids that are neither integers nor strings, or not of the store's kind.
        ValueError: the history is not a column of lists; ``converted`` without it, of other lengths, or with
            other values.
    """
    user_ids, item_ids = _Found.of(users, user_store, "users"), _Found.of(items, item_store, "items")
    user, has_user = user_ids.of_rows(user_ids.slots)
    item, has_item = item_ids.of_rows(item_ids.slots)
    blocks = [(block.start, block.stop) for block in item_store.card.blocks]
    user_BD, has_user_B = torch.from_numpy(user), torch.from_numpy(has_user)
    item_BD = compared_blocks(torch.from_numpy(item), user_BD, has_user_B, blocks)  # as in the fusion
    has_both_B = has_user_B & torch.from_numpy(has_item)

    if converted is not None and histories is None:
        raise ValueError(
            "converted: expected None without histories, got a column. Remedy: give the histories that it "
            "stands beside."
        )
    parts = []
    slots, history_ids, is_converted = None, None, None
    if histories is not None:
        values, lengths = _lists(histories, "histories", "item ids, oldest first")
        slots = _recent(lengths, history_length)
        is_converted = None if converted is None else _flags(converted, lengths)
        history_ids = _Found.of(values, item_store, "histories")
    for start in range(0, max(len(user), 1), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        sides = (user_BD[part], item_BD[part], has_both_B[part], blocks)
        if slots is None or history_ids is None:
            parts.append(similarity_features(*sides))
            continue
        vectors, has_vector = history_ids.of_rows(history_ids.at(slots[part]))
        has_vector &= has_item[part, None]  # an item without a vector is near to nothing
        history = (torch.from_numpy(vectors), torch.from_numpy(has_vector))
        flags = None if is_converted is None else torch.from_numpy(is_converted[slots[part]])
        parts.append(similarity_features(*sides, *history, flags))
    return JoinedRows(
        user,
        item_BD.numpy(),
        has_user,
        has_item,
        torch.cat(parts).numpy(),
        user_ids.coverage,
        item_ids.coverage,
        Coverage() if history_ids is None else history_ids.coverage,
    )


def similarity_names(blocks: list[str], *, has_history: bool, has_conversions: bool = False) -> list[str]:
    """(S,) names of the columns of `JoinedRows.similarities`, for the names of the vector's blocks."""
    per_block = similarity.similarity_names(has_history=has_history, has_conversions=has_conversions)
    return [f"{block}_{name}" for block in blocks for name in per_block]


@dataclass(frozen=True)
class _Found:
    """Distinct ids of a column, looked up once each.

    Attributes:
        slots: (n,) int64, which of the U distinct ids each value is; U for null.
        vectors: (U + 1, D) float32, zeros in the last row; has_vector: (U + 1,) bool, False in the last.
        coverage: counts over the n values.
    """

    slots: np.ndarray
    vectors: np.ndarray
    has_vector: np.ndarray
    coverage: Coverage

    @classmethod
    def of(cls, column: pa.Array, store: EmbeddingStore, name: str) -> _Found:
        ids = plain_ids(column)
        if pa.types.is_nested(ids.type):
            remedy = "name a column with one id in each row"
            raise StoreError.of(name, expected="integers or strings", got=ids.type, remedy=remedy)
        encoded = ids.dictionary_encode()
        distinct = as_id_array(encoded.dictionary.to_numpy(zero_copy_only=False), name=name)
        position = store.positions(distinct) if len(distinct) else np.empty(0, np.int64)
        has_vector = np.append((position >= 0) & store.present[position], False)
        vectors = np.zeros((len(distinct) + 1, store.card.dimension), np.float32)
        vectors[has_vector] = store.vectors[position[has_vector[:-1]]]
        slots = pc.fill_null(encoded.indices.cast(pa.int64()), len(distinct)).to_numpy()
        n_of = np.bincount(slots, minlength=len(distinct) + 1)
        is_unknown = position < 0
        coverage = Coverage(
            n_values=len(slots),
            n_with_vector=int(n_of[has_vector].sum()),
            n_without_vector=int(n_of[:-1][~is_unknown & ~has_vector[:-1]].sum()),
            n_unknown=int(n_of[:-1][is_unknown].sum()),
            n_empty=int(n_of[-1]),
            unknown_examples=tuple(map(str, distinct[is_unknown][:5])),
        )
        return cls(slots, vectors, has_vector, coverage)

    def at(self, places: np.ndarray) -> np.ndarray:
        """Slots of places in the column, of any shape; -1 is no place."""
        return np.append(self.slots, len(self.vectors) - 1)[places]

    def of_rows(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.vectors[slots], self.has_vector[slots]


def _lists(column: pa.Array, name: str, values: str) -> tuple[pa.Array, np.ndarray]:
    """The values of all lists in one column, and (B,) how many are of each; a null list has none."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise ValueError(
            f"{name}: expected lists of {values}, got {kind}. Remedy: split the text into a list column, or "
            "leave the column out."
        )
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return column.flatten(), lengths  # of the lists that are there, slices cut


def _flags(converted: pa.Array, history_lengths: np.ndarray) -> np.ndarray:
    """(n + 1,) bool beside the n values of the histories; False in the last, where no item stands."""
    values, lengths = _lists(converted, "converted", "true or false, one for each item of the history")
    is_other = lengths != history_lengths
    if is_other.any():
        row = int(is_other.argmax())
        raise ValueError(
            f"converted: expected a value for each item of the row's history, got {lengths[row]} for "
            f"{history_lengths[row]} items, in {is_other.sum()} rows such. Remedy: make both lists from the "
            "same events."
        )
    kind = values.type
    is_readable = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    numbers = np.full(1, np.nan)  # as if one value were wrong
    if is_readable or not len(values):
        numbers = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    is_wrong = (numbers != 0) & (numbers != 1)
    if is_wrong.any():
        example = values[int(is_wrong.argmax())].as_py()
        raise ValueError(
            f"converted: expected true or false (or 1 and 0), got {example!r} among {kind}. Remedy: write "
            "false where the user did not convert."
        )
    return np.append(numbers == 1, False)


def _recent(lengths: np.ndarray, history_length: int) -> np.ndarray:
    """(B, H) which of the values of all lists stands where, oldest first; -1 where none."""
    stop = lengths.cumsum()[:, None]
    n_kept = np.minimum(lengths, history_length)[:, None]
    slot = np.arange(history_length)
    return np.where(slot < n_kept, stop - n_kept + slot, -1)


def plain_ids(column: pa.Array) -> pa.Array:
    """Ids as every other reader of tables takes them: no dictionary, whole decimals as integers."""
    return plain(pa.chunked_array([column]), ITEM_ID, Rules()).combine_chunks()


__all__ = ["JoinedRows", "join_rows", "plain_ids", "similarity_names"]
