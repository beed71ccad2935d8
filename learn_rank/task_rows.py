"""Which of the kept rows belong to a window, and which of those to a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from learn_rank.kept_rows import COLUMNS


def task_rows(
    rows: dict[str, Tensor | None], task: int, chosen: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Scores, labels, users and weights of one task's rows: the chosen ones whose weight is not 0."""
    scores, labels, users, weights = (rows[name] for name in COLUMNS)
    if scores is None or labels is None or users is None:
        return torch.empty(0), torch.empty(0, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), None
    chosen = chosen.to(scores.device)
    weight = None if weights is None else weights[task, chosen]
    if weight is not None:
        chosen, weight = chosen[weight != 0], weight[weight != 0]
        weight = None if bool((weight == 1).all()) else weight
    return scores[task, chosen], labels[task, chosen], users[chosen], weight


def last_rows(shards: Sequence[int], window: int) -> Tensor:
    """Positions of each shard's last `window` rows, where shards lie one after the other."""
    ends = torch.tensor(shards).cumsum(0).tolist()
    return torch.cat(
        [torch.arange(end - min(size, window), end) for size, end in zip(shards, ends, strict=True)]
    )
