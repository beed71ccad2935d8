"""Ids of users, items and contexts: integers or strings, as the user has them, never both."""

import hashlib
from typing import Any

import numpy as np

from learn_recall.errors import StoreError

_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)


def as_id_array(ids: Any, *, name: str = "ids") -> np.ndarray:
    """Ids as one array of int64 or of Python strings.

    Args:
        ids: (n,) numpy array, list, pandas Series or Index, or pyarrow array of integers or strings.
        name: what to call it in an error.

    Returns:
        (n,) int64, or (n,) object with only `str` inside. No ids give an empty int64 array.

    Raises:
        StoreError: more than one dimension, floats, nulls, booleans, a mix of kinds, or beyond int64.

    Example:
        >>> as_id_array([3, 1])
        array([3, 1])
        >>> as_id_array(["007", "a"])
        array(['007', 'a'], dtype=object)
    """
    # a list goes in as it is, because numpy would make [1, "1"] two equal strings and [1, True] two integers
    array = np.asarray(ids, dtype=object) if isinstance(ids, list | tuple) else np.asarray(ids)
    if array.ndim != 1:
        raise StoreError.of(
            name, expected="one dimension", got=f"shape {array.shape}", remedy="pass one id per row"
        )
    if array.size == 0:
        return array.astype(object) if array.dtype.kind in "UT" else np.empty(0, dtype=np.int64)
    if array.dtype.kind == "i":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "u":
        return _within_int64(array, name)
    if array.dtype.kind in "UT":
        return array.astype(object)
    if array.dtype.kind == "O":
        return _from_objects(array, name)
    remedy = "cast the column to int64 or to strings"
    if array.dtype.kind == "f":
        remedy = "an integer column with empty cells becomes float: drop those rows, then cast to int64"
    raise StoreError.of(name, expected="integers or strings", got=f"dtype {array.dtype}", remedy=remedy)


def id_kind(ids: np.ndarray) -> str:
    """Give "integer" or "string" for an array from `as_id_array`."""
    return "integer" if ids.dtype.kind == "i" else "string"


def id_keys(ids: Any) -> np.ndarray:
    """Int64 keys of ids for a KeyedJaggedTensor, the same in every process and on every machine.

    Definition: an integer is its own key; a string's key is the first 8 bytes of its BLAKE2b digest (UTF-8,
    digest size 8, little endian) without the sign bit, so 63 bits. Two of a million strings share a key
    with probability 5e-8; `write_store` refuses a store in which it happens.

    Args:
        ids: (n,) integers or strings, whatever `as_id_array` takes.

    Returns:
        (n,) int64.

    Raises:
        StoreError: as `as_id_array`.

    Example:
        >>> id_keys([5, -2])
        array([ 5, -2])
        >>> int(id_keys(["B00004"])[0]) == int(id_keys(["x", "B00004"])[1])
        True
    """
    array = as_id_array(ids)
    if id_kind(array) == "integer":
        return array
    blake2b = hashlib.blake2b
    digests = b"".join(
        [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in array]
    )
    keys = np.frombuffer(digests, dtype="<u8") & np.uint64(_INT64_MAX)
    return keys.astype(np.int64)


def _from_objects(array: np.ndarray, name: str) -> np.ndarray:
    kinds = set(map(type, array.tolist()))
    if all(issubclass(kind, str) for kind in kinds):
        return array if kinds == {str} else np.array([str(text) for text in array], dtype=object)
    if all(issubclass(kind, int | np.integer) and not issubclass(kind, bool) for kind in kinds):
        return _within_int64(array, name)
    first = next(
        row for row, value in enumerate(array) if type(value) is not type(array[0]) or not _is_id(value)
    )
    raise StoreError.of(
        name,
        expected="only integers or only strings",
        got=f"{sorted(kind.__name__ for kind in kinds)}, first at row {first}: {array[first]!r}",
        remedy="drop rows without an id and cast the column to one kind in every table",
    )


def _is_id(value: object) -> bool:
    return isinstance(value, int | np.integer | str) and not isinstance(value, bool)


def _within_int64(array: np.ndarray, name: str) -> np.ndarray:
    low, high = min(array.tolist()), max(array.tolist())
    if low < _INT64_MIN or high > _INT64_MAX:
        beyond = low if low < _INT64_MIN else high
        raise StoreError.of(
            name, expected="integers of 64 bits", got=beyond, remedy="pass such ids as strings"
        )
    return array.astype(np.int64)


__all__ = ["as_id_array", "id_keys", "id_kind"]
