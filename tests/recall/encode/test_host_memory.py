"""Freed memory stays with the process, unless the user has said how malloc is to work."""

import os
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import ctypes, resource, sys
from learn_recall.encoder.memory import keep_freed_memory
is_kept = sys.argv[1] == "keep" and keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size = 20 << 20
def batch():
    blocks = [libc.malloc(size) for _ in range(3)]
    for block in blocks:
        libc.memset(block, 1, size)
    for block in blocks:
        libc.free(block)
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    batch()
print(is_kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
needs_glibc = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the C library is not glibc"
)


def run(how: str, **environment: str) -> tuple[bool, int]:
    """Give whether memory is kept, and the page faults of five batches of three blocks of 20 MiB."""
    plain = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", COUNT_FAULTS, how]
    done = subprocess.run(
        command, env={**plain, **environment}, check=True, capture_output=True, text=True, timeout=120
    )
    is_kept, n_faults = done.stdout.split()
    return is_kept == "True", int(n_faults)


@needs_glibc
def test_the_next_batch_takes_the_memory_of_the_last_one_without_a_page_fault():
    n_pages = 5 * 3 * (20 << 20) // os.sysconf("SC_PAGE_SIZE")
    is_kept, n_faults = run("keep")
    assert is_kept
    assert n_faults < n_pages / 100
    assert run("leave")[1] > n_pages / 3  # without it the system takes the memory back


@needs_glibc
def test_what_the_user_set_for_malloc_stands():
    assert not run("keep", MALLOC_TRIM_THRESHOLD_="131072")[0]
