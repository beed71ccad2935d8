"""The LMDB of the published LEARN code: one pickled float64 array for each product id.

Unpickling runs what the file says. Here it may say one thing only, a plain numpy array of numbers; whatever
else stands in the file is an error and is not run. Needs the package `lmdb`.
"""

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.errors import StoreError

_COUNT_KEY = b"num_samples"
_FILE = "data.mdb"
_ROWS_AT_ONCE = 1 << 12


def is_lmdb(path: Path) -> bool:
    """Tell whether a folder is an LMDB."""
    return (path / _FILE).is_file()


class OfficialLmdb:
    """The vectors of an LMDB, in the order of its keys.

    Args:
        path: its folder.

    Raises:
        StoreError: not an LMDB, or the package is missing.
    """

    def __init__(self, path: Path) -> None:
        try:
            import lmdb  # noqa: PLC0415 - only this format needs it
        except ImportError:
            raise StoreError.of(
                str(path), expected="the package lmdb to read it", got="none", remedy="pip install lmdb"
            ) from None
        self._path = path
        if not is_lmdb(path):
            raise _wrong(path, f"a folder with {_FILE}", "none")
        try:
            self._file = lmdb.open(str(path), readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise _wrong(path, "an LMDB", error) from error

    def ids(self) -> list[str]:
        """The keys as text, without the count that the published code lays beside them.

        Raises:
            StoreError: the count is not that of the vectors: the writing was broken off.
        """
        with self._file.begin() as transaction:
            keys = [bytes(key) for key in transaction.cursor().iternext(keys=True, values=False)]
            count = transaction.get(_COUNT_KEY)
        ids = [key.decode("utf-8") for key in keys if key != _COUNT_KEY]
        if count is not None and int(bytes(count)) != len(ids):
            raise _wrong(
                self._path, f"{int(bytes(count))} vectors as its {_COUNT_KEY.decode()} says", len(ids)
            )
        return ids

    def chunks(self) -> Iterator[np.ndarray]:
        """The vectors in the order of `ids`, (n, D) float64, some thousand at a time."""
        waiting: list[np.ndarray] = []
        with self._file.begin() as transaction:
            for key, value in transaction.cursor():
                if key == _COUNT_KEY:
                    continue
                waiting.append(self._vector(key, value, waiting[0].shape if waiting else None))
                if len(waiting) == _ROWS_AT_ONCE:
                    yield np.stack(waiting)
                    waiting = waiting[:0]
        if waiting:
            yield np.stack(waiting)

    def _vector(self, key: bytes, value: bytes, shape: tuple[int, ...] | None) -> np.ndarray:
        where = f"{self._path}, key {bytes(key)!r}"
        try:
            vector = unpickled_array(value)
        except (pickle.UnpicklingError, ValueError, TypeError, EOFError, AttributeError, IndexError) as error:
            raise _wrong(where, "a pickled numpy array and nothing else", error) from error
        if vector.ndim != 1 or vector.dtype.kind not in "fiu" or shape not in (None, vector.shape):
            raise _wrong(where, f"one vector of numbers {'' if shape is None else shape}", vector.shape)
        return vector


def unpickled_array(data: bytes) -> np.ndarray:
    """Read a pickle that holds one numpy array; nothing that stands in it is run.

    Raises:
        pickle.UnpicklingError: It asks for anything but an array.
    """
    found = _ArrayUnpickler(io.BytesIO(data)).load()
    if type(found) is not np.ndarray or found.dtype.hasobject:
        raise pickle.UnpicklingError(f"expected an array of numbers, got {type(found).__name__}")
    return found


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the five names that the pickle of an array uses, under numpy's old and new module names."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _latin1_bytes,  # how protocol 2 writes bytes
            ("multiarray", "_reconstruct"): _empty_array,
            ("numeric", "_frombuffer"): _array_of_buffer,
        }
        short = module.removeprefix("numpy.core.").removeprefix("numpy._core.")
        if (short, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[short, name]


def _empty_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    if kind is not np.ndarray or tuple(shape) != (0,):
        raise pickle.UnpicklingError("expected a plain array")
    return np.ndarray((0,), dtype=np.int8)  # the state that follows gives it dtype, shape and bytes


def _latin1_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for text in {encoding}")
    return text.encode("latin1")


def _array_of_buffer(buffer: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    return np.frombuffer(bytearray(buffer), dtype=dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _wrong(where: object, expected: object, got: object) -> StoreError:
    return StoreError.of(str(where), expected=expected, got=got, remedy="check where the file comes from")


__all__ = ["OfficialLmdb", "is_lmdb", "unpickled_array"]
