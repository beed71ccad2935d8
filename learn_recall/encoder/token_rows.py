"""Texts as rows of token ids: what an encoder's tokenizer gives and its model takes."""

from dataclasses import dataclass

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
