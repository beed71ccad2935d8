"""FuxiCTR: a store as the file that its `pretrained_emb` reads, keyed by id, and the lines of its config.

Of the three formats that its loader names, npz takes every id: its h5 branch fails on ids beyond ASCII, its
parquet branch on lists that are not of fixed size.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from learn_recall.files.whole_files import atomic_path
from learn_recall.store import EmbeddingStore, StoreError

USAGES = ("init", "sum", "concat")
_ROWS_AT_ONCE = 1 << 16
_RESERVED = ("__PAD__", "__OOV__")  # FuxiCTR's own tokens


def write_pretrained(
    store: str | os.PathLike[str] | EmbeddingStore,
    out: str | os.PathLike[str],
    *,
    scales_vectors: bool = True,
) -> int:
    """Write the vectors of a store as FuxiCTR's ``pretrained_emb``: an npz of ``key`` and ``value``.

    Ids without a vector are left out, so they get the row of zeros that unknown ids get.

    Args:
        store: folder of a store, or the open store.
        out: file to write, ``*.npz``; whole or untouched.
        scales_vectors: multiply by the square root of the dimension, so that components are of order 1, as
            `LearnFeatureFusion` does; without it Adam hardly uses them.

    Returns:
        How many ids were written.

    Raises:
        ValueError: ``out`` does not end in .npz.
        StoreError: no id has a vector, or an id is one of FuxiCTR's own tokens.
    """
    path = Path(out)
    if path.suffix != ".npz":
        raise ValueError(
            f"out: expected a name that ends in .npz, which FuxiCTR goes by, got {path.name!r}. "
            "Remedy: name it so."
        )
    opened = store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store)
    n_present = opened.card.n_present
    if n_present == 0:
        raise StoreError.of(
            str(opened.path), expected="an id with a vector", got="none", remedy="check the export"
        )
    keys = _keys(opened)
    scale = np.float32(opened.card.dimension**0.5 if scales_vectors else 1)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
        _write_array(archive, "key", keys.dtype, keys.shape, iter([keys]))
        chunks = (part * scale for part in _vectors(opened))
        _write_array(archive, "value", np.dtype("<f4"), (n_present, opened.card.dimension), chunks)
    return n_present


def pretrained_config(
    store: EmbeddingStore,
    npz: str | os.PathLike[str],
    *,
    feature: str,
    usage: str = "sum",
    embedding_dim: int = 16,
    history: str | None = None,
    history_length: int = 30,
) -> str:
    """The entries of ``feature_cols`` in FuxiCTR's dataset_config.yaml, as text.

    Its ids are text ("str"), those of integers too: with dtype "int" FuxiCTR fails on the first id that the
    store has and training has not, and a list's ids are text in any case. In parquet, cast the columns.

    Args:
        store: that was written.
        npz: where FuxiCTR finds the file.
        feature: column of the ids.
        usage: "sum", "concat" (beside a learned embedding of the id), or "init" (instead of it).
        embedding_dim: of the feature in the model.
        history: column of lists of the same ids, which then shares the table; None: none.
        history_length: ids of a list that are kept.

    Raises:
        ValueError: an unknown usage.
    """
    if usage not in USAGES:
        raise ValueError(f"usage: expected one of {', '.join(USAGES)}, got {usage!r}. Remedy: choose one.")
    entry = {
        "name": feature,
        "active": "True",
        "dtype": "str",
        "type": "categorical",
        "pretrained_emb": f'"{os.fspath(npz)}"',
        "pretrain_dim": store.card.dimension,
        "pretrain_usage": usage,
        "freeze_emb": "True",
        "embedding_dim": embedding_dim,
    }
    entries = [entry]
    if history is not None:
        entries.append(
            {
                "name": history,
                "active": "True",
                "dtype": "str",
                "type": "sequence",
                "max_len": history_length,
                "padding": "pre",
                "share_embedding": feature,
                "embedding_dim": embedding_dim,
            }
        )
    return "".join(
        f"- {{{', '.join(f'{name}: {value}' for name, value in each.items())}}}\n" for each in entries
    )


def _keys(store: EmbeddingStore) -> np.ndarray:
    ids = store.ids[store.present]
    if ids.dtype.kind == "i":
        return ids
    taken = sorted(set(_RESERVED) & set(ids.tolist()))
    if taken:
        raise StoreError.of("ids", expected="none of FuxiCTR's own tokens", got=taken, remedy="rename them")
    return ids.astype(str)  # fixed-width text: numpy reads objects only with pickle, which FuxiCTR leaves off


def _vectors(store: EmbeddingStore) -> Iterator[np.ndarray]:
    for start in range(0, len(store), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield store.vectors[part][store.present[part]].astype(np.float32)


def _write_array(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype,
    shape: tuple[int, ...],
    chunks: Iterator[np.ndarray],
) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype).tobytes())


__all__ = ["USAGES", "pretrained_config", "write_pretrained"]
