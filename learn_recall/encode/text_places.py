"""Where the vector of each item lies, or will lie: equal texts joined on disk, known ones found again.

A place is one int64: `IS_FIRST` where the item is the first with its text, the number of the source file, and
the row in it; `NO_PLACE` for an item without text. Sources are the files that hold vectors already, in the
order given, then the shards of the plan: text number t of those without a vector is row t % shard_size of
shard t // shard_size. Texts keep the order of the items.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from learn_recall.files.record_buckets import MAX_BUCKETS, RecordBuckets
from learn_recall.files.row_file import RowFile
from learn_recall.files.whole_files import write_array

NO_PLACE = -1
IS_FIRST = 1 << 61
_SOURCE_SHIFT = 36
_ROW_MASK = (1 << _SOURCE_SHIFT) - 1
_SOURCE_MASK = (1 << 25) - 1
_KNOWN = -(1 << 62)  # a known place is sorted below every item
_NEW = -2  # first of its text, which has no vector yet
_ROWS_AT_ONCE = 1 << 13
_RECORDS_AT_ONCE = 1 << 17
_TEXT = np.dtype([("high", ">u8"), ("low", ">u8"), ("value", "<i8")])
_FOUND = np.dtype([("number", "<i8"), ("value", "<i8")])


def place_of(source: np.ndarray | int, row: np.ndarray) -> np.ndarray:
    """Places (n,) int64 of rows (n,) in sources."""
    return (np.asarray(source, dtype=np.int64) << _SOURCE_SHIFT) | row


def source_of(places: np.ndarray) -> np.ndarray:
    """The number of the source of each place, -1 where there is none."""
    return np.where(places < 0, -1, (places >> _SOURCE_SHIFT) & _SOURCE_MASK)


def row_of(places: np.ndarray) -> np.ndarray:
    """The row of each place in its source."""
    return places & _ROW_MASK


def is_first(places: np.ndarray) -> np.ndarray:
    """Tell which items are the first with their text."""
    return (places >= 0) & ((places & IS_FIRST) != 0)


def find_places(
    path: Path, digests: RowFile, known: Iterable[RowFile], n_known: int, *, shard_size: int
) -> tuple[int, int]:
    """Write the place of every item.

    Definition: a text that a source knows lies there (the first source that knows it); the others are
    numbered in the order of their first items. Two joins on disk, by hash and back by item, in memory that
    does not depend on the number of items.

    Args:
        path: the file to write, N int64.
        digests: N rows, hashes of the items' texts; zeros where there is no text.
        known: hashes of the texts of each source.
        n_known: texts in all sources together.
        shard_size: texts in a shard of the plan.

    Returns:
        How many distinct texts there are, and how many of them have no vector yet.
    """
    n_items = digests.n_rows
    n_buckets = min(-(-(n_items + n_known) // _RECORDS_AT_ONCE), MAX_BUCKETS)
    texts = RecordBuckets(path.parent, "texts", dtype=_TEXT, n_buckets=n_buckets)
    n_sources = 0
    for source, rows in enumerate(known):
        first = 0
        for chunk in rows.chunks(_ROWS_AT_ONCE):
            values = place_of(source, np.arange(first, first + len(chunk))) + _KNOWN
            _add(texts, chunk, values)
            first += len(chunk)
        n_sources += 1
    first = 0
    for chunk in digests.chunks(_ROWS_AT_ONCE):
        _add(texts, chunk, np.arange(first, first + len(chunk)))
        first += len(chunk)

    per_range = max(_RECORDS_AT_ONCE, -(-n_items // MAX_BUCKETS))
    n_ranges = -(-n_items // per_range)
    found = RecordBuckets(path.parent, "found", dtype=_FOUND, n_buckets=n_ranges)
    for bucket in range(n_buckets):
        records = _join(texts.take(bucket))
        found.add(records["number"] // per_range, records)

    n_texts = n_todo = 0
    with open(path, "wb") as file:
        for number in range(n_ranges):
            start, stop = number * per_range, min((number + 1) * per_range, n_items)
            places = np.full(stop - start, NO_PLACE, dtype=np.int64)
            records = found.take(number)
            places[records["number"] - start] = records["value"]
            is_new = np.flatnonzero(places == _NEW)
            text = np.arange(n_todo, n_todo + len(is_new))
            places[is_new] = place_of(n_sources + text // shard_size, text % shard_size) | IS_FIRST
            _follow(places, start, RowFile(path, 0, np.dtype("<i8"), (), start))
            n_texts, n_todo = n_texts + int(is_first(places).sum()), n_todo + len(is_new)
            write_array(file, places.astype("<i8"))
            file.flush()
    return n_texts, n_todo


def _add(texts: RecordBuckets, digests: np.ndarray, values: np.ndarray) -> None:
    has_text = digests.any(axis=1)
    records = np.empty(int(has_text.sum()), dtype=_TEXT)
    halves = np.ascontiguousarray(digests[has_text]).view(">u8")
    records["high"], records["low"], records["value"] = halves[:, 0], halves[:, 1], values[has_text]
    texts.add((records["low"] % np.uint64(texts.n_buckets)).astype(np.int64), records)


def _join(records: np.ndarray) -> np.ndarray:
    """For each item among the records where its text lies, or which item has the same text first."""
    order = np.lexsort((records["value"], records["low"], records["high"]))
    high, low, value = (records[name][order] for name in ("high", "low", "value"))
    is_head = np.ones(len(order), dtype=bool)
    is_head[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    head = np.maximum.accumulate(np.where(is_head, np.arange(len(order)), 0))
    is_item = value >= 0
    # the first item of a group stands at its head, or right after the known places there
    is_first_item = is_item & (is_head | ~np.roll(is_item, 1))
    head_value = value[head]
    joined = np.where(head_value < 0, head_value - _KNOWN, _NEW - 1 - head_value)
    joined = np.where(is_first_item, np.where(head_value < 0, joined | IS_FIRST, _NEW), joined)
    found = np.empty(int(is_item.sum()), dtype=_FOUND)
    found["number"], found["value"] = value[is_item], joined[is_item]
    return found


def _follow(places: np.ndarray, start: int, earlier: RowFile) -> None:
    """Give items that refer to an earlier one, as `_NEW - 1 - number`, its place; in place."""
    refers = np.flatnonzero(places < _NEW)
    target = _NEW - 1 - places[refers]
    is_here = target >= start
    places[refers[is_here]] = places[target[is_here] - start] & ~IS_FIRST
    if not is_here.all():
        places[refers[~is_here]] = earlier.take(target[~is_here]) & ~IS_FIRST


__all__ = ["IS_FIRST", "NO_PLACE", "find_places", "is_first", "place_of", "row_of", "source_of"]
