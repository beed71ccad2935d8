"""Full ranking with strict ties: where the target stands among all items, as counts that metrics are made
of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from learn_recall.terminal.progress import track_steps

_USERS_AT_ONCE = 512


@dataclass(frozen=True)
class Ranks:
    """Of each target: how many items score higher, how many others score the same, and the k best items.

    n_higher, n_equal: (n,) int64. top: (n, k) int64 item rows, best first; -1 where fewer than k items are
    allowed.
    """

    n_higher: np.ndarray
    n_equal: np.ndarray
    top: np.ndarray

    def recall(self, k: int) -> np.ndarray:
        """Expected hit in the first k when tied items are put in random order, (n,) float64 in [0, 1]."""
        return np.clip(k - self.n_higher, 0, self.n_equal + 1) / (self.n_equal + 1)

    def ndcg(self, k: int) -> np.ndarray:
        """Expected ``1 / log2(1 + rank)`` of a target within the first k, ties in random order, (n,)
        float64.
        """
        gain = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))])
        first, last = np.minimum(self.n_higher, k), np.minimum(self.n_higher + self.n_equal + 1, k)
        return (gain[last] - gain[first]) / (self.n_equal + 1)


def rank_targets(
    users: Tensor,
    items: Tensor,
    targets: np.ndarray,
    *,
    exclude: Callable[[slice], np.ndarray] | None = None,
    k: int = 10,
    progress: str = "",
) -> Ranks:
    """Rank each target among all items by dot product in float32.

    Items with bitwise equal vectors get bitwise equal scores, so that they tie and are no free hits.

    Args:
        users: (n, D) float.
        items: (N, D) float.
        targets: (n,) int64 rows of ``items``.
        exclude: gives, for a slice of the n rows, the items to take out of the ranking (its history): (n, m)
            int64 rows of ``items``, -1 = padding; a target among them stays in.
        k: length of the list of best items; 0 = none, which is faster.
        progress: what the work is called in progress that is shown; empty shows none.

    Raises:
        ValueError: shapes that do not fit.
    """
    n_targets, n_items = len(targets), len(items)
    if users.shape[0] != n_targets or users.shape[1] != items.shape[1]:
        raise ValueError(
            f"users: expected shape ({n_targets}, {items.shape[1]}) to fit targets and items; got "
            f"{tuple(users.shape)}"
        )
    distinct, inverse = np.unique(items.cpu().numpy(), axis=0, return_inverse=True)
    has_equal = len(distinct) < n_items
    item_ND = torch.from_numpy(distinct).to(items) if has_equal else items
    spread = torch.from_numpy(inverse.reshape(-1)).to(items.device)

    def scores(part: slice) -> Tensor:
        score_BN = users[part].float() @ item_ND.float().T
        return score_BN[:, spread] if has_equal else score_BN

    return rank_scores(scores, targets, n_items, exclude=exclude, k=k, progress=progress)


@torch.no_grad()
def rank_scores(
    scores: Callable[[slice], Tensor],
    targets: np.ndarray,
    n_items: int,
    *,
    exclude: Callable[[slice], np.ndarray] | None = None,
    k: int = 10,
    progress: str = "",
) -> Ranks:
    """Rank each target among all items by whatever gives scores; `rank_targets` says the rest.

    Args:
        scores: gives, for a slice of the n rows, the scores of all items: (b, N) float, a new tensor each
            time.
        targets: (n,) int64 items.
        n_items: N.
        exclude, k, progress: as in `rank_targets`.
    """
    higher, equal, top = [], [], []
    starts = range(0, len(targets), _USERS_AT_ONCE)
    for start in track_steps(starts, progress, len(starts), is_shown=progress != ""):
        part = slice(start, min(start + _USERS_AT_ONCE, len(targets)))
        score_BN = scores(part)
        target_B1 = torch.from_numpy(targets[part]).to(score_BN.device)[:, None]
        own_B1 = score_BN.gather(1, target_B1)
        if exclude is not None:
            column_BM = torch.from_numpy(exclude(part)).to(score_BN.device)
            column_BM = torch.where(column_BM < 0, target_B1, column_BM)  # the target is restored next
            score_BN.scatter_(1, column_BM, -torch.inf)
            score_BN.scatter_(1, target_B1, own_B1)
        higher.append((score_BN > own_B1).sum(1))
        equal.append((score_BN == own_B1).sum(1) - 1)
        if k > 0:
            best = score_BN.topk(min(k, n_items), dim=1)
            top.append(torch.where(best.values == -torch.inf, -1, best.indices))
        else:
            top.append(torch.zeros(len(score_BN), 0, dtype=torch.int64))
    if not higher:
        return Ranks(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, min(k, n_items)), np.int64))
    return Ranks(*(torch.cat(part).cpu().numpy() for part in (higher, equal, top)))
