"""EmbeddingStore: frozen vectors by id, in a folder with an identity card, memory-mapped and read only.

The folder: `card.json`, `ids.parquet` (column `id`), `vectors.npy` (N, D; float16 or float32), `present.npy`
(N, bool). It is written under a temporary name beside the target, fsynced and renamed, so a store is whole or
not there. Needs numpy, pyarrow and the standard library only: vectors from anywhere can be put in one.
"""

from learn_recall.errors import StoreError
from learn_recall.store.as_of import check_as_of
from learn_recall.store.card import Block, IdentityCard
from learn_recall.store.ids import id_keys
from learn_recall.store.read import EmbeddingStore
from learn_recall.store.write import write_store

__all__ = [
    "Block",
    "EmbeddingStore",
    "IdentityCard",
    "StoreError",
    "check_as_of",
    "id_keys",
    "write_store",
]
