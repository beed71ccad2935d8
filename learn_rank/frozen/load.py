"""Reading a process's share of an `EmbeddingStore` into memory, chunk by chunk: nobody holds all of it."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from learn_rank.frozen.exchange import owner_of
from learn_rank.frozen.rows import FrozenRows, empty_rows, put
from learn_recall.store import EmbeddingStore, id_keys

ROWS_AT_ONCE = 1 << 16
#: fields of the identity card in which the vectors of users and items have to agree to be compared at all
ORIGIN_FIELDS = ("tower", "encoder_sha256", "prompt", "pooling", "max_tokens")


def load_rows(
    store: EmbeddingStore, dtype: str, *, rank: int = 0, n_ranks: int = 1, rows_at_once: int = ROWS_AT_ONCE
) -> FrozenRows:
    """The rows of the keys that `rank` owns among `n_ranks` (`owner_of`); all rows where there is one rank.

    Two passes: the ids say which rows are owned and where each goes, then the vectors are read. Beyond the
    result it holds one chunk of vectors, a byte for each id and eight for each owned one.
    """
    owned = []
    for ids in store.id_chunks(rows_at_once):
        keys = torch.from_numpy(np.array(id_keys(ids)))
        is_owned = owner_of(keys, n_ranks) == rank
        owned.append((keys[is_owned], is_owned))
    keys, order = torch.sort(torch.cat([part for part, _ in owned]))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    rows = empty_rows(keys, store.card.dimension, dtype)
    first, done = 0, 0
    for _, is_owned in owned:
        n_owned = int(is_owned.sum())
        here = is_owned.numpy()
        chunk = slice(first, first + len(here))
        put(
            rows,
            place[done : done + n_owned],
            torch.from_numpy(store.vectors[chunk][here]),
            torch.from_numpy(store.present[chunk][here]),
        )
        first, done = first + len(here), done + n_owned
    return rows


def rows_of(keys: Tensor, vectors: Tensor, has_vector: Tensor | None, dtype: str) -> FrozenRows:
    """Rows of vectors that lie in memory already.

    Args:
        keys: (R,) int64, distinct, in any order.
        vectors: (R, D) float16 or float32.
        has_vector: (R,) bool; None means that every id has one.
        dtype: of the rows.
    """
    order = torch.argsort(keys)
    rows = empty_rows(keys[order].clone(), vectors.shape[1], dtype)
    present = torch.ones(len(keys), dtype=torch.bool) if has_vector is None else has_vector
    for at in torch.arange(len(keys)).split(ROWS_AT_ONCE):
        put(rows, at, vectors[order[at]], present[order[at]])
    return rows


def origin_of_store(store: EmbeddingStore) -> dict[str, object]:
    """Kind of a store and what its vectors were made by; where all but the kind agree, they are compared."""
    return {name: getattr(store.card, name) for name in ("kind", *ORIGIN_FIELDS)}


def identity_of_store(store: EmbeddingStore) -> str:
    """sha256 over the hashes of the files that the store's card names: which vectors these are."""
    named = "".join(f"{name} {digest}\n" for name, digest in sorted(store.card.files.items()))
    return hashlib.sha256(named.encode()).hexdigest()


def digest_of(*tensors: Tensor | None) -> str:
    """sha256 over the dtypes, shapes and bytes of tensors, read in pieces."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            continue
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        for piece in tensor.detach().split(ROWS_AT_ONCE) if len(tensor) else ():
            digest.update(piece.contiguous().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
