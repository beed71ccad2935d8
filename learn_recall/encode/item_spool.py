"""The items of a job on disk as it needs them: ids, texts and their hashes, in the order of the items.

However many items come, a few thousand are in memory at a time.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.columns import ITEM_ID
from learn_recall.encode.identity import EncodeError
from learn_recall.errors import StoreError
from learn_recall.files.record_buckets import MAX_BUCKETS, RecordBuckets
from learn_recall.files.row_file import RowFile
from learn_recall.files.whole_files import write_array
from learn_recall.store import layout as store_files
from learn_recall.store.ids import as_id_array, id_keys, id_kind
from learn_recall.text.digests import DIGEST_BYTES, text_digests
from learn_recall.text.prompt import PromptError, Template, check_fields, render_items

ROWS_AT_ONCE = 1 << 13
_IDS_AT_ONCE = 1 << 17
_KEY = np.dtype([("key", "<i8"), ("number", "<i8")])
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TEXTS, _DIGESTS = "texts.parquet", "digests"


@dataclass(frozen=True)
class ItemSpool:
    """Items on disk; made by `spool_items`.

    Args:
        folder: where the files lie.
        n_items: N.
        n_without_text: items whose text is empty.
        sha256: of ids and texts in their order: the same items give the same.
    """

    folder: Path
    n_items: int
    n_without_text: int
    sha256: str

    @property
    def ids_path(self) -> Path:
        """The ids in the form in which a store keeps them."""
        return self.folder / store_files.IDS

    @property
    def digests(self) -> RowFile:
        """N rows of (16,) uint8, hashes of the texts; zeros where the text is empty."""
        return digests_in(self.folder, self.n_items)

    def texts(self) -> Iterable[list[str]]:
        """The texts in their order, some thousand at a time."""
        file = pq.ParquetFile(self.folder / _TEXTS)
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=["text"], use_threads=False):
            yield batch.column("text").to_pylist()

    def sample(self, n_texts: int) -> list[str]:
        """At most `n_texts` distinct texts, evenly spread over the items."""
        file = pq.ParquetFile(self.folder / _TEXTS)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        places = np.unique(np.linspace(0, self.n_items - 1, num=min(4 * n_texts, self.n_items), dtype=int))
        groups = np.searchsorted(ends, places, side="right")
        found: dict[str, None] = {}
        for group in np.unique(groups).tolist():
            texts = file.read_row_group(group, columns=["text"]).column("text")
            inside = places[groups == group] - (ends[group] - sizes[group])
            found |= dict.fromkeys(texts[place].as_py() for place in inside.tolist())
        found.pop("", None)
        chosen = np.unique(np.linspace(0, len(found) - 1, num=min(n_texts, len(found)), dtype=int))
        texts = list(found)
        return [texts[place] for place in chosen]

    def drop_texts(self) -> None:
        """Remove the texts of all items; those that are to be encoded lie elsewhere by then."""
        (self.folder / _TEXTS).unlink()


def spool_items(
    frames: Iterable[pd.DataFrame], template: Template, folder: Path, *, is_ragged: bool = False
) -> ItemSpool:
    """Write items to disk as ids, texts and hashes.

    Args:
        frames: the items in pieces; `item_id` and the template's fields.
        template: how they are written as texts.
        folder: an empty folder.
        is_ragged: A piece may lack a column that another has (lines of JSON).

    Raises:
        EncodeError: no column `item_id`, an id repeated, no text at all.
        PromptError: the template names a field that no item has.
        StoreError: ids of no kind, or of two kinds.
    """
    n_items = n_without_text = 0
    columns: dict[str, None] = {}
    ids_hash, texts_hash = hashlib.sha256(), hashlib.sha256()
    texts_schema = pa.schema([("text", pa.large_string())])
    kind: str | None = None
    with (
        open(folder / _DIGESTS, "wb") as digests_file,
        pq.ParquetWriter(
            folder / _TEXTS, texts_schema, compression="zstd", compression_level=1, write_statistics=False
        ) as texts_file,
        store_files.IdsWriter(folder / store_files.IDS) as ids_file,
    ):
        for frame in pieces(frames):
            ids = _item_ids(frame)
            if kind not in (None, id_kind(ids)):
                raise StoreError.of(
                    f"items column {ITEM_ID}",
                    expected=f"{kind} ids as in the rows before",
                    got=f"{id_kind(ids)} ids from row {n_items} on, such as {ids[0]!r}",
                    remedy="write the ids of all files as one kind",
                )
            kind = id_kind(ids)
            ids_file.write(ids)
            ids_hash.update(_id_bytes(ids))
            columns |= dict.fromkeys(map(str, frame.columns))
            texts = render_items(_completed(frame, template) if is_ragged else frame, template)
            digests = text_digests(texts)
            write_array(digests_file, digests)
            texts_hash.update(digests.tobytes())
            texts_file.write_table(pa.table([pa.array(texts, pa.large_string())], schema=texts_schema))
            n_items += len(frame)
            n_without_text += int((~digests.any(axis=1)).sum())
    if is_ragged and n_items:
        check_fields(template, list(columns))
    if n_items == n_without_text:
        raise EncodeError(
            f"items: expected text in the fields {template.fields}, got none in {n_items} rows. "
            "Remedy: check the columns' names, or choose a template of fields that are filled"
        )
    check_distinct_ids(folder, n_items)
    sha256 = hashlib.sha256(f"{kind} {ids_hash.hexdigest()} {texts_hash.hexdigest()}".encode()).hexdigest()
    return ItemSpool(folder, n_items, n_without_text, sha256)


def digests_in(folder: Path, n_items: int) -> RowFile:
    """Describe the hashes that `spool_items` wrote."""
    return RowFile(folder / _DIGESTS, 0, np.dtype(np.uint8), (DIGEST_BYTES,), n_items).checked()


def check_distinct_ids(folder: Path, n_items: int) -> None:
    """Raise `EncodeError` if an id stands twice among the spooled ids; memory does not grow with them."""
    n_buckets = min(-(-n_items // _IDS_AT_ONCE), MAX_BUCKETS)
    buckets = RecordBuckets(folder, "ids", dtype=_KEY, n_buckets=n_buckets)
    number = 0
    for ids in id_chunks(folder):
        records = np.empty(len(ids), dtype=_KEY)
        records["key"], records["number"] = id_keys(ids), np.arange(number, number + len(ids))
        mixed = (records["key"].view(np.uint64) * _MIX) >> np.uint64(40)
        buckets.add((mixed % np.uint64(n_buckets)).astype(np.int64), records)
        number += len(ids)
    again: list[int] = []
    n_again = 0
    for bucket in range(n_buckets):
        records = np.sort(buckets.take(bucket), order=["key", "number"])
        numbers = records["number"][1:][records["key"][1:] == records["key"][:-1]]
        n_again += len(numbers)
        again = sorted([*again, *numbers.tolist()])[:3]
    if n_again:
        raise EncodeError(
            f"items column {ITEM_ID}: expected each id once, got {n_again} repeated, first "
            f"{_ids_at(folder, again)}. Remedy: keep one row per item"
        )


def id_chunks(folder: Path) -> Iterable[np.ndarray]:
    """The spooled ids in their order, some thousand at a time."""
    path = folder / store_files.IDS
    return store_files.id_chunks(store_files.open_ids(path), path, ROWS_AT_ONCE)


def pieces(frames: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
    """Cut frames into pieces of the size that is written at a time; empty ones are left out."""
    for frame in frames:
        if ITEM_ID not in frame.columns:
            raise EncodeError(
                f"items: expected a column {ITEM_ID!r}, got {list(frame.columns)}. Remedy: rename the id's "
                "column"
            )
        for start in range(0, len(frame), ROWS_AT_ONCE):
            yield frame.iloc[start : start + ROWS_AT_ONCE]


def _item_ids(frame: pd.DataFrame) -> np.ndarray:
    return as_id_array(frame[ITEM_ID], name=f"items column {ITEM_ID}")


def _completed(frame: pd.DataFrame, template: Template) -> pd.DataFrame:
    absent = [name for name in template.fields if name not in frame.columns]
    return frame.assign(**dict.fromkeys(absent)) if absent else frame


def _id_bytes(ids: np.ndarray) -> bytes:
    if id_kind(ids) == "integer":
        return np.ascontiguousarray(ids, dtype="<i8").tobytes()
    encoded = [text.encode("utf-8", "surrogatepass") for text in ids]
    return b"".join(len(each).to_bytes(4, "little") + each for each in encoded)


def _ids_at(folder: Path, numbers: list[int]) -> list[object]:
    found, first = [], 0
    for ids in id_chunks(folder):
        found += [ids[number - first] for number in numbers if first <= number < first + len(ids)]
        first += len(ids)
    return [each.item() if isinstance(each, np.generic) else each for each in found]


__all__ = ["ROWS_AT_ONCE", "ItemSpool", "PromptError", "check_distinct_ids", "id_chunks", "spool_items"]
