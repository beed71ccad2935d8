"""How far long work is: a bar in a terminal; in a log, a notebook or under nohup a line now and then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

EVERY_SECONDS = 30.0
LEAST_SECONDS = 5.0  # a stage that was over sooner says nothing
T = TypeVar("T")


class StageProgress(Progress):
    """Rich's progress, which also speaks where there is no terminal to draw in.

    Definition: in a terminal, rich's bar. Elsewhere a line of each task, at most one in `every_seconds` and
    one at its end: what is done, the share, the time taken and the time left (as the time so far tells).
    A task field `words` is added to the line.

    Args:
        columns: of the bar; by default description, bar, count, time taken and time left.
        console: where both go; None is standard error.
        is_shown: False shows nothing anywhere.
        every_seconds: the least time between two lines of a task.
        options: as in rich.

    Example:
        >>> import sys
        >>> ticks = iter(range(0, 10_000, 20))  # the clock
        >>> with StageProgress(console=Console(file=sys.stdout), get_time=lambda: next(ticks)) as bar:
        ...     task = bar.add_task("encode", total=4)
        ...     for _ in range(4):
        ...         bar.advance(task)  # doctest: +ELLIPSIS
        encode: 25 % (1 of 4), 0:... so far, 0:... left
        ...
        encode: done (4 of 4) in 0:...
    """

    def __init__(
        self,
        *columns: str | ProgressColumn,
        console: Console | None = None,
        is_shown: bool = True,
        every_seconds: float = EVERY_SECONDS,
        **options: Any,
    ) -> None:
        where = Console(stderr=True) if console is None else console
        drawn = columns or (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        super().__init__(*drawn, console=where, disable=not is_shown or not where.is_terminal, **options)
        self.every_seconds = every_seconds
        self._tells = is_shown and not where.is_terminal and not where.quiet
        self._told_at: dict[TaskID, float] = {}

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """See rich."""
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """See rich."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; each task that was long enough for a line says that it is done, unless an error came."""
        super().__exit__(kind, error, trace)
        if self._tells and kind is None:
            for task in self.tasks:
                seconds = task.elapsed or 0.0
                if task.completed and (task.id in self._told_at or seconds >= LEAST_SECONDS):
                    self._say(f"{_name(task)}: done ({_count(task)}) in {_time(seconds)}")

    def _tell(self, task_id: TaskID) -> None:
        if not self._tells:
            return
        task = self._tasks[task_id]
        now = self.get_time()
        since = self._told_at.get(task_id, task.start_time)
        if since is None or now - since < self.every_seconds or task.finished:
            return
        self._told_at[task_id] = now
        seconds = task.elapsed or 0.0
        parts = [f"{_count(task)}, {_time(seconds)} so far"]
        if task.total and task.completed:
            left = seconds * max(task.total - task.completed, 0.0) / task.completed
            parts = [f"{task.percentage:.0f} % ({_count(task)}), {_time(seconds)} so far, {_time(left)} left"]
        if task.fields.get("words"):
            parts.append(str(task.fields["words"]))
        self._say(f"{_name(task)}: {'; '.join(parts)}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def track_steps(
    steps: Iterable[T],
    what: str,
    n_steps: int | None,
    *,
    console: Console | None = None,
    is_shown: bool = True,
) -> Iterator[T]:
    """Yield the steps and tell how many are done.

    Args:
        steps: of the work.
        what: the work.
        n_steps: how many there are; None where that is not known.
        console: see `StageProgress`.
        is_shown: False tells nothing.
    """
    with StageProgress(console=console, is_shown=is_shown, transient=True) as bar:
        task = bar.add_task(what, total=n_steps)
        for step in steps:
            yield step
            bar.advance(task)


def _name(task: Task) -> str:
    return task.description.strip() or "work"


def _count(task: Task) -> str:
    done = f"{task.completed:,.0f}"
    return done if task.total is None else f"{done} of {task.total:,.0f}"


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


__all__ = ["EVERY_SECONDS", "StageProgress", "track_steps"]
