"""Texts by the hash of what they say: equal texts are one, and a text is known again in a later run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIGEST_BYTES = 16


@dataclass(frozen=True)
class UniqueTexts:
    """The distinct texts of a table, in the order of their first appearance.

    Args:
        texts: U distinct texts; the empty text is not among them.
        digests: (U, 16) uint8, BLAKE2b of each text's UTF-8. Two of 1e8 texts collide with probability 1e-23.
        text_of_item: (N,) int64, the number of each item's text; -1 where it is empty.
    """

    texts: list[str]
    digests: np.ndarray
    text_of_item: np.ndarray


def unique_texts(texts: Sequence[str]) -> UniqueTexts:
    """Find the distinct texts.

    Args:
        texts: N texts, one per item; "" is an item without text.

    Example:
        >>> unique_texts(["b", "a", "", "b"]).text_of_item.tolist()
        [0, 1, -1, 0]
    """
    numbers: dict[str, int] = {}
    text_of_item = np.fromiter(
        (numbers.setdefault(text, len(numbers)) if text else -1 for text in texts),
        dtype=np.int64,
        count=len(texts),
    )
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(text.encode("utf-8"), digest_size=DIGEST_BYTES).digest() for text in numbers])
    return UniqueTexts(list(numbers), digest_rows(digests), text_of_item)


def digest_rows(joined: bytes) -> np.ndarray:
    """Give joined digests as (n, 16) uint8."""
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def digest_keys(digests: np.ndarray) -> list[bytes]:
    """Give digests (n, 16) as n byte strings, for a dictionary."""
    joined = np.ascontiguousarray(digests).tobytes()
    return [joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES)]


__all__ = ["DIGEST_BYTES", "UniqueTexts", "digest_keys", "digest_rows", "unique_texts"]
