"""Rows that follow one another and are alike: the candidates of one request."""

from __future__ import annotations

import torch
from torch import Tensor


def row_runs(differs: Tensor) -> tuple[Tensor, Tensor]:
    """Where the runs of equal rows begin, and the run of each row.

    Args:
        differs: (B - 1,) bool, whether each row but the first differs from the one before it; B at least 1.

    Returns:
        (R,) first row of each run, and (B,) the number of each row's run.
    """
    is_new_B = torch.cat([differs.new_ones(1), differs])
    return is_new_B.nonzero()[:, 0], is_new_B.cumsum(0) - 1


def run_slices(first: Tensor, n_rows: int) -> list[slice]:
    """The rows of each run: (R,) first rows and B -> R slices."""
    starts = first.tolist()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n_rows], strict=True)]
