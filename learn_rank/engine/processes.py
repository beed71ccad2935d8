"""One context manager owns the processes of a training: set-up, and a tear-down in the only order that works.

A process that ends while a process group or something that uses it is still alive aborts at exit ("terminate
called without an active exception"). So: what uses the group lets go first, then garbage is collected, then
all processes meet, then the group is destroyed.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them; made by `processes`.

    Attributes:
        rank: number of this process, from 0.
        n_ranks: how many there are.
        device: where this process computes.
    """

    rank: int
    n_ranks: int
    device: torch.device
    _closers: list[Callable[[], None]] = field(default_factory=list, repr=False)

    @property
    def group(self) -> dist.ProcessGroup:
        """The group of all processes."""
        group = dist.group.WORLD
        if group is None:
            raise RuntimeError(
                "processes: expected an open `with processes():` block, got one that has ended."
            )
        return group

    def on_exit(self, close: Callable[[], None]) -> None:
        """Call `close` before the group is destroyed, the latest first: drop there what uses the group."""
        self._closers.append(close)


@contextmanager
def processes(
    *, device: str | None = None, n_threads: int | None = 1, timeout_seconds: float = 600
) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or be a run of one process.

    Args:
        device: "cpu" or "cuda"; None takes the GPU of this process where there is one. GPUs talk by NCCL,
            CPUs by gloo.
        n_threads: torch's threads in this process, so that the processes of one machine do not fight for its
            cores; None leaves them.
        timeout_seconds: how long one process waits for the others before it raises.

    Yields:
        `Processes`. Engines that are made with it let go of their model when the block ends; anything else
        that uses the group is to be registered by `Processes.on_exit`.

    Raises:
        ValueError: an unknown device.

    Example:
        >>> with processes(device="cpu") as here:
        ...     here.rank, here.n_ranks
        (0, 1)
    """
    if device not in (None, "cpu", "cuda"):
        raise ValueError(f'device: expected "cpu" or "cuda", got {device!r}. Remedy: name one, or None.')
    has_gpu = torch.cuda.is_available() if device is None else device == "cuda"
    here = Processes(
        int(os.environ.get("RANK", "0")),
        int(os.environ.get("WORLD_SIZE", "1")),
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else torch.device("cpu"),
    )
    threads_before = torch.get_num_threads()
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    if has_gpu:
        torch.cuda.set_device(here.device)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if has_gpu else "gloo",
        store=None if here.n_ranks > 1 else dist.HashStore(),
        rank=here.rank,
        world_size=here.n_ranks,
        timeout=timedelta(seconds=timeout_seconds),
    )
    try:
        yield here
        _let_go(here)
        dist.barrier()
    finally:
        _let_go(here)  # nothing is left to do unless the block raised
        dist.destroy_process_group()
        torch.set_num_threads(threads_before)


def _let_go(here: Processes) -> None:
    while here._closers:
        here._closers.pop()()
    gc.collect()
