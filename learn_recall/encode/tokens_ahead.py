"""The tokens of the next shard, made in a thread of their own while the model works on this one.

Fast tokenizers compute outside of Python's lock, so that tokenising costs a GPU nothing, and a CPU only what
it takes from the model's cores. One shard is ahead and no more: memory holds the texts of two. What comes out
does not depend on the time it took, for a shard's tokens are a function of its texts alone.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from learn_recall.encoder.token_rows import TokenRows


@dataclass(frozen=True)
class ShardTokens:
    """The texts of a shard and their tokens.

    Args:
        texts: n strings.
        rows: their n rows of token ids.
    """

    texts: list[str]
    rows: TokenRows


class TokensAhead:
    """Shards read and tokenised, one of them ahead of its use; a context manager.

    Args:
        read: gives the texts of a shard by its number.
        tokenize: gives the tokens of texts; never called from two threads at once.

    Example:
        >>> import numpy as np
        >>> def tokenize(texts):
        ...     return TokenRows([[len(text)] for text in texts], np.zeros(len(texts), dtype=bool))
        >>> with TokensAhead(lambda number: ["red"] * number, tokenize) as ahead:
        ...     ahead.begin(2)
        ...     ahead.take(2).rows.ids, ahead.take(1).rows.ids
        ([[3], [3]], [[3]])
    """

    def __init__(self, read: Callable[[int], list[str]], tokenize: Callable[[list[str]], TokenRows]) -> None:
        self._read, self._tokenize = read, tokenize
        self._thread = ThreadPoolExecutor(1, "tokens")
        self._ahead: tuple[int, Future[ShardTokens]] | None = None

    def __enter__(self) -> "TokensAhead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def begin(self, number: int) -> None:
        """Start on the tokens of a shard in the background, in place of what was begun and not taken."""
        self._ahead = number, self._thread.submit(self._tokens, number)

    def take(self, number: int) -> ShardTokens:
        """The tokens of a shard: those begun, once they are there, or else made now.

        Raises:
            Exception: what reading or tokenising this shard raised, in whichever thread.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] != number:
            return self._thread.submit(self._tokens, number).result()
        return ahead[1].result()

    def _tokens(self, number: int) -> ShardTokens:
        texts = self._read(number)
        return ShardTokens(texts, self._tokenize(texts))


__all__ = ["ShardTokens", "TokensAhead"]
