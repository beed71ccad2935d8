"""The progress line of an encode job: texts, tokens per second, time left, share of cut texts."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class EncodeProgress:
    """Progress in tokens, whose total is estimated from characters and corrected as the job goes.

    Args:
        n_characters: characters of all texts that are still to be encoded.
        n_texts: how many texts that is.
        console: where to draw; None is standard error.
        is_shown: False draws nothing.
    """

    def __init__(self, n_characters: int, n_texts: int, *, console: Console | None, is_shown: bool) -> None:
        self._n_characters, self._n_texts = n_characters, n_texts
        self._seen_characters = self._seen_texts = self._seen_tokens = self._n_truncated = 0
        self._done_texts = 0
        self._bar = Progress(
            TextColumn("encode"),
            BarColumn(),
            TextColumn(
                "{task.fields[texts]} texts  {task.fields[rate]} tokens/s  {task.fields[cut]:.1%} cut"
            ),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True) if console is None else console,
            disable=not is_shown or n_texts == 0,
        )
        self._task = self._bar.add_task("encode", total=None, texts=f"0/{n_texts:,}", rate="-", cut=0.0)

    def __enter__(self) -> "EncodeProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start_shard(self, n_texts: int, n_characters: int, n_tokens: int, n_truncated: int) -> None:
        """Say what the next shard holds: the estimate of the total becomes better with each."""
        self._seen_texts += n_texts
        self._seen_characters += n_characters
        self._seen_tokens += n_tokens
        self._n_truncated += n_truncated
        total = self._seen_tokens * self._n_characters / max(self._seen_characters, 1)
        self._bar.update(self._task, total=total)

    def skip(self, n_texts: int, n_characters: int) -> None:
        """Take texts out of what is left: another process has encoded them."""
        self._n_texts -= n_texts
        self._n_characters -= n_characters
        if self._seen_characters:
            self._bar.update(self._task, total=self._seen_tokens * self._n_characters / self._seen_characters)

    def advance(self, n_texts: int, n_tokens: int) -> None:
        """Count a batch that is done."""
        self._done_texts += n_texts
        self._bar.advance(self._task, n_tokens)
        speed = self._bar.tasks[0].speed
        self._bar.update(
            self._task,
            texts=f"{self._done_texts:,}/{self._n_texts:,}",
            rate="-" if speed is None else f"{speed:,.0f}",
            cut=self._n_truncated / max(self._seen_texts, 1),
        )


__all__ = ["EncodeProgress"]
