"""Memory that batches free and the next one takes again, kept by the process in between.

The C library gives large blocks back to the system at once. A batch on a CPU makes and frees hundreds of
tensors of some MiB, and each of them would be zeroed and mapped anew, page by page, by the kernel.
"""

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT_BYTES = 1 << 30
_MAPPED_BYTES = 1 << 25  # the most that glibc allows on 64 bits
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


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


__all__ = ["keep_freed_memory"]
