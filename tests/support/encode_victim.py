"""Runs the encode job in children that are killed with SIGKILL at named places; used by test_encode_job.py.

`main` plays scenarios (see `Scenario`), each in a folder of its own: its children die where it says, and
where none has finished the job another one runs undisturbed. The parent does the job once, on one thread, so
that forking it is safe; its children inherit the model and the result of the parity check, which would cost
more than all that they encode.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import torch

from learn_recall.encode import (
    finish as encode_finish,
)
from learn_recall.encode import (
    identity as encode_identity,
)
from learn_recall.encode import (
    job as encode,
)
from learn_recall.encode import (
    shards as encode_job,
)
from learn_recall.encode import (
    start as encode_start,
)
from learn_recall.encode import (
    work_folder as encode_work,
)
from learn_recall.encoder.text_encoder import TextEncoder

SETTINGS = {
    "template": "short",
    "shard_size": 7,
    "batch_tokens": 30,
    "dtype": "float32",
    "store_dtype": "float32",  # float16 would round away what another batch composition does to a vector
    "progress": False,
    "claim_seconds": 5.0,
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


def remember(owner: object, name: str, key: Callable[..., Hashable]) -> None:
    """Replace a function by one that works once for each key of its arguments."""
    original, known = getattr(owner, name), {}

    def remembered(*args, **options):
        asked = key(*args, **options)
        if asked not in known:
            known[asked] = original(*args, **options)
        return known[asked]

    setattr(owner, name, remembered)


PLACES = {
    "before-parity": lambda: wrap(encode_identity, "check_parity", before=die),
    "first-batch": lambda: wrap(TextEncoder, "_encode_batch", before=die),
    "seventh-batch": lambda: wrap(TextEncoder, "_encode_batch", call=7, before=die),
    "second-shard-half-written": lambda: wrap(Path, "write_bytes", call=2, before=half_written),
    "after-third-shard": lambda: wrap(encode_job, "write_shard", call=3, after=die),
    "while-planning": lambda: wrap(encode_start, "make_plan", before=die),
    "before-plan-is-in-place": lambda: wrap(encode_start, "fsync_tree", before=die),
    "before-store": lambda: wrap(encode_finish, "write_store_stream", before=die),
    "before-clean-up": lambda: wrap(encode_work.WorkFolder, "remove", before=die),
    "amid-clean-up": lambda: wrap(encode_work, "remove", before=die),
    "nowhere": lambda: None,
}


class Scenario:
    """Children on one store: which die, and where.

    Args:
        name: `PLACE`, `PLACE+PLACE+...` for children side by side, or `random-N`: one child that is killed
            at the N-th of some random moments of an undisturbed run.
        arguments: Model, items and folder.
        run_seconds: What an undisturbed run takes.
    """

    def __init__(self, name: str, model: str, items: str, folder: Path, run_seconds: float = 0.0) -> None:
        self.name, self._model, self._items, self._out = name, model, items, folder / name
        self._places = ["nowhere"] if name.startswith("random-") else name.split("+")
        self._kill_after = None
        if name.startswith("random-"):
            moments = random.Random(11).choices(range(1000), k=100)
            self._kill_after = run_seconds * moments[int(name.removeprefix("random-"))] / 1000

    def play(self) -> float:
        """Run the children to their ends; then one undisturbed, if none has finished. Give the seconds."""
        start = time.monotonic()
        children = {self._fork(place): place for place in self._places}
        if self._kill_after is not None:
            time.sleep(self._kill_after)
            os.kill(next(iter(children)), signal.SIGKILL)
        codes = []
        while children:  # in the order of their ends: one that is not waited for would count as alive
            child, status = os.wait()
            place, code = children.pop(child), os.waitstatus_to_exitcode(status)
            must_live = place == "nowhere" and self._kill_after is None
            may_live = place == "nowhere" or len(self._places) > 1  # another may have done its part before
            expected = {0} if must_live else {0, -signal.SIGKILL} if may_live else {-signal.SIGKILL}
            if code not in expected:
                raise SystemExit(f"{self.name}, {place}: expected exit {expected}, got {code}")
            codes.append(code)
        seconds = time.monotonic() - start
        if 0 not in codes:
            Scenario("nowhere", self._model, self._items, self._out.parent)._into(self._out).play()
        return seconds

    def _into(self, out: Path) -> "Scenario":
        self._out = out
        return self

    def _fork(self, place: str) -> int:
        child = os.fork()
        if child == 0:
            try:
                PLACES[place]()
                encode.encode_items(self._items, self._out, encoder=self._model, **SETTINGS)
            finally:
                os._exit(1 if sys.exc_info()[0] is not None else 0)
        return child


def main(model: str, items: str, folder: str, *names: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    remember(TextEncoder, "load", lambda *args, **options: repr((args, options)))
    remember(encode_identity, "check_parity", lambda encoder, sample: tuple(sample))
    with tempfile.TemporaryDirectory() as scratch:  # what is imported late is imported once
        encode.encode_items(items, Path(scratch) / "store", encoder=model, **SETTINGS)
    seconds = 0.0
    for name in names:
        taken = Scenario(name, model, items, Path(folder), seconds).play()
        if name == "nowhere":
            seconds = taken
