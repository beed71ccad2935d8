"""Batches side by side, one core each, instead of all cores on one batch.

Cores that share a batch wait for each other after every operation; where one of them is disturbed, all stand
still. A batch of its own per core has nothing to wait for, and its result does not depend on the number of
cores.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")

MAX_LANES = 16  # more would wait for Python's lock


def cpu_lanes() -> int:
    """How many batches a CPU computes side by side: one per thread of torch, at most 16."""
    return min(torch.get_num_threads(), MAX_LANES)


def in_lanes(function: Callable[[Job], Result], jobs: Iterable[Job], *, n_lanes: int) -> Iterator[Result]:
    """`function(job)` for each job, in order, computed in `n_lanes` threads.

    Args:
        function: releases Python's lock while it computes, as torch does.
        jobs: taken all at once.
        n_lanes: 1 computes in the caller's thread with all of torch's threads. More share them out.
    """
    if n_lanes == 1:
        yield from map(function, jobs)
        return
    with _threads_each(max(torch.get_num_threads() // n_lanes, 1)) as n_threads:
        pool = ThreadPoolExecutor(n_lanes, "lane", initializer=torch.set_num_threads, initargs=(n_threads,))
        try:
            yield from pool.map(function, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _threads_each(n_threads: int) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(before)


__all__ = ["MAX_LANES", "cpu_lanes", "in_lanes"]
