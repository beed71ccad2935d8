"""Runs the encode job in children that are killed with SIGKILL at named places; used by test_encode_job.py.

Usage: encode_victim.py MODEL ITEMS FOLDER PLACE... For each place one child is killed there, then a second
one runs undisturbed, into FOLDER/PLACE. The parent warms up once, on one thread, so that forking it is safe.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from learn_recall import content_shards, encode, encode_job
from learn_recall.encoder import TextEncoder

SETTINGS = {
    "template": "short",
    "shard_size": 7,
    "batch_tokens": 30,
    "dtype": "float32",
    "store_dtype": "float32",  # float16 would round away what another batch composition does to a vector
    "progress": False,
}


def die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_written(path: Path, data: bytes) -> int:
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.fsync(file.fileno())
    die()
    return 0


def wrap(
    owner: object, name: str, *, call: int = 1, before: Callable | None = None, after: Callable | None = None
):
    """Replace a function by one that dies before or after its n-th call."""
    original, calls = getattr(owner, name), [0]

    def wrapped(*args, **options):
        calls[0] += 1
        if calls[0] == call and before is not None:
            before(*args)
        result = original(*args, **options)
        if calls[0] == call and after is not None:
            after()
        return result

    setattr(owner, name, wrapped)


PLACES = {
    "first-batch": lambda: wrap(TextEncoder, "_encode_batch", before=die),
    "seventh-batch": lambda: wrap(TextEncoder, "_encode_batch", call=7, before=die),
    "second-shard-half-written": lambda: wrap(Path, "write_bytes", call=2, before=half_written),
    "after-third-shard": lambda: wrap(encode_job, "write_shard", call=3, after=die),
    "before-store": lambda: wrap(encode, "write_store", before=die),
    "between-store-and-texts": lambda: wrap(encode, "write_store", after=die),
    "before-clean-up": lambda: wrap(encode, "move_texts", call=2, after=die),
    "nowhere": lambda: None,
}


def run(place: str, model: str, items: str, out: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            PLACES[place]()
            encode.encode_items(pd.read_json(items, dtype=False), out, encoder=model, **SETTINGS)
        finally:
            os._exit(1 if sys.exc_info()[0] is not None else 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    expected = 0 if place == "nowhere" else -signal.SIGKILL
    if status != expected:
        raise SystemExit(f"{place}: expected exit {expected}, got {status}")


def main(model: str, items: str, folder: str, *places: str) -> None:
    assert content_shards.write_shard is encode_job.write_shard
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    TextEncoder.load(model, device="cpu").encode(["red ring"])  # what is imported late is imported once
    for place in places:
        out = Path(folder) / place
        if place != "nowhere":
            run(place, model, items, out)
        run("nowhere", model, items, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
