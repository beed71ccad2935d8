"""Encoded texts on disk: the shards of a job, and the texts of a finished store.

A shard is one safetensors file: `digests` (n, 16) uint8, `n_tokens` (n,) int32, `is_truncated` (n,) bool,
`vectors` (n, C) float16 or float32, and the sha256 of all four in its header. It is whole or not there; one
that was damaged later is noticed when the job comes back to it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from learn_recall.files import atomic_path

_HEADER_SIZE_BYTES = 8
_ARRAYS = ("digests", "is_truncated", "n_tokens", "vectors")
_DTYPES = {"U8": np.uint8, "BOOL": np.bool_, "I32": np.int32, "F16": np.float16, "F32": np.float32}


class ShardError(ValueError):
    """A shard is cut, damaged, or no shard at all."""


@dataclass(frozen=True)
class ContentShard:
    """Which texts a file holds vectors of; the vectors are mapped when asked for.

    Args:
        path: A shard, or the `vectors.npy` of a store.
        digests: (n, 16) uint8, hashes of the texts.
        n_tokens: (n,) int32.
        is_truncated: (n,) bool, True where the text was cut.
    """

    path: Path
    digests: np.ndarray
    n_tokens: np.ndarray
    is_truncated: np.ndarray

    def vectors(self) -> np.ndarray:
        """Map the vectors, (n, C) float16 or float32."""
        if self.path.suffix == ".npy":
            return np.load(self.path, mmap_mode="r", allow_pickle=False)
        return _map_arrays(self.path)[0]["vectors"]


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
        OSError: No room on the disk, no permission; nothing is left behind.
    """
    arrays = {"digests": digests, "n_tokens": n_tokens, "is_truncated": is_truncated, "vectors": vectors}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_arrays(path, arrays, {"sha256": _sha256(arrays)})


def write_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays as one safetensors file, atomically and with the system's own errors."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays, metadata))


def open_shard(path: Path) -> ContentShard:
    """Open a shard and compare its bytes with its hash.

    Raises:
        ShardError: Cut, damaged, or another kind of file.
    """
    try:
        arrays, metadata = _map_arrays(path)
        is_whole = metadata.get("sha256") == _sha256(arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{path}: expected a shard, got {type(error).__name__}: {error}") from error
    if not is_whole:
        raise ShardError(f"{path}: expected the bytes that its header hashes, got others")
    small = {name: np.array(arrays[name]) for name in _ARRAYS if name != "vectors"}
    return ContentShard(path, **small)


def _sha256(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _map_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Map the arrays of a safetensors file; its own library would copy them."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(_HEADER_SIZE_BYTES), "little")
        header = json.loads(file.read(size) if size < path.stat().st_size else b"")
    metadata = header.pop("__metadata__", {})
    arrays: dict[str, np.ndarray] = {
        name: np.memmap(
            path,
            mode="r",
            dtype=_DTYPES[entry["dtype"]],
            shape=tuple(entry["shape"]),
            offset=_HEADER_SIZE_BYTES + size + entry["data_offsets"][0],
        )
        for name, entry in header.items()
    }
    return arrays, metadata


__all__ = ["ContentShard", "ShardError", "open_shard", "write_arrays", "write_shard"]
