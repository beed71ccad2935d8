"""What the verbs of both commands share: words of options, the line they print, device and threads."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from learn_recall.terminal.choices import DEVICES

CONTENT_HELP = "Folder of the content store that `encode` wrote."
TOWERS_HELP = "Folder that `train` wrote."
INTERACTIONS_HELP = (
    "user_id, item_id, and timestamp (unix seconds) or position (0 = oldest of the user); parquet, "
    "csv(.gz), jsonl(.gz)."
)

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where models compute: cpu, cuda, cuda:1. Default: the GPU where torch sees one, else the CPU.",
        autocompletion=DEVICES,
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", help="CPU threads. Default: all cores, or OMP_NUM_THREADS.")
]


def say(text: str) -> None:
    """Print one line as it is."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def use_threads(threads: int | None) -> None:
    """Give torch, numpy and all other libraries that many threads; None leaves it to them.

    Raises:
        ValueError: fewer than one. More than there are cores is said, and done.
    """
    if threads is None:
        return
    if threads < 1:
        raise ValueError(f"--threads: expected 1 or more, got {threads}. Remedy: leave it out for all cores.")
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads > n_cores:
        Console(stderr=True).print(
            f"--threads {threads}: more than the {n_cores} core{'' if n_cores == 1 else 's'} here, so they "
            "will wait for each other.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))  # what is loaded from here on
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(threads)
    if "numpy" in sys.modules and find_spec("threadpoolctl") is not None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


def compute_device(device: str | None) -> str:
    """The device to compute on: as asked, else this process's GPU where torch sees one, else the CPU.

    Raises:
        ValueError: no such device here.
    """
    if device == "cpu":
        return device
    if device is not None and not re.fullmatch(r"cuda(:\d+)?", device):
        raise ValueError(
            f"--device: expected cpu, cuda or cuda:NUMBER, got {device!r}. Remedy: leave it out, and the "
            "GPU is taken where there is one."
        )
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is None:
        rank = int(os.environ.get("LOCAL_RANK", "-1"))  # of torchrun
        return "cpu" if not n_devices else "cuda" if rank < 0 else f"cuda:{rank % n_devices}"
    if int(device.partition(":")[2] or 0) >= n_devices:
        got = f"{n_devices} of them" if n_devices else "none"
        raise ValueError(
            f"--device {device}: expected a GPU of that number that torch can use, got {got}. Remedy: leave "
            "--device out for what there is; `learn-rank doctor` says why torch does not see a GPU."
        )
    return device
