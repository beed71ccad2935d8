"""Memory of the encoder: a batch too large for it is halved until it fits, and what is freed is kept."""

import ctypes
import os
from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from learn_recall.encoder.files import EncoderError

_WORDS_OF_CPU = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT_BYTES = 1 << 30
_MAPPED_BYTES = 1 << 25  # the most that glibc allows on 64 bits
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def encode_within_memory(
    encode: Callable[[list[list[int]]], np.ndarray], rows: list[list[int]]
) -> np.ndarray:
    """Encode rows at once, or, where memory runs out, each half by itself.

    Definition: `encode(rows)`; on an out-of-memory error of torch (GPU or CPU) or of Python, the two halves
    in turn, each by the same rule. Any other error passes. A halved batch is another batch: its vectors agree
    with those of the whole one up to the rounding of the arithmetic, not to the bit.

    Args:
        encode: gives (n, C) vectors of n rows.
        rows: n rows of token ids, at least one.

    Returns:
        (n, C) vectors in the order of the rows.

    Raises:
        EncoderError: one row alone does not fit.
    """
    try:
        return encode(rows)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = str(error).partition("\n")[0]
    # outside of the handler, so that the error no longer holds the tensors that did not fit
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(rows) == 1:
        raise EncoderError(
            f"memory: expected room for one text of {len(rows[0])} tokens, got {message!r}. Remedy: a "
            "smaller max_tokens, a smaller model, or a machine with more memory"
        )
    half = len(rows) // 2
    return np.concatenate(
        [encode_within_memory(encode, rows[:half]), encode_within_memory(encode, rows[half:])]
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out; torch on a CPU says so in a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return type(error) is RuntimeError and any(word in str(error) for word in _WORDS_OF_CPU)


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep up to 1 GiB of freed memory, and take blocks of up to 32 MiB from it.

    It concerns the whole process and raises no peak: what is kept was in use before. Nothing is done where
    the user has set malloc in the environment, or where the C library is not glibc.

    Returns:
        Whether it was done.
    """
    if any(name in os.environ for name in _SET_BY_USER):
        return False
    try:
        os.confstr("CS_GNU_LIBC_VERSION")
        mallopt = ctypes.CDLL(None).mallopt
    except (ValueError, OSError, AttributeError):
        return False
    is_set = [mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES), mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)]
    return all(code == 1 for code in is_set)


__all__ = ["encode_within_memory", "is_out_of_memory", "keep_freed_memory"]
