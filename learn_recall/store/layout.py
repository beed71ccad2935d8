"""The three data files of a store's folder: ids.parquet, vectors.npy, present.npy. No pickle in any."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import write_array
from learn_recall.store.ids import as_id_array

CARD, IDS, VECTORS, PRESENT = "card.json", "ids.parquet", "vectors.npy", "present.npy"
DATA = (IDS, VECTORS, PRESENT)  # all but the card, which holds the sha256 of each
_ROWS_AT_ONCE = 1 << 16
_ABSENT = "drop these rows, or in Python say present=False there"


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write ids (n,) of int64 or strings as the one column `id`."""
    pq.write_table(_ids_table(ids), path, compression="zstd")


class IdsWriter:
    """Writes ids in chunks into a file that `open_ids` reads; the kind is that of the first chunk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, ids: np.ndarray) -> None:
        """Append ids (n,) of int64 or strings."""
        table = _ids_table(ids)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def __enter__(self) -> "IdsWriter":
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _ids_table(ids: np.ndarray) -> pa.Table:
    kind = pa.int64() if ids.dtype.kind == "i" else pa.large_string()
    try:
        return pa.table({"id": pa.array(ids, type=kind)})
    except UnicodeEncodeError as error:
        raise StoreError.of(
            "ids", expected="text that UTF-8 can hold", got=error, remedy="clean the ids"
        ) from error


def open_ids(path: Path) -> pq.ParquetFile:
    """Open the ids without reading them; what is open stays readable when the folder is replaced."""
    try:
        file = pq.ParquetFile(pa.OSFile(os.fspath(path)))
    except (OSError, pa.ArrowException) as error:
        raise broken(path, "a readable parquet file with the column id", error) from error
    if "id" not in file.schema_arrow.names:
        raise broken(path, "a readable parquet file with the column id", file.schema_arrow.names)
    return file


def id_chunks(file: pq.ParquetFile, path: Path, n_rows: int) -> Iterator[np.ndarray]:
    """Read ids (n,) in chunks of at most `n_rows`, as int64 or as object arrays of strings."""
    try:
        for batch in file.iter_batches(n_rows, columns=["id"]):
            yield as_id_array(batch.column("id").to_numpy(zero_copy_only=False), name=str(path))
    except (OSError, pa.ArrowException) as error:
        raise broken(path, "a readable parquet file with the column id", error) from error


def read_array(path: Path, *, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Map an npy file, checking shape, dtype and the exact number of bytes."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise broken(path, "a whole npy file", error) from error
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise broken(
            path, f"{dtype} of shape {shape} as the card says", f"{array.dtype} of shape {array.shape}"
        )
    n_bytes = array.offset + array.nbytes
    if path.stat().st_size != n_bytes:
        raise broken(path, f"{n_bytes} bytes", f"{path.stat().st_size} bytes")
    return array


def write_vectors(
    path: Path, chunks: Iterable[Any], *, present: np.ndarray, dtype: str, dimension: int | None = None
) -> int:
    """Write chunks of vectors one after the other into an npy file; absent rows become zeros.

    Bytes are written and not mapped, because a full disk must be an error and not a signal.

    Args:
        path: the file to make.
        chunks: one array (N, D), or arrays (n, D) that make up N rows.
        present: (N,) bool, False where the row is to be ignored.
        dtype: "float16" or "float32".
        dimension: D where it is known before; None takes it from the first chunk.

    Returns:
        D.

    Raises:
        StoreError: wrong shapes or counts, NaN or infinity or only zeros in a present row, too large for
            fp16, or no room on the disk.
    """
    n_ids, row = len(present), 0
    with open(path, "wb") as file:
        for chunk in _pieces(chunks):
            if dimension is None:
                dimension = chunk.shape[1]
            if chunk.shape[1] != dimension:
                raise StoreError.of(
                    f"vectors from row {row}",
                    expected=f"dimension {dimension} as in the blocks or the rows before",
                    got=chunk.shape[1],
                    remedy="make all vectors with the same model",
                )
            if row == 0:
                check_room(path.parent, n_ids * dimension * np.dtype(dtype).itemsize + n_ids)
                write_npy_head(file, dtype, (n_ids, dimension))
            if row + len(chunk) > n_ids:
                raise _wrong_count(n_ids, f"at least {row + len(chunk)}")
            write_array(file, stored_rows(chunk, present[row : row + len(chunk)], row, dtype))
            row += len(chunk)
    if row != n_ids or dimension is None:
        raise _wrong_count(n_ids, row)
    return dimension


def write_npy_head(file: Any, dtype: str, shape: tuple[int, ...]) -> None:
    """Write what stands in an npy file before its numbers."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def broken(path: Path, expected: object, got: object) -> StoreError:
    """The error of a file that is damaged, missing or half-written."""
    return StoreError.of(
        str(path), expected=expected, got=got, remedy="copy the store again or write it anew; it is not whole"
    )


def _pieces(chunks: Iterable[Any]) -> Iterator[np.ndarray]:
    for chunk in [chunks] if isinstance(chunks, np.ndarray) else chunks:
        array = np.asarray(chunk)
        if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
            raise StoreError.of(
                "vectors",
                expected="numbers of shape (n, D), or an iterator of such chunks",
                got=f"{array.dtype} of shape {array.shape}",
                remedy="stack the vectors row by row in the order of ids",
            )
        for start in range(0, len(array), _ROWS_AT_ONCE):
            yield array[start : start + _ROWS_AT_ONCE]


def stored_rows(chunk: np.ndarray, present: np.ndarray, first_row: int, dtype: str) -> np.ndarray:
    """Vectors (n, D) as they are stored, absent rows as zeros; raise `StoreError` if one cannot be."""
    given = chunk[present]
    if not np.isfinite(given).all():
        where = first_row + np.flatnonzero(present)[~np.isfinite(given).all(axis=1)]
        raise _bad_rows("finite numbers in every present row", "NaN or infinity", where, _ABSENT)
    with np.errstate(over="ignore"):
        cast = given.astype(dtype)
    if not np.isfinite(cast).all():
        where = first_row + np.flatnonzero(present)[~np.isfinite(cast).all(axis=1)]
        largest = np.abs(given).max()
        raise _bad_rows(
            f"components below {np.finfo(dtype).max}, the largest {dtype}",
            f"up to {largest}",
            where,
            'pass dtype="float32", or normalise the vectors',
        )
    if not cast.any(axis=1).all():
        where = first_row + np.flatnonzero(present)[~cast.any(axis=1)]
        raise _bad_rows(f"a vector in every present row (as {dtype})", "only zeros", where, _ABSENT)
    stored = np.zeros(chunk.shape, dtype=dtype)
    stored[present] = cast
    return stored


def _bad_rows(expected: str, got: str, rows: np.ndarray, remedy: str) -> StoreError:
    found = f"{got} in {len(rows)} rows or more, first {rows[:5].tolist()}"
    return StoreError.of("vectors", expected=expected, got=found, remedy=remedy)


def _wrong_count(expected: int, got: object) -> StoreError:
    return StoreError.of(
        "vectors", expected=f"{expected} rows, one per id", got=f"{got} rows", remedy="align vectors with ids"
    )


def check_room(folder: Path, n_bytes: int) -> None:
    """Raise `StoreError` if the disk has less room than that."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise StoreError.of(
            f"disk of {os.fspath(folder)}",
            expected=f"{n_bytes:,} bytes of room",
            got=f"{free:,} bytes free",
            remedy='free some room, write elsewhere, or use dtype="float16"',
        )


__all__ = [
    "CARD",
    "DATA",
    "IDS",
    "PRESENT",
    "VECTORS",
    "IdsWriter",
    "broken",
    "check_room",
    "id_chunks",
    "open_ids",
    "read_array",
    "stored_rows",
    "write_ids",
    "write_npy_head",
    "write_vectors",
]
