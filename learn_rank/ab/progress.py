"""How far a simulation is, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from learn_recall.terminal.progress import StageProgress

WORLD_WORDS = {
    "ab": "users split",
    "a": "all control",
    "b": "all treatment",
    "pre": "before the test",
    "replica": "another fit",
}


@contextmanager
def day_progress(total: int, what: str = "simulated days") -> Iterator[Callable[[str], None]]:
    """Yield what `run_ab` calls after each day; told on standard error.

    Args:
        total: how many days there will be, `n_simulated_days`.
        what: is simulated.
    """
    with StageProgress(transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda world: bar.update(task, advance=1, description=f"{what} ({WORLD_WORDS[world]})")


__all__ = ["WORLD_WORDS", "day_progress"]
