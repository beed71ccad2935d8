"""Writing a store row by row: the ids lie in a file already, the vectors come in pieces, nothing is held."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import atomic_path, sha256_of_file, to_json, write_array
from learn_recall.store import layout as store_files
from learn_recall.store.card import Block, IdentityCard
from learn_recall.store.read import EmbeddingStore
from learn_recall.store.write import check_target


def write_store_stream(
    path: str | os.PathLike[str],
    *,
    ids: Path,
    n_ids: int,
    dimension: int,
    rows: Iterable[tuple[np.ndarray, np.ndarray]],
    kind: str,
    encoder: str,
    encoder_sha256: str,
    prompt: str,
    pooling: str,
    max_tokens: int,
    dtype: str,
    as_of: float | None = None,
    extra: Callable[[Path], dict[str, Any]] | None = None,
    overwrite: bool = False,
) -> EmbeddingStore:
    """Write a store of any size in the memory of one piece; `write_store` is for what fits in memory.

    Args:
        path: the folder to make; whole or untouched when this returns or raises.
        ids: file that `store_files.IdsWriter` wrote; the caller has seen to it that each id stands once.
        n_ids: N, its rows.
        dimension: D.
        rows: pieces of vectors (n, D) and of `present` (n,) bool, N rows together in the order of the ids.
        kind, encoder, encoder_sha256, prompt, pooling, max_tokens, as_of: see `IdentityCard`.
        dtype: "float16" or "float32" of the stored vectors.
        extra: called with the folder when the rows are written, to lay more files there; gives the card's
            `extra`.
        overwrite: replace a store that is there. A reader which has it open keeps the old version.

    Raises:
        StoreError: wrong shapes or counts; NaN, infinity or only zeros in a present row; too large for
            float16; no room on the disk; the path is taken.
    """
    target = Path(path)
    check_target(target, overwrite)
    draft = IdentityCard(
        kind=kind,
        encoder=encoder,
        encoder_sha256=encoder_sha256,
        prompt=prompt,
        pooling=pooling,
        max_tokens=max_tokens,
        dtype=dtype,
        dimension=dimension,
        blocks=(Block("content" if kind == "content" else "tower", 0, dimension),),
        n_ids=n_ids,
        n_present=0,
        tower=None,
        as_of=as_of,
        files={},
        extra={},
    )
    with atomic_path(target, folder=True) as folder:
        store_files.check_room(folder, n_ids * (dimension * np.dtype(dtype).itemsize + 1))
        n_present = _write_rows(folder, rows, n_ids=n_ids, dimension=dimension, dtype=dtype)
        shutil.copyfile(ids, folder / store_files.IDS)
        card = dataclasses.replace(
            draft,
            n_present=n_present,
            extra={} if extra is None else extra(folder),
            files={name: sha256_of_file(folder / name) for name in store_files.DATA},
        )
        (folder / store_files.CARD).write_text(to_json(card), encoding="utf-8")
        check_target(target, overwrite)
    return EmbeddingStore.open(target, verify=False)


def _write_rows(
    folder: Path,
    rows: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    n_ids: int,
    dimension: int,
    dtype: str,
) -> int:
    n_rows = n_present = 0
    with (
        open(folder / store_files.VECTORS, "wb") as vectors,
        open(folder / store_files.PRESENT, "wb") as flags,
    ):
        store_files.write_npy_head(vectors, dtype, (n_ids, dimension))
        store_files.write_npy_head(flags, "bool", (n_ids,))
        for chunk, present in rows:
            if chunk.shape != (len(present), dimension) or present.dtype != np.bool_:
                raise StoreError.of(
                    f"vectors from row {n_rows}",
                    expected=f"pieces of (n, {dimension}) with a flag for each row",
                    got=f"{chunk.shape} with {present.dtype} of {present.shape}",
                    remedy="make all vectors with the same model",
                )
            write_array(vectors, store_files.stored_rows(chunk, present, n_rows, dtype))
            write_array(flags, present)
            n_rows, n_present = n_rows + len(present), n_present + int(present.sum())
    if n_rows != n_ids:
        raise StoreError.of("vectors", expected=f"{n_ids} rows", got=n_rows, remedy="align them with the ids")
    return n_present


__all__ = ["write_store_stream"]
