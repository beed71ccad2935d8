"""Random numbers that belong to an event, not to a place in a queue: the same draw in both arms."""

from __future__ import annotations

import numpy as np

_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_WORD = (1 << 64) - 1
EVENTS = ("click", "conversion", "delay", "spare")


def uniforms(seed: int, day: int, request_key: np.ndarray, item_key: np.ndarray) -> np.ndarray:
    """Four uniform numbers for each (request, item) of a day: click, conversion, delay, spare.

    Definition: the first block of Philox4x64-10 with key (seed, day) and counter (request, item, 0, 0), as
    numpy.random.Philox gives it (numpy adds 1 to the counter before its first block), each word as
    (word >> 11) / 2^53. It depends on nothing else: neither on the arm nor on order, chunks or workers.

    Args:
        seed: 0 .. 2^64 - 1.
        day: 0 .. 2^64 - 1.
        request_key: (M,) uint64.
        item_key: (M,) uint64.

    Returns:
        (4, M) float64 in [0, 1).

    Raises:
        ValueError: a seed or day outside the range.

    Example:
        >>> keys = np.array([7, 7], np.uint64), np.array([1, 2], np.uint64)
        >>> block = np.random.Philox(key=[5, 3], counter=[7, 2, 0, 0]).random_raw(4)
        >>> bool(np.all(uniforms(5, 3, *keys)[:, 1] == (block >> np.uint64(11)) / 2**53))
        True

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
    """
    for name, value in (("seed", seed), ("day", day)):
        if not 0 <= value <= _WORD:
            raise ValueError(f"{name}: expected an integer from 0 to 2^64 - 1, got {value}")
    first = np.asarray(request_key, np.uint64) + np.uint64(1)
    has_carry = first == 0
    second = np.asarray(item_key, np.uint64) + has_carry
    third = (has_carry & (second == 0)).astype(np.uint64)
    words: tuple[np.ndarray, ...] = (first, second, third, np.zeros_like(first))
    keys = [int(seed), int(day)]
    for _ in range(_ROUNDS):
        words = _round(words, np.uint64(keys[0]), np.uint64(keys[1]))
        keys = [(key + step) & _WORD for key, step in zip(keys, _KEY_STEPS, strict=True)]
    return (np.stack(words) >> np.uint64(11)) * 2.0**-53


def tie_keys(request_key: np.ndarray, item_key: np.ndarray) -> np.ndarray:
    """(M,) uint64 that order equal scores fairly: anew by request, alike in both arms and in every order."""
    mixed = np.asarray(request_key, np.uint64) ^ _mix(np.asarray(item_key, np.uint64))
    return _mix(mixed)


def _round(words: tuple[np.ndarray, ...], key_0: np.uint64, key_1: np.uint64) -> tuple[np.ndarray, ...]:
    high_0, low_0 = _product(_MULTIPLIERS[0], words[0])
    high_1, low_1 = _product(_MULTIPLIERS[1], words[2])
    return high_1 ^ words[1] ^ key_0, low_1, high_0 ^ words[3] ^ key_1, low_0


def _product(constant: int, word: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper and the lower 64 bits of constant x word, from products of 32-bit halves."""
    constant_high, constant_low = np.uint64(constant >> 32), np.uint64(constant & 0xFFFFFFFF)
    high, low = word >> _HALF, word & _LOW
    low_low = low * constant_low
    middle = high * constant_low + (low_low >> _HALF)
    cross = low * constant_high + (middle & _LOW)
    upper = high * constant_high + (middle >> _HALF) + (cross >> _HALF)
    return upper, word * np.uint64(constant)


def _mix(word: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), after one step of its counter."""
    word = word + np.uint64(_KEY_STEPS[0])
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


__all__ = ["EVENTS", "tie_keys", "uniforms"]
