"""The progress line of an encode job: texts, tokens per second, time left, share of cut texts."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from learn_recall.terminal.progress import StageProgress


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
        self._bar = StageProgress(
            TextColumn("encode"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            is_shown=is_shown and n_texts > 0,
        )
        self._task = self._bar.add_task("encode, tokens", total=None, words=f"0/{n_texts:,} texts")

    def __enter__(self) -> "EncodeProgress":
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

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
        speed = self._bar.tasks[0].speed
        words = (
            f"{self._done_texts:,}/{self._n_texts:,} texts",
            f"{'-' if speed is None else f'{speed:,.0f}'} tokens/s",
            f"{self._n_truncated / max(self._seen_texts, 1):.1%} cut",
        )
        self._bar.update(self._task, advance=n_tokens, words="  ".join(words))


__all__ = ["EncodeProgress"]
