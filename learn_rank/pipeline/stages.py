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
    stage left is removed and it starts anew, and so do all after it; what changed is told.

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
        inputs: Mapping[str, str] | None = None,
        first: Callable[[], None] | None = None,
    ) -> None:
        """Do a stage unless it is done.

        Args:
            name: shown, and the stamp's file name.
            settings: everything that decides the result, JSON.
            outputs: paths that the stage makes.
            action: does the work; must go on from its own partial outputs.
            always: call it even when finished, for a stage that decides piece by piece what is left to do.
            inputs: hash by name of files that the settings only name: where one is another than the stage was
                made from, it starts anew. A stage from before hashes were kept is taken as made from these.
            first: called before the folder is touched, of a stage that is not done: what it raises leaves the
                folder as it was.
        """
        self._number += 1
        label = f"[bold]\\[{self._number}/{self.n_stages}] {name}[/bold]"
        text = json.dumps([self._previous, name, settings], sort_keys=True, default=str)
        stamp = hashlib.sha256(text.encode()).hexdigest()
        self._previous = stamp
        path = self.folder.stamp_of(name)
        known = read_json(path) if path.is_file() else {}
        files = {} if inputs is None else dict(inputs)
        is_same = known.get("stamp") == stamp and known.get("inputs", files) == files
        kept = {"inputs": files} if files else {}
        is_finished = bool(known.get("is_finished"))
        started = {"started": known["started"] if is_same and "started" in known else time_words()}
        if not always and is_same and is_finished and all(out.exists() for out in outputs):
            self.seconds[name] = known.get("seconds", 0.0)
            if files and "inputs" not in known:
                write_json(path, {**known, **kept})
            self.console.print(f"{label}: done before, kept")
            return
        why = _anew(known, {"settings": dict(settings), **kept})
        if is_same:
            why = "" if is_finished else ": going on where it stopped"
        self.console.print(f"{label}{why}")
        began = time.perf_counter()
        if first is not None:
            first()
        if not is_same:
            for out in outputs:
                remove(out)
                remove(out.with_name(f"{out.name}.work"))
            write_json(
                path, {"stamp": stamp, "is_finished": False, "settings": dict(settings), **kept, **started}
            )
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
                **kept,
                **started,
            },
        )
        self.console.print(f"    {self.seconds[name]:.1f} s")


def _anew(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why a stage is not kept, for its line; nothing where there was none."""
    if not before:
        return ""
    leaves = [
        {**_leaves(made.get("settings", {})), **_leaves(made.get("inputs", {}))} for made in (before, now)
    ]
    names = [name for name in {**leaves[0], **leaves[1]} if leaves[0].get(name) != leaves[1].get(name)]
    return f": made anew, since {', '.join(names) if names else 'an earlier stage'} changed"


def _leaves(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The settings by dotted name, as JSON reads them back."""
    found: dict[str, Any] = {}
    for name, value in json.loads(json.dumps(settings, default=str)).items():
        found |= _leaves(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found
