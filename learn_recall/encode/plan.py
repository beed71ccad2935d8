"""The plan of an encode job: a folder that says which texts are still to be encoded, in which shards.

`OUT.work/plan/` holds the ids and the hashes of the items in their order, the place of each item's vector
(`learn_recall.encode.text_places`), and the texts without a vector, one row group a shard. It is made once,
by one process, put in place by one rename and then only read: any number of processes may work by it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.encode.item_spool import ItemSpool, digests_in
from learn_recall.encode.text_places import find_places, is_first, source_of
from learn_recall.files.row_file import RowFile
from learn_recall.files.whole_files import read_json, write_json
from learn_recall.store.content_shards import ContentShard
from learn_recall.store.layout import IDS
from learn_recall.text.digests import text_digests

_PLAN, _TODO, _PLACES = "plan.json", "todo.parquet", "places"
_SCHEMA = pa.schema([("text", pa.large_string())])


@dataclass(frozen=True)
class PlannedShard:
    """Texts that are encoded together, in one file.

    Args:
        name: of the file; a hash of the texts.
        n_texts: how many.
        n_characters: in all of them.
    """

    name: str
    n_texts: int
    n_characters: int


@dataclass(frozen=True)
class EncodePlan:
    """What is to be done; made by `make_plan`, read by `EncodePlan.read`.

    Args:
        folder: where its files lie.
        fingerprint: of the item files; None for items from memory.
        items_sha256: of ids and texts.
        n_items: N.
        n_without_text: items whose text is empty.
        n_texts: distinct texts.
        shard_size: texts in a shard.
        batch_tokens: padded tokens in a batch.
        sources: names of the files that hold vectors already, `STORE` for the store itself.
        store_sha256: of the store's vectors, where it is a source.
        shards: what is left to be encoded.
    """

    folder: Path
    fingerprint: str | None
    items_sha256: str
    n_items: int
    n_without_text: int
    n_texts: int
    shard_size: int
    batch_tokens: int
    sources: tuple[str, ...]
    store_sha256: str | None
    shards: tuple[PlannedShard, ...]

    @classmethod
    def read(cls, folder: Path) -> "EncodePlan | None":
        """Read a plan; None where there is none."""
        try:
            fields: dict[str, Any] = read_json(folder / _PLAN)
        except FileNotFoundError:
            return None
        shards = tuple(PlannedShard(*each) for each in fields.pop("shards"))
        return cls(folder=folder, shards=shards, sources=tuple(fields.pop("sources")), **fields)

    @property
    def n_todo(self) -> int:
        """Texts without a vector."""
        return sum(shard.n_texts for shard in self.shards)

    @property
    def ids_path(self) -> Path:
        """The ids, as a store keeps them."""
        return self.folder / IDS

    @property
    def digests(self) -> RowFile:
        """N rows of (16,) uint8; zeros where an item has no text."""
        return digests_in(self.folder, self.n_items)

    @property
    def places(self) -> RowFile:
        """N rows of int64, see `learn_recall.encode.text_places`."""
        return RowFile(self.folder / _PLACES, 0, np.dtype("<i8"), (), self.n_items).checked()

    def texts(self, shard: int) -> list[str]:
        """The texts of a shard."""
        file = pq.ParquetFile(self.folder / _TODO)
        return file.read_row_group(shard, use_threads=False).column("text").to_pylist()


def make_plan(
    spool: ItemSpool,
    known: Sequence[tuple[str, ContentShard]],
    *,
    fingerprint: str | None,
    store_sha256: str | None,
    shard_size: int,
    batch_tokens: int,
) -> EncodePlan:
    """Join the spooled items with the vectors that are there, and cut what is left into shards.

    Args:
        spool: the items; the plan takes over its folder.
        known: names of the files that hold vectors, and what they hold.
        fingerprint, store_sha256, shard_size, batch_tokens: see `EncodePlan`.
    """
    folder = spool.folder
    n_texts, _ = find_places(
        folder / _PLACES,
        spool.digests,
        [shard.digests for _, shard in known],
        sum(len(shard) for _, shard in known),
        shard_size=shard_size,
    )
    plan = EncodePlan(
        folder=folder,
        fingerprint=fingerprint,
        items_sha256=spool.sha256,
        n_items=spool.n_items,
        n_without_text=spool.n_without_text,
        n_texts=n_texts,
        shard_size=shard_size,
        batch_tokens=batch_tokens,
        sources=tuple(name for name, _ in known),
        store_sha256=store_sha256,
        shards=tuple(_cut_shards(spool, len(known), shard_size)),
    )
    spool.drop_texts()
    fields = {name: value for name, value in asdict(plan).items() if name != "folder"}
    fields["shards"] = [[each.name, each.n_texts, each.n_characters] for each in plan.shards]
    write_json(folder / _PLAN, fields)
    return plan


def shard_name(digests: np.ndarray) -> str:
    """The name of the shard that holds the texts of these digests (n, 16), in their order."""
    return f"shard-{hashlib.blake2b(digests.tobytes(), digest_size=12).hexdigest()}.safetensors"


def _cut_shards(spool: ItemSpool, n_known: int, shard_size: int) -> list[PlannedShard]:
    places = RowFile(spool.folder / _PLACES, 0, np.dtype("<i8"), (), spool.n_items)
    shards: list[PlannedShard] = []
    waiting: list[str] = []
    options = {"compression": "zstd", "compression_level": 1, "write_statistics": False}
    with pq.ParquetWriter(spool.folder / _TODO, _SCHEMA, **options) as file:

        def write(texts: list[str]) -> None:
            digests = text_digests(texts)
            shards.append(PlannedShard(shard_name(digests), len(texts), sum(map(len, texts))))
            table = pa.table([pa.array(texts, pa.large_string())], schema=_SCHEMA)
            file.write_table(table, row_group_size=len(texts))

        first = 0
        for texts in spool.texts():
            here = places.read(first, first + len(texts))
            is_todo = is_first(here) & (source_of(here) >= n_known)
            waiting += [texts[number] for number in np.flatnonzero(is_todo).tolist()]
            first += len(texts)
            whole = len(waiting) // shard_size * shard_size
            for start in range(0, whole, shard_size):
                write(waiting[start : start + shard_size])
            del waiting[:whole]
        if waiting:
            write(waiting)
    return shards


__all__ = ["EncodePlan", "PlannedShard", "make_plan", "shard_name"]
