"""Stages of a run: each leaves a stamp, so a run that was killed goes on where it was and redoes nothing."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from learn_rank.report_kit.provenance import time_words
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import read_json, remove, write_json


@dataclass
class Stages:
    """Runs stages in order and remembers what each was made from.

    A stage's stamp holds the hash of its settings and of the stage before it. The same stamp, finished: the
    stage is skipped. The same stamp, begun: the stage goes on from what it left. Another stamp: what the
    stage left is removed and it starts anew, and so do all after it.

    Attributes:
        folder: of the run, where the stamps lie.
        console: where progress is told.
        n_stages: for "[2/7]".
    """

    folder: RunFolder
    console: Console
    n_stages: int
    seconds: dict[str, float] = field(default_factory=dict)
    _previous: str = ""
    _number: int = 0

    def run(
        self,
        name: str,
        settings: Mapping[str, Any],
        outputs: tuple[Path, ...],
        action: Callable[[], None],
        *,
        always: bool = False,
    ) -> None:
        """Do a stage unless it is done.

        Args:
            name: shown, and the stamp's file name.
            settings: everything that decides the result, JSON.
            outputs: paths that the stage makes.
            action: does the work; must go on from its own partial outputs.
            always: call it even when finished, for a stage that decides piece by piece what is left to do.
        """
        self._number += 1
        label = f"[bold]\\[{self._number}/{self.n_stages}] {name}[/bold]"
        text = json.dumps([self._previous, name, settings], sort_keys=True, default=str)
        stamp = hashlib.sha256(text.encode()).hexdigest()
        self._previous = stamp
        path = self.folder.stamp_of(name)
        known = read_json(path) if path.is_file() else {}
        is_same = known.get("stamp") == stamp
        is_finished = bool(known.get("is_finished"))
        started = {"started": known["started"] if is_same and "started" in known else time_words()}
        if not always and is_same and is_finished and all(out.exists() for out in outputs):
            self.seconds[name] = known.get("seconds", 0.0)
            self.console.print(f"{label}: done before, kept")
            return
        if not is_same:
            for out in outputs:
                remove(out)
                remove(out.with_name(f"{out.name}.work"))
            write_json(path, {"stamp": stamp, "is_finished": False, "settings": dict(settings), **started})
            self.console.print(label)
        else:
            self.console.print(label if is_finished else f"{label}: going on where it stopped")
        began = time.perf_counter()
        action()
        before = known.get("seconds", 0.0) if is_same and is_finished else 0.0
        self.seconds[name] = round(before + time.perf_counter() - began, 1)
        write_json(
            path,
            {
                "stamp": stamp,
                "is_finished": True,
                "settings": dict(settings),
                "seconds": self.seconds[name],
                **started,
            },
        )
        self.console.print(f"    {self.seconds[name]:.1f} s")
