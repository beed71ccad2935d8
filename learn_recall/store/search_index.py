"""A faiss index over one block of an item store: written once, appended to when the store gets new items.

The index's ids are rows of the store, which never change their place (`learn_recall.export.new_items`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import atomic_path, read_json, write_json
from learn_recall.store.layout import VECTORS
from learn_recall.store.read import EmbeddingStore
from learn_recall.terminal.progress import track_steps

KINDS = ("flat", "hnsw")
_LINKS = 32  # neighbours of a node of the graph
_ROWS_AT_ONCE = 1 << 16
_CARD = ".json"  # what the index was made of stands beside it


def write_index(
    store: EmbeddingStore,
    out: str | os.PathLike[str],
    *,
    block: str = "tower",
    kind: str = "flat",
    progress: bool = False,
) -> int:
    """Write an inner-product index over a store's block, or append what the store has and the index has not.

    Definition: ids of the index are rows of the store (`store.ids[row]` is the item), vectors are float32.
    ``flat`` is exact; ``hnsw`` is a graph, approximate and much faster in large catalogues. An index that is
    there already is appended to where the store is a later version of the one that it was made of.

    Args:
        store: items, or anything with that block.
        out: the index file; ``OUT.json`` beside it says what it was made of.
        block: name of the block, as on the store's card.
        kind: "flat" or "hnsw".
        progress: tell on standard error how many vectors are in.

    Returns:
        How many vectors were added.

    Raises:
        ValueError: an unknown kind.
        StoreError: a block that the store does not have, or an index that was made of another store, block or
            kind.
        ImportError: with the remedy, without faiss.
    """
    faiss = _faiss()
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}; got {kind!r}. Remedy: choose one")
    columns = _columns(store, block)
    path = Path(out)
    made_of = {"block": block, "kind": kind, "dimension": columns.stop - columns.start}
    if path.exists():
        index = _of_this_store(faiss, path, store, made_of)
    else:
        inner = (
            faiss.IndexFlatIP(made_of["dimension"])
            if kind == "flat"
            else faiss.IndexHNSWFlat(made_of["dimension"], _LINKS, faiss.METRIC_INNER_PRODUCT)
        )
        index = faiss.IndexIDMap(inner)
    rows = np.setdiff1d(np.flatnonzero(store.present), faiss.vector_to_array(index.id_map))
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    for start in track_steps(
        starts, f"index, {_ROWS_AT_ONCE:,} vectors a step", len(starts), is_shown=progress
    ):
        part = rows[start : start + _ROWS_AT_ONCE]
        index.add_with_ids(np.ascontiguousarray(store.vectors[part][:, columns], dtype=np.float32), part)
    if len(rows) or not path.exists():
        with atomic_path(path) as temporary:
            faiss.write_index(index, str(temporary))
    vectors = store.card.files[VECTORS]
    write_json(path.with_name(path.name + _CARD), {**made_of, "vectors": vectors, "tower": store.card.tower})
    return len(rows)


def search_index(
    path: str | os.PathLike[str], store: EmbeddingStore, users: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of each user by inner product.

    Args:
        path: the index.
        store: the one that it was made of, or that store's next version with new items; for the item ids.
        users: (n, D) float, vectors of the index's block.
        k: length of the lists.

    Returns:
        Item ids (n, k), best first, and scores (n, k) float32; where there are fewer than k items the id is
        None and the score -inf.

    Raises:
        ValueError: users of another width.
        StoreError: an index of another store; its rows would be given the ids of this one.
        ImportError: with the remedy, without faiss.
    """
    faiss = _faiss()
    _check_made_of(Path(path), store)
    index = faiss.read_index(str(path))
    if users.ndim != 2 or users.shape[1] != index.d:
        raise ValueError(f"users: expected shape (n, {index.d}); got {users.shape}")
    score, row = index.search(np.ascontiguousarray(users, dtype=np.float32), k)
    found = store.ids.astype(object)[np.maximum(row, 0)]
    found[row < 0] = None
    return found, np.where(row >= 0, score, -np.inf)


def _columns(store: EmbeddingStore, name: str) -> slice:
    for block in store.card.blocks:
        if block.name == name:
            return slice(block.start, block.stop)
    raise StoreError.of(
        f"block of {store.path}",
        expected=f"one of {', '.join(block.name for block in store.card.blocks)}",
        got=repr(name),
        remedy="name a block of the store",
    )


def _check_made_of(path: Path, store: EmbeddingStore) -> dict[str, Any]:
    """The card of the index at ``path``, which must be of this store or of the version before it."""
    if not path.is_file():
        raise StoreError.of(str(path), expected="an index", got="no such file", remedy="learn-recall index")
    card_path = path.with_name(path.name + _CARD)
    found: dict[str, Any] = read_json(card_path) if card_path.is_file() else {}
    versions = {store.card.files[VECTORS], store.card.extra.get("appended_to")} - {None}
    if found.get("vectors") not in versions:
        raise StoreError.of(
            str(path),
            expected=f"an index of the store {store.path}, by the vectors on its card",
            got=f"no {card_path.name} beside it, which says what it was made of"
            if not found
            else "one of another store, or of another or a much older version of this one",
            remedy="remove it, then write it anew (learn-recall index)",
        )
    return found


def _of_this_store(faiss: Any, path: Path, store: EmbeddingStore, made_of: dict[str, Any]) -> Any:
    """The index at ``path``, which must be of this store or of the version before it."""
    found = _check_made_of(path, store)
    if {name: found.get(name) for name in made_of} != made_of:
        raise StoreError.of(
            str(path),
            expected=f"an index over the block {made_of['block']!r}, kind {made_of['kind']}, dimension "
            f"{made_of['dimension']}",
            got=f"block {found.get('block')!r}, kind {found.get('kind')}, dimension {found.get('dimension')}",
            remedy="remove it, then write it anew",
        )
    return faiss.read_index(str(path))


def _faiss() -> Any:
    try:
        import faiss  # noqa: PLC0415 - not needed by anybody else
    except ImportError as error:
        raise ImportError(
            "faiss: expected the package faiss-cpu (or faiss-gpu); got none. pip install faiss-cpu"
        ) from error
    return faiss


__all__ = ["search_index", "write_index"]
