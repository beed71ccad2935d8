"""Texts as rows of token ids: what an encoder's tokenizer gives and its model takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TokenRows:
    """Texts as token ids.

    Args:
        ids: n rows of token ids, special tokens included, each at most `max_tokens` long.
        is_truncated: (n,) bool, True where the text was longer.
    """

    ids: list[list[int]]
    is_truncated: np.ndarray

    @property
    def n_tokens(self) -> np.ndarray:
        """(n,) int32 lengths of the rows."""
        return np.fromiter(map(len, self.ids), dtype=np.int32, count=len(self.ids))


def rows_of(
    tokenizer: Any, texts: Sequence[str], max_tokens: int, *, is_lower_case: bool = False, **options: Any
) -> TokenRows:
    """The token ids of texts, cut at `max_tokens`.

    Args:
        tokenizer: of transformers.
        texts: n strings; what looks like a special token is read as text.
        max_tokens: special tokens included.
        is_lower_case: whether texts are lower-cased before.
        options: of the tokenizer's call.

    Returns:
        N rows and which were cut.
    """
    if not texts:
        return TokenRows([], np.zeros(0, dtype=bool))
    texts = [text.lower() for text in texts] if is_lower_case else list(texts)
    ids = _token_ids(tokenizer, texts, truncation=True, max_length=max_tokens, **options)
    is_truncated = np.zeros(len(texts), dtype=bool)
    full = [number for number, row in enumerate(ids) if len(row) == max_tokens]
    if full:
        whole = _token_ids(tokenizer, [texts[number] for number in full], truncation=False, **options)
        is_truncated[full] = [len(row) > max_tokens for row in whole]
    return TokenRows(ids, is_truncated)


@dataclass(frozen=True)
class EchoFrame:
    """What stands around the two copies of a text: beginning, text, separator, text.

    Args:
        beginning: the special tokens that the tokenizer puts in front of a text.
        separator: the tokens of a line break.
    """

    beginning: list[int]
    separator: list[int]

    @classmethod
    def of(cls, tokenizer: Any) -> "EchoFrame":
        """The frame of a tokenizer."""
        (plain, line_break), (whole,) = (
            _token_ids(tokenizer, texts, add_special_tokens=adds)
            for texts, adds in ((["a", "\n"], False), (["a"], True))
        )
        places = range(len(whole) if plain else 0)
        start = next((at for at in places if whole[at : at + len(plain)] == plain), 0)
        return cls(whole[:start], line_break)

    @property
    def n_apart(self) -> int:
        """The tokens of a row that belong to neither copy."""
        return len(self.beginning) + len(self.separator)

    def rows_of(self, tokenizer: Any, texts: Sequence[str], max_tokens: int, **options: Any) -> TokenRows:
        """As the function of that name, each text twice; `max_tokens` holds for both copies together."""
        most = (max_tokens - self.n_apart) // 2
        once = rows_of(tokenizer, texts, most, add_special_tokens=False, **options)
        return TokenRows(list(map(self.repeated, once.ids)), once.is_truncated)

    def repeated(self, row: list[int]) -> list[int]:
        """One text's row.

        Example:
            >>> EchoFrame([1], [9]).repeated([5, 6])
            [1, 5, 6, 9, 5, 6]
        """
        return [*self.beginning, *row, *self.separator, *row]


def _token_ids(tokenizer: Any, texts: Sequence[str], **options: Any) -> list[list[int]]:
    return tokenizer(
        list(texts),
        padding=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
        **options,
    )["input_ids"]


__all__ = ["EchoFrame", "TokenRows", "rows_of"]
