"""Batches of token rows under a token budget: texts of like length together, little padding."""

import math

import numpy as np

_FULL_ENOUGH = 0.5  # share of the budget from which on a batch takes no text that would have to be padded


def token_budget_batches(n_tokens: np.ndarray, *, batch_tokens: int) -> list[np.ndarray]:
    """Cut texts into batches whose padded size stays within a budget.

    Definition: longest first (ties in the given order), each batch takes as many texts as
    `longest * count <= batch_tokens` allows, and at least one; from half of the budget on it takes only
    texts as long as its longest. So most batches have no padding, and attention needs no mask. The cut
    depends on the arguments alone.

    Args:
        n_tokens: (n,) exact token counts.
        batch_tokens: padded tokens in a batch; a single longer text is a batch of its own.

    Returns:
        Arrays of row numbers; together every row once.

    Raises:
        ValueError: the budget is not a positive integer.

    Example:
        >>> [batch.tolist() for batch in token_budget_batches(np.array([3, 9, 4, 4]), batch_tokens=8)]
        [[1], [2, 3], [0]]
    """
    if batch_tokens < 1:
        raise ValueError(f"batch_tokens: expected at least 1, got {batch_tokens}. Remedy: 2048 suits a CPU")
    order = np.argsort(-np.asarray(n_tokens, dtype=np.int64), kind="stable")
    falling = -np.asarray(n_tokens, dtype=np.int64)[order]
    batches, start = [], 0
    while start < len(order):
        longest = max(-int(falling[start]), 1)
        shorter = int(np.searchsorted(falling, falling[start], side="right"))
        enough = start + math.ceil(_FULL_ENOUGH * batch_tokens / longest)
        stop = min(start + max(batch_tokens // longest, 1), max(shorter, enough))
        batches.append(order[start:stop])
        start = stop
    return batches


def pad_rows(rows: list[list[int]], *, pad_id: int, padding_side: str) -> tuple[np.ndarray, np.ndarray]:
    """Token rows as one rectangle.

    Args:
        rows: B rows of token ids, of any lengths, 0 included.
        pad_id: what fills the rest; hidden by the mask, so any valid id gives the same vectors.
        padding_side: "right" or "left".

    Returns:
        (B, L) int64 ids and (B, L) bool `has_token`, L the longest row and at least 1.
    """
    width = max(1, *map(len, rows))
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    has_token = np.zeros((len(rows), width), dtype=bool)
    for number, row in enumerate(rows):
        start = width - len(row) if padding_side == "left" else 0
        ids[number, start : start + len(row)] = row
        has_token[number, start : start + len(row)] = True
    return ids, has_token


__all__ = ["pad_rows", "token_budget_batches"]
