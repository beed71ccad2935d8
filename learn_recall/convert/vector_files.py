"""Vectors by id in the formats that others read and write: parquet, npy, safetensors; and the official LMDB.

* parquet: columns `id` and `vector` (fixed-size list of float16 or float32). Read: any integer or text column
  for the ids, any list column of one length for the vectors.
* npy: an (N, D) array; the ids beside it in `NAME.ids.parquet` (column `id`) or `NAME.ids.npy` (integers).
* safetensors: `vectors` (N, D) and `ids` (N,) int64; text ids as `id_bytes` (their UTF-8, joined) and
  `id_ends` (N,) int64, the end of each.

Only ids with a vector are written: none of these formats has a word for an absent one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.convert.official_lmdb import OfficialLmdb, is_lmdb
from learn_recall.errors import StoreError
from learn_recall.files.row_file import RowFile
from learn_recall.files.safetensors_stream import StreamedArray, write_safetensors
from learn_recall.files.whole_files import atomic_path, write_array
from learn_recall.store import layout as store_files
from learn_recall.store.ids import as_id_array
from learn_recall.store.read import EmbeddingStore
from learn_recall.tables.csv_cells import integers_if_all_are
from learn_recall.tables.parquet_files import from_arrow, is_list, may_be_ids
from learn_recall.tables.rules import Rules
from learn_recall.terminal.progress import track_steps

VECTOR_FORMATS = (".parquet", ".npy", ".safetensors")
_ROWS_AT_ONCE = 1 << 13
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class VectorSource:
    """Vectors by id, read piece by piece.

    Args:
        ids: (N,) int64, or object holding `str`.
        chunks: gives the vectors in the order of the ids, pieces (n, D) of float.
    """

    ids: np.ndarray
    chunks: Callable[[], Iterator[np.ndarray]]


def read_vectors(
    path: Path, *, id_column: str | None = None, vector_column: str | None = None
) -> VectorSource:
    """Open a parquet, npy or safetensors file, an LMDB folder of the published code, or a store.

    Args:
        path: the file or folder.
        id_column: of a parquet file; None takes `id`, or the only column of integers or text.
        vector_column: of a parquet file; None takes `vector`, or the only column of lists.

    Raises:
        StoreError: another format, damaged, without ids, with a blank one, or not one vector a row.
    """
    if (path / store_files.CARD).is_file():
        store = EmbeddingStore.open(path)
        return VectorSource(store.ids[store.present], lambda: _present_rows(store))
    if is_lmdb(path):
        lmdb = OfficialLmdb(path)
        return VectorSource(integers_if_all_are(lmdb.ids()), lmdb.chunks)
    readers: dict[str, Callable[[], VectorSource]] = {
        ".parquet": lambda: _read_parquet(path, id_column, vector_column),
        ".npy": lambda: _read_npy(path),
        ".safetensors": lambda: _read_safetensors(path),
    }
    if not path.is_file() or path.suffix not in readers:
        got = "no such file" if not path.exists() else "another kind of file"
        expected = f"a file that ends in {', '.join(VECTOR_FORMATS)}, an LMDB folder or a store"
        raise _wrong(path, expected, got, "correct the path, or convert the file")
    try:
        return _without_blank_ids(path, readers[path.suffix]())
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        if isinstance(error, StoreError):
            raise
        raise _wrong(
            path, "vectors with their ids", error, "write the file as the documentation says"
        ) from error


def write_vectors_file(
    store: EmbeddingStore, path: Path, *, dtype: str | None = None, progress: bool = False
) -> int:
    """Write the vectors of a store as one file, and give how many.

    Args:
        store: its present rows are written.
        path: ends in .parquet, .npy or .safetensors; replaced where it is there.
        dtype: "float16" or "float32"; None as in the store.
        progress: show how far it is.

    Raises:
        StoreError: another ending or dtype, or no id has a vector.
    """
    kind = np.dtype(store.card.dtype if dtype is None else dtype)
    if path.suffix not in VECTOR_FORMATS or kind.name not in _FLOATS[:2]:
        raise _wrong(
            path, f"{' or '.join(VECTOR_FORMATS)} in {_FLOATS[:2]}", f"{path.suffix} in {kind}", "choose"
        )
    ids = store.ids[store.present]
    if len(ids) == 0:
        raise _wrong(store.path, "an id with a vector", "none", "encode the items first")
    write = {".parquet": _write_parquet, ".npy": _write_npy, ".safetensors": _write_safetensors}[path.suffix]
    write(
        path,
        ids,
        (len(ids), store.card.dimension),
        (rows.astype(kind) for rows in _present_rows(store, progress)),
        kind,
    )
    return len(ids)


def _present_rows(store: EmbeddingStore, progress: bool = False) -> Iterator[np.ndarray]:
    vectors = RowFile.of_npy(store.path / store_files.VECTORS)
    starts = range(0, len(store), _ROWS_AT_ONCE)
    for start in track_steps(starts, "write vectors", len(starts), is_shown=progress):
        rows = vectors.read(start, start + _ROWS_AT_ONCE)
        yield rows[store.present[start : start + len(rows)]]


def _without_blank_ids(path: Path, source: VectorSource) -> VectorSource:
    """Give the source back, unless an id is the empty text, which no table may hold."""
    blank = [row for row, each in enumerate(source.ids) if each == ""] if source.ids.dtype.kind == "O" else []
    if blank:
        got = f"{len(blank):,} blank, first in row {', '.join(map(str, blank[:3]))}"
        raise _wrong(path, "an id for each vector", got, "drop these vectors or give them their id")
    return source


def _read_parquet(path: Path, id_column: str | None, vector_column: str | None) -> VectorSource:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    lists = [each.name for each in schema if is_list(each.type)]
    plain = [each.name for each in schema if may_be_ids(each.type)]
    ids = _column(path, "ids", id_column, "id", plain)
    vectors = _column(path, "vectors", vector_column, "vector", lists)

    def chunks() -> Iterator[np.ndarray]:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[vectors]):
            yield _rectangle(path, batch.column(0))

    return VectorSource(_ids_of(path, ids), chunks)


def _ids_of(path: Path, column: str) -> np.ndarray:
    ids = from_arrow(
        pq.ParquetFile(path).read(columns=[column])[column], column, Rules(further_ids=(column,))
    )
    return as_id_array(ids, name=f"{path} column {column}")


def _column(path: Path, what: str, asked: str | None, usual: str, found: list[str]) -> str:
    name = asked if asked is not None else usual if usual in found else found[0] if len(found) == 1 else None
    if name not in found:
        raise _wrong(path, f"a column of {what}, such as {usual!r}", f"columns {found}", "name the column")
    return name


def _rectangle(path: Path, column: pa.Array) -> np.ndarray:
    flat = column.flatten()
    if column.null_count or flat.null_count or len(flat) % max(len(column), 1):
        raise _wrong(
            path, "one vector of the same length in each row", "missing or shorter ones", "drop them"
        )
    if not pa.types.is_fixed_size_list(column.type):
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            raise _wrong(path, "vectors of one length", sorted(set(lengths.tolist()))[:5], "drop the others")
    return flat.to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _read_npy(path: Path) -> VectorSource:
    rows = _floats(path, RowFile.of_npy(path))
    beside = path.with_suffix(".ids.parquet"), path.with_suffix(".ids.npy")
    if beside[0].is_file():
        ids = _ids_of(beside[0], pq.read_schema(beside[0]).names[0])
    elif beside[1].is_file():
        ids = as_id_array(np.load(beside[1], allow_pickle=False), name=str(beside[1]))
    else:
        raise _wrong(
            path, f"ids in {beside[0].name} or {beside[1].name} beside it", "neither", "write the ids"
        )
    return _source(path, ids, rows)


def _read_safetensors(path: Path) -> VectorSource:
    arrays, _ = RowFile.of_safetensors(path)
    rows = _floats(path, arrays["vectors"])
    if "ids" in arrays:
        return _source(path, as_id_array(arrays["ids"].read(0, arrays["ids"].n_rows)), rows)
    ends = arrays["id_ends"].read(0, arrays["id_ends"].n_rows).tolist()
    joined = arrays["id_bytes"].read(0, arrays["id_bytes"].n_rows).tobytes()
    starts = [0, *ends[:-1]]
    texts = [joined[start:end].decode("utf-8") for start, end in zip(starts, ends, strict=True)]
    return _source(path, as_id_array(texts), rows)


def _floats(path: Path, rows: RowFile) -> RowFile:
    if rows.dtype.name not in _FLOATS or len(rows.row_shape) != 1:
        raise _wrong(
            path, f"(N, D) of {_FLOATS}", f"{rows.dtype} with rows of {rows.row_shape}", "convert it"
        )
    return rows


def _source(path: Path, ids: np.ndarray, rows: RowFile) -> VectorSource:
    if len(ids) != rows.n_rows:
        raise _wrong(path, f"{rows.n_rows} ids, one for each vector", len(ids), "write the two together")
    return VectorSource(ids, lambda: rows.chunks(_ROWS_AT_ONCE))


def _write_parquet(
    path: Path, ids: np.ndarray, shape: tuple[int, int], chunks: Iterator[np.ndarray], kind: np.dtype[Any]
) -> None:
    values = pa.from_numpy_dtype(kind)
    id_type = pa.int64() if ids.dtype.kind == "i" else pa.large_string()
    schema = pa.schema([("id", id_type), ("vector", pa.list_(values, shape[1]))])
    first = 0
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as file:
        for rows in chunks:
            here = pa.array(ids[first : first + len(rows)], id_type)
            flat = pa.array(rows.reshape(-1), values)
            vectors = pa.FixedSizeListArray.from_arrays(flat, shape[1])
            file.write_table(pa.table([here, vectors], schema=schema))
            first += len(rows)


def _write_npy(
    path: Path, ids: np.ndarray, shape: tuple[int, int], chunks: Iterator[np.ndarray], kind: np.dtype[Any]
) -> None:
    with atomic_path(path.with_suffix(".ids.parquet")) as temporary:
        store_files.write_ids(temporary, ids)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        store_files.write_npy_head(file, kind.name, shape)
        for rows in chunks:
            write_array(file, rows)


def _write_safetensors(
    path: Path, ids: np.ndarray, shape: tuple[int, int], chunks: Iterator[np.ndarray], kind: np.dtype[Any]
) -> None:
    arrays = {"vectors": StreamedArray(kind, shape, chunks)}
    if ids.dtype.kind == "i":
        arrays = {"ids": StreamedArray(np.dtype(np.int64), ids.shape, [ids]), **arrays}
    else:
        encoded = [text.encode("utf-8") for text in ids]
        ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
        joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        arrays = {
            "id_ends": StreamedArray(ends.dtype, ends.shape, [ends]),
            **arrays,
            "id_bytes": StreamedArray(joined.dtype, joined.shape, [joined]),
        }
    with atomic_path(path) as temporary:
        write_safetensors(temporary, arrays)


def _wrong(where: object, expected: object, got: object, remedy: str) -> StoreError:
    return StoreError.of(str(where), expected=expected, got=got, remedy=remedy)


__all__ = ["VECTOR_FORMATS", "VectorSource", "read_vectors", "write_vectors_file"]
