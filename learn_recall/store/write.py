"""Writing a store: checked first, in bounded memory, whole or not there."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import atomic_path, sha256_of_file, to_json, write_array
from learn_recall.store import layout as store_files
from learn_recall.store.card import Block, IdentityCard
from learn_recall.store.ids import as_id_array
from learn_recall.store.read import EmbeddingStore, sorted_keys


def write_store(
    path: str | os.PathLike[str],
    *,
    ids: Any,
    vectors: np.ndarray | Iterable[np.ndarray],
    kind: str,
    encoder: str,
    encoder_sha256: str,
    prompt: str,
    pooling: str,
    max_tokens: int,
    dtype: str = "float32",
    blocks: tuple[Block, ...] | None = None,
    tower: str | None = None,
    as_of: float | None = None,
    extra: dict[str, Any] | None = None,
    present: Any | None = None,
    overwrite: bool = False,
) -> EmbeddingStore:
    """Write a store and open it.

    Args:
        path: the folder to make; whole or untouched when this returns or raises.
        ids: (N,) distinct integers or strings.
        vectors: (N, D) numbers in the order of `ids`, or an iterator of such chunks (bounded memory).
        kind, encoder, encoder_sha256, prompt, pooling, max_tokens, tower, as_of, extra: see `IdentityCard`.
        dtype: "float16" or "float32" of the stored vectors; float16 halves the folder and moves a cosine
            by about 1e-4.
        blocks: named slices of the vector; None is one block, "content" or "tower" after the kind.
        present: (N,) bool, False where there is no vector (that row of `vectors` is ignored); None: all.
        overwrite: replace a store that is there. A reader which has it open keeps the old version.

    Raises:
        StoreError: ids repeated, null or of mixed kinds; NaN, infinity or only zeros in a present row; too
            large for float16; counts or dimensions that differ; no room on the disk; the path is taken.
    """
    target = Path(path)
    check_target(target, overwrite)
    id_array = as_id_array(ids)
    sorted_keys(id_array)
    flags = _presence(present, len(id_array))
    draft = (
        IdentityCard(  # made before the vectors come, so that hours of encoding do not end in a typing error
            kind=kind,
            encoder=encoder,
            encoder_sha256=encoder_sha256,
            prompt=prompt,
            pooling=pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            dimension=blocks[-1].stop if blocks else 1,
            blocks=tuple(blocks) if blocks else _one_block(kind, 1),
            n_ids=len(id_array),
            n_present=int(flags.sum()),
            tower=tower,
            as_of=as_of,
            files={},
            extra={} if extra is None else extra,
        )
    )
    to_json(draft)
    with atomic_path(target, folder=True) as folder:
        dimension = store_files.write_vectors(
            folder / store_files.VECTORS,
            vectors,
            present=flags,
            dtype=dtype,
            dimension=draft.dimension if blocks else None,
        )
        store_files.write_ids(folder / store_files.IDS, id_array)
        with open(folder / store_files.PRESENT, "wb") as file:
            store_files.write_npy_head(file, "bool", flags.shape)
            write_array(file, flags)
        card = dataclasses.replace(
            draft,
            dimension=dimension,
            blocks=draft.blocks if blocks else _one_block(kind, dimension),
            files={name: sha256_of_file(folder / name) for name in store_files.DATA},
        )
        (folder / store_files.CARD).write_text(to_json(card), encoding="utf-8")
        check_target(target, overwrite)
    return EmbeddingStore.open(target, verify=False)


def _presence(present: Any | None, n_ids: int) -> np.ndarray:
    flags = np.ones(n_ids, dtype=bool) if present is None else np.asarray(present)
    if flags.dtype != np.bool_ or flags.shape != (n_ids,):
        raise StoreError.of(
            "present",
            expected=f"bool of shape ({n_ids},)",
            got=f"{flags.dtype} of shape {flags.shape}",
            remedy="pass True where the row has a vector",
        )
    if n_ids == 0:
        raise StoreError.of("ids", expected="at least one", got="none", remedy="check the filter before")
    return flags


def _one_block(kind: str, dimension: int) -> tuple[Block, ...]:
    return (Block("content" if kind == "content" else "tower", 0, dimension),)


def check_target(target: Path, overwrite: bool) -> None:
    """Raise `StoreError` unless a store may be written there."""
    if not target.exists():
        return
    if not overwrite:
        raise StoreError.of(
            str(target), expected="a free path", got="one that is taken", remedy="pass overwrite=True"
        )
    if not (target / store_files.CARD).is_file():
        raise StoreError.of(
            str(target),
            expected="a store to replace",
            got="something else, which is left alone",
            remedy="choose another path, or remove it by hand",
        )


__all__ = ["check_target", "write_store"]
