"""A safetensors file written piece by piece: its own library takes whole arrays."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.files.row_file import SAFETENSORS_DTYPES


@dataclass(frozen=True)
class StreamedArray:
    """An array that comes in pieces.

    Args:
        dtype: one of those that `SAFETENSORS_DTYPES` names.
        shape: of the whole.
        chunks: pieces along the first axis, together the whole.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: Iterable[np.ndarray]


def write_safetensors(path: Path, arrays: dict[str, StreamedArray]) -> str:
    """Write arrays and give the file's sha256.

    Raises:
        ValueError: the pieces of an array are not the whole that was announced.
    """
    names = {np.dtype(dtype): name for name, dtype in SAFETENSORS_DTYPES.items()}
    header: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    end = 0
    for name, array in arrays.items():
        sizes[name] = array.dtype.itemsize * int(np.prod(array.shape, dtype=np.int64))
        start, end = end, end + sizes[name]
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for data in (len(head).to_bytes(8, "little"), head):
            file.write(data)
            digest.update(data)
        for name, array in arrays.items():
            written = 0
            for chunk in array.chunks:
                data = np.ascontiguousarray(chunk, dtype=array.dtype).tobytes()
                file.write(data)
                digest.update(data)
                written += len(data)
            if written != sizes[name]:
                raise ValueError(f"{name}: expected {sizes[name]} bytes of {array.shape}, got {written}")
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


__all__ = ["StreamedArray", "write_safetensors"]
