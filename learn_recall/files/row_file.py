"""Rows of one shape in a file, read by number with plain reads: memory is that of the rows asked for.

A memory map would do, but its pages count as the process's own, and a job that has touched every vector of a
large store would show the store's size as its memory.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

SAFETENSORS_DTYPES = {
    "U8": np.uint8,
    "BOOL": np.bool_,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}
_HEADER_SIZE_BYTES = 8
_GAP_BYTES = 1 << 14  # rows closer than this are read in one go
_READ_BYTES = 1 << 22


@dataclass(frozen=True)
class RowFile:
    """`n_rows` rows, each an array of `row_shape`, one after the other from `offset` on.

    Args:
        path: the file.
        offset: first byte of row 0.
        dtype: of the components.
        row_shape: shape of one row; () for one number.
        n_rows: how many.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    n_rows: int

    @classmethod
    def of_npy(cls, path: Path) -> "RowFile":
        """Describe the rows of an npy file.

        Raises:
            ValueError: not an npy file of rows, cut, or one that needs pickle.
        """
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _read_header_2
            shape, is_fortran, dtype = read(file)
            offset = file.tell()
        if is_fortran or dtype.hasobject or not shape:
            raise ValueError(f"{path}: expected rows of numbers in C order, got {dtype} of shape {shape}")
        return cls(path, offset, dtype, tuple(shape[1:]), int(shape[0])).checked()

    @classmethod
    def of_safetensors(cls, path: Path) -> tuple[dict[str, "RowFile"], dict[str, str]]:
        """Describe the arrays of a safetensors file, and give its metadata.

        Raises:
            ValueError, KeyError, TypeError: not such a file, cut, or of dtypes that are not ours.
        """
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(_HEADER_SIZE_BYTES), "little")
            header = json.loads(file.read(size) if size < path.stat().st_size else b"")
        metadata = header.pop("__metadata__", {})
        arrays = {
            name: cls(
                path,
                _HEADER_SIZE_BYTES + size + entry["data_offsets"][0],
                np.dtype(SAFETENSORS_DTYPES[entry["dtype"]]),
                tuple(entry["shape"][1:]),
                int(entry["shape"][0]),
            ).checked()
            for name, entry in header.items()
        }
        return arrays, metadata

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * int(np.prod(self.row_shape, dtype=np.int64))

    def checked(self) -> "RowFile":
        """The file itself, once it is seen to be long enough; raise `ValueError` if not."""
        end = self.offset + self.n_rows * self.row_bytes
        size = self.path.stat().st_size
        if size < end:
            raise ValueError(f"{self.path}: expected at least {end} bytes, got {size}; it is cut")
        return self

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read rows start..stop, (stop - start, *row_shape)."""
        stop = min(stop, self.n_rows)
        n_rows = max(stop - start, 0)
        rows = np.empty((n_rows, *self.row_shape), dtype=self.dtype)
        with open(self.path, "rb") as file:
            self._read_into(file.fileno(), start, rows)
        return rows

    def chunks(self, n_rows: int) -> Iterator[np.ndarray]:
        """All rows in their order, at most `n_rows` at a time."""
        for start in range(0, self.n_rows, n_rows):
            yield self.read(start, start + n_rows)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Read rows by number, in any order and as often as asked, (len(rows), *row_shape)."""
        wanted, place = np.unique(rows, return_inverse=True)
        taken = np.empty((len(wanted), *self.row_shape), dtype=self.dtype)
        with open(self.path, "rb") as file:
            for first, last in self._runs(wanted):
                block = np.empty(
                    (int(wanted[last - 1] - wanted[first]) + 1, *self.row_shape), dtype=self.dtype
                )
                self._read_into(file.fileno(), int(wanted[first]), block)
                taken[first:last] = block[wanted[first:last] - wanted[first]]
        return taken[place]

    def _runs(self, wanted: np.ndarray) -> Iterator[tuple[int, int]]:
        """Cut ascending row numbers where a gap is too wide to read over, or a block too large."""
        row_bytes = max(self.row_bytes, 1)
        is_cut = np.diff(wanted) > max(_GAP_BYTES // row_bytes, 1)
        edges = [0, *(np.flatnonzero(is_cut) + 1).tolist(), len(wanted)]
        rows_at_once = max(_READ_BYTES // row_bytes, 1)
        for start, stop in pairwise(edges):
            first = start
            while first < stop:
                last = int(np.searchsorted(wanted[first:stop], wanted[first] + rows_at_once)) + first
                yield first, last
                first = last

    def _read_into(self, descriptor: int, start: int, rows: np.ndarray) -> None:
        view = rows.reshape(-1).view(np.uint8).data if rows.size else memoryview(b"")
        place, done = self.offset + start * self.row_bytes, 0
        while done < len(view):
            got = os.preadv(descriptor, [view[done:]], place + done)
            if got == 0:
                raise ValueError(f"{self.path}: expected {len(view)} bytes at {place}, got {done}; it is cut")
            done += got


def _read_header_2(file: Any) -> Any:
    return np.lib.format.read_array_header_2_0(file)


__all__ = ["SAFETENSORS_DTYPES", "RowFile"]
