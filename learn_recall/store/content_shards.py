"""Encoded texts on disk: the shards of a job, and the texts of a finished store.

A shard is one safetensors file: `digests` (n, 16) uint8, `n_tokens` (n,) int32, `is_truncated` (n,) bool,
`vectors` (n, C) float16 or float32, and the sha256 of all four in its header. It is whole or not there; one
that was damaged later is noticed before its vectors go into a store.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from learn_recall.errors import StoreError
from learn_recall.files.row_file import RowFile
from learn_recall.files.whole_files import atomic_path, sha256_of_file
from learn_recall.store.layout import VECTORS
from learn_recall.store.read import EmbeddingStore

_ARRAYS = ("digests", "is_truncated", "n_tokens", "vectors")
_ROWS_AT_ONCE = 1 << 13


class ShardError(ValueError):
    """A shard is cut, damaged, or no shard at all."""


@dataclass(frozen=True)
class ContentShard:
    """Which texts a file holds vectors of; nothing is read before it is asked for.

    Args:
        digests: n rows of (16,) uint8, hashes of the texts.
        n_tokens: n rows of int32.
        is_truncated: n rows of bool, True where the text was cut.
        vectors: n rows of (C,) float16 or float32.
    """

    digests: RowFile
    n_tokens: RowFile
    is_truncated: RowFile
    vectors: RowFile

    def __len__(self) -> int:
        return self.digests.n_rows


def write_shard(
    path: Path,
    *,
    digests: np.ndarray,
    n_tokens: np.ndarray,
    is_truncated: np.ndarray,
    vectors: np.ndarray,
) -> None:
    """Write a shard atomically; arrays as `ContentShard` describes.

    Raises:
        OSError: no room on the disk, no permission; nothing is left behind.
    """
    arrays = {"digests": digests, "n_tokens": n_tokens, "is_truncated": is_truncated, "vectors": vectors}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(_head(name, arrays[name].dtype, arrays[name].shape))
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays, {"sha256": digest.hexdigest()}))


def open_shard(path: Path, *, verify: bool = True) -> ContentShard:
    """Open a shard.

    Args:
        path: the file.
        verify: compare its bytes with its hash.

    Raises:
        ShardError: cut, damaged, or another kind of file.
    """
    try:
        arrays, metadata = RowFile.of_safetensors(path)
        is_whole = not verify or metadata.get("sha256") == _sha256(arrays)
        shard = ContentShard(**{name: arrays[name] for name in _ARRAYS})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ShardError(f"{path}: expected a shard, got {type(error).__name__}: {error}") from error
    if not is_whole:
        raise ShardError(f"{path}: expected the bytes that its header hashes, got others")
    return shard


def _sha256(arrays: dict[str, RowFile]) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(_head(name, arrays[name].dtype, (arrays[name].n_rows, *arrays[name].row_shape)))
        for rows in arrays[name].chunks(_ROWS_AT_ONCE):
            digest.update(rows.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _head(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    return f"{name} {dtype.str} {shape}\n".encode()


__all__ = ["ContentShard", "ShardError", "open_shard", "write_shard"]


TEXTS_FILE = "texts.safetensors"


def known_texts(store: EmbeddingStore) -> ContentShard | None:
    """The texts of a content store by their hashes; None where the texts file is not the card's.

    Args:
        store: A store of kind "content" that `encode_items` wrote.
    """
    path = store.path / TEXTS_FILE
    if not path.is_file() or sha256_of_file(path) != store.card.extra.get("texts_sha256"):
        return None
    try:
        arrays, _ = RowFile.of_safetensors(path)
        return ContentShard(**arrays, vectors=RowFile.of_npy(store.path / VECTORS))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: expected the texts of a content store, got {error}") from error


__all__ = ["TEXTS_FILE", "known_texts"]
