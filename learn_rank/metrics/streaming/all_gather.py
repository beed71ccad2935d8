"""The rows of all ranks on every rank, also where some ranks have none."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from learn_rank.metrics.streaming.row_buffer import COLUMNS, FLOATS, Kept, joined, n_kept


def gather_rows(
    kept: Kept, gather: Callable[[Tensor], list[Tensor]], device: torch.device, leading: tuple[int, ...] = ()
) -> tuple[dict[str, list[Tensor]], list[int]]:
    """Rows of all ranks, also where ranks hold different numbers of rows, other dtypes, or none at all.

    The ranks first tell each other how many rows they have and in which dtypes, so that a rank without rows
    takes part in every exchange with an empty tensor of the right kind.

    Args:
        kept: this rank's rows.
        gather: tensor -> the tensors of all ranks, whose last dimensions may differ.
        device: where the process group exchanges tensors.
        leading: the dimensions of scores, labels and weights before the rows'.

    Returns:
        (lists of one tensor each, or empty ones where no rank has rows; rows of each rank).

    Raises:
        ValueError: on every rank: row weights on some ranks but not on others.
    """
    local = joined(kept)
    card = torch.tensor([n_kept(kept), _code(local["scores"]), _code(local["weights"])], device=device)
    cards = torch.stack(gather(card))
    n_rows = cards[:, 0].tolist()
    if not any(n_rows):
        return {name: [] for name in COLUMNS}, n_rows
    has_weights = cards[cards[:, 0] > 0, 2] > 0
    if has_weights.any() and not has_weights.all():
        raise ValueError(
            "weights: expected on every rank or on none, got both. Remedy: pass ones where there is no weight"
        )
    dtypes = {"labels": torch.uint8, "users": torch.int64, "scores": FLOATS[int(cards[:, 1].max()) - 1]}
    if has_weights.any():
        dtypes["weights"] = FLOATS[int(cards[:, 2].max()) - 1]
    rows: dict[str, list[Tensor]] = {name: [] for name in COLUMNS}
    for name, dtype in dtypes.items():
        column = local[name]
        if column is None:
            column = torch.empty((0,) if name == "users" else (*leading, 0), dtype=dtype)
        rows[name] = [torch.cat(gather(column.to(device, dtype)), dim=-1)]
    return rows, n_rows


def _code(column: Tensor | None) -> int:
    return 0 if column is None else FLOATS.index(column.dtype) + 1
