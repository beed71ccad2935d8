"""The encode job under faults: whatever happens, the finished store has the bytes of an undisturbed run.

    python benchmarks/encode_faults.py --kills 20 --json faults.json

Made items and a small model. Every process of the job is forked from one that has imported everything, so
that the moments of the kills fall into the job and not into the imports. The faults:

* kill -9 at a random moment of a run, again and again on the same store until it is done, `--kills` times;
* two workers and then four on one folder; two of which one is killed at a random moment;
* a disk of few megabytes (a tmpfs where this user may mount one, else a limit on the size of a file), made
  larger afterwards;
* one bit flipped in each of three finished shards, one shard cut, between a kill and the rerun;
* an out-of-memory error for every batch above a size: halved, so compared by cosine and not by bytes.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.encode_job import save_small_model, write_items
from learn_recall.encode.job import EncodeError, encode_items
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.store import EmbeddingStore

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
SETTINGS: dict[str, Any] = {"dtype": "float32", "shard_size": 64, "batch_tokens": 512, "progress": False}


@dataclass(frozen=True)
class Outcome:
    """What became of one fault.

    Args:
        fault: Its name.
        happened: How often it struck, in words.
        is_same: Whether the store has the bytes of the undisturbed run.
        note: What else was measured.
    """

    fault: str
    happened: str
    is_same: bool
    note: str = ""


class Stage:
    """Items, model and the undisturbed store; runs the job in children.

    Args:
        folder: Where all of it lies.
        n_items: Of the job.
        seed: Of the moments and places of the faults.
    """

    def __init__(self, folder: Path, n_items: int, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.items, self.model = (
            write_items(folder / "items.parquet", n_items),
            save_small_model(folder / "model"),
        )
        TextEncoder.load(self.model, device="cpu").encode(
            ["red ring"]
        )  # what is imported late is imported once
        start = time.monotonic()
        self.expect(self.fork(folder / "whole"), 0)
        self.run_seconds = time.monotonic() - start
        self.whole = bytes_of(folder / "whole")

    def fork(self, out: Path, before: Callable[[], None] | None = None, **options: Any) -> int:
        """Start the job in a child; `before` runs in it first."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if before is not None:
                    before()
                encode_items(self.items, out, encoder=self.model, **{**SETTINGS, **options})
                code = 0
            except EncodeError as error:
                print(f"  said: {str(error)[:160]}", file=sys.stderr)
                code = 3
            finally:
                os._exit(code)
        return child

    def expect(self, child: int, *codes: int) -> int:
        """Wait for a child; its exit code must be one of these."""
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in codes:
            raise SystemExit(f"a child: expected exit {codes}, got {code}")
        return code

    def killed(self, out: Path, moment: float) -> bool:
        """Run the job and kill it after so many seconds; True if it was not done by then."""
        child = self.fork(out)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        return self.expect(child, 0, -signal.SIGKILL) != 0

    def is_whole(self, out: Path) -> bool:
        """Tell whether a store has the bytes of the undisturbed one and nothing lies beside it."""
        return bytes_of(out) == self.whole and not out.with_name(out.name + ".work").exists()


def bytes_of(store: Path) -> dict[str, bytes]:
    """Give the files of a store."""
    return {file.name: file.read_bytes() for file in store.iterdir()}


def kills(stage: Stage, n_kills: int) -> Outcome:
    """Kill until enough kills have struck; every store that gets done is compared."""
    struck, stores, is_same = 0, 0, True
    while struck < n_kills:
        out = stage.folder / f"killed-{stores}"
        while struck < n_kills and stage.killed(out, stage.random.uniform(0, stage.run_seconds)):
            struck += 1
        stage.expect(stage.fork(out), 0)
        is_same, stores = is_same and stage.is_whole(out), stores + 1
    return Outcome("kill -9 at random moments", f"{struck} kills", is_same, f"{stores} stores compared")


def workers(stage: Stage, n_workers: int, *, kill_one: bool) -> Outcome:
    """Some workers on one folder, one of them killed half-way."""
    out = stage.folder / f"workers-{n_workers}-{kill_one}"
    children = [stage.fork(out) for _ in range(n_workers)]
    note = ""
    if kill_one:
        time.sleep(stage.random.uniform(0.2, 0.6) * stage.run_seconds)
        os.kill(children[0], signal.SIGKILL)
        code = stage.expect(children.pop(0), 0, -signal.SIGKILL)
        note = "it was at work" if code else "it was done already"
    for child in children:
        stage.expect(child, 0)
    name = f"{n_workers} workers" + (", one killed" if kill_one else "")
    return Outcome(name, "once", stage.is_whole(out), note)


def full_disk(stage: Stage) -> Outcome:
    """A disk that is full before the job is done, then larger."""
    mount = stage.folder / "small"
    mount.mkdir()
    n_bytes = sum(map(len, stage.whole.values()))
    size = f"size={int(n_bytes * 1.5)}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", mount], check=False, capture_output=True
    )
    if mounted.returncode:
        return _limited_files(stage)
    try:
        with _no_check_of_room():
            stage.expect(stage.fork(mount / "store"), 3)
        kept = len(list((mount / "store.work").glob("shard-*")))
        subprocess.run(["mount", "-o", f"remount,size={n_bytes * 8}", mount], check=True)
        stage.expect(stage.fork(mount / "store"), 0)
        is_same = stage.is_whole(mount / "store")
    finally:
        subprocess.run(["umount", mount], check=True)
    return Outcome("full disk (tmpfs), then made larger", "once", is_same, f"{kept} shards were kept")


def _limited_files(stage: Stage) -> Outcome:
    out = stage.folder / "limited"

    def limit() -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (len(stage.whole["vectors.npy"]) // 2, resource.RLIM_INFINITY)
        )

    stage.expect(stage.fork(out, before=limit), 3)
    kept = len(list(out.with_name("limited.work").glob("shard-*")))
    stage.expect(stage.fork(out), 0)
    return Outcome("limit on a file's size", "once", stage.is_whole(out), f"{kept} shards were kept")


class _no_check_of_room:
    """The job would refuse to start on a disk that is too small; here it is to find out on the way."""

    def __enter__(self) -> None:
        from learn_recall.encode import job as encode

        self._check, encode.check_room = encode.check_room, lambda *arguments: None

    def __exit__(self, *error: object) -> None:
        from learn_recall.encode import job as encode

        encode.check_room = self._check


def damaged(stage: Stage) -> Outcome:
    """Bits flipped and a file cut while the job is dead."""
    out, n_damaged = stage.folder / "damaged", 0
    while not n_damaged:
        if not stage.killed(out, stage.random.uniform(0.5, 0.9) * stage.run_seconds):
            out = out.with_name(out.name + "-again")
            continue
        shards = sorted(out.with_name(out.name + ".work").glob("shard-*"))[:4]
        for number, path in enumerate(shards):
            data = bytearray(path.read_bytes())
            place = stage.random.randrange(len(data) * 8)
            data[place // 8] ^= 1 << place % 8
            path.write_bytes(data if number < 3 else data[: len(data) // 2])
            n_damaged += 1
    stage.expect(stage.fork(out), 0)
    return Outcome("flipped bits, a cut shard", f"{n_damaged} shards", stage.is_whole(out))


def out_of_memory(stage: Stage) -> Outcome:
    """Batches above 8 rows do not fit."""
    out = stage.folder / "memory"

    def small_machine() -> None:
        original = TextEncoder._encode_batch

        def encode(self: TextEncoder, rows: list[list[int]]) -> np.ndarray:
            if len(rows) > 8:
                raise torch.OutOfMemoryError("out of memory")
            return original(self, rows)

        TextEncoder._encode_batch = encode  # type: ignore[method-assign]

    stage.expect(stage.fork(out, before=small_machine), 0)
    found = EmbeddingStore.open(out).vectors.astype(np.float64)
    whole = EmbeddingStore.open(stage.folder / "whole").vectors.astype(np.float64)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(whole, axis=1)
    lowest = float(((found * whole).sum(axis=1) / norms).min())
    n_same = int((found == whole).all(axis=1).sum())
    return Outcome(
        "batches of more than 8 rows do not fit",
        "every batch",
        bytes_of(out) == stage.whole,
        f"lowest cosine {lowest:.6f}; {n_same} of {len(found)} vectors have the same bytes",
    )


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    items: Annotated[int, typer.Option(help="Made items.")] = 4000,
    n_kills: Annotated[int, typer.Option("--kills", help="How many kills have to strike.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the moments and places of the faults.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Where to work; default a temporary folder.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the outcomes there.")] = None,
) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)  # a process that forks must not have threads
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        stage = Stage(Path(name), items, seed)
        print(f"{items} items in shards of 64; an undisturbed run takes {stage.run_seconds:.1f} s")
        print("| fault | struck | same bytes | |\n|---|---|---|---|")
        for play in (
            lambda: kills(stage, n_kills),
            lambda: workers(stage, 2, kill_one=False),
            lambda: workers(stage, 4, kill_one=False),
            lambda: workers(stage, 2, kill_one=True),
            lambda: full_disk(stage),
            lambda: damaged(stage),
            lambda: out_of_memory(stage),
        ):
            outcome = play()
            outcomes.append(outcome)
            said = "yes" if outcome.is_same else "no"
            print(f"| {outcome.fault} | {outcome.happened} | {said} | {outcome.note} |", flush=True)
    if json_out is not None:
        json_out.write_text(
            json.dumps([asdict(each) for each in outcomes], indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    app()
