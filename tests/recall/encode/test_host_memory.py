"""Freed memory stays with the process, unless the user has said how malloc is to work."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long
COUNT_FAULTS = """
import ctypes, json, os, resource, sys
from learn_recall.encoder.memory import keep_freed_memory
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
for how, environment in json.loads(sys.argv[1]):
    if os.fork():  # each in a process of its own, since malloc's settings are the process's
        assert os.wait()[1] == 0
        continue
    os.environ.update(environment)
    is_kept = how == "keep" and keep_freed_memory()
    batch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        batch()
    print(is_kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, flush=True)
    os._exit(0)
"""
needs_glibc = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the C library is not glibc"
)


WAYS = {
    "keep": ("keep", {}),
    "leave": ("leave", {}),
    "set by the user": ("keep", {"MALLOC_TRIM_THRESHOLD_": "131072"}),
}


@pytest.fixture(scope="module")
def counted() -> dict[str, tuple[bool, int]]:
    """Per way whether memory is kept, and the page faults of five batches of three blocks of 20 MiB."""
    plain = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", COUNT_FAULTS, json.dumps(list(WAYS.values()))]
    done = subprocess.run(command, env=plain, check=True, capture_output=True, text=True, timeout=120)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {way: (line[0] == "True", int(line[1])) for way, line in zip(WAYS, lines, strict=True)}


@needs_glibc
def test_the_next_batch_takes_the_memory_of_the_last_one_without_a_page_fault(counted):
    n_pages = 5 * 3 * (20 << 20) // os.sysconf("SC_PAGE_SIZE")
    is_kept, n_faults = counted["keep"]
    assert is_kept
    assert n_faults < n_pages / 100
    assert counted["leave"][1] > n_pages / 3  # without it the system takes the memory back


@needs_glibc
def test_what_the_user_set_for_malloc_stands(counted):
    assert not counted["set by the user"][0]
