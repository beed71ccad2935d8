"""`RankerByHead`: each head from the one of two trained rankers that was chosen for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from learn_rank.data.newness import UNKNOWN
from learn_rank.fusion.row_ids import row_ids
from learn_rank.rankers.scores import Scores
from learn_recall.columns import ITEM_ID

ITEMS = NONE, ALL, KNOWN, NEW = "none", "all", "known", "new"


class RankerByHead(nn.Module):
    """Two trained rankers as one that serves: what `auto` chose where neither of them is the better alone.

    Args:
        base: the ranker without the plugin.
        fused: the ranker with it.
        click: items whose click logit is that of `fused`: "none", "all", "known" (training had rows of the
            item) or "new" (it had none).
        conversion: items whose logit of conversion is that of `fused`.
        n_known: items that training had rows of, whose codes are 1 to `n_known`; behind them lie those that
            the host knows from its users' histories alone. None: every code but the unknown one is known.

    Raises:
        ValueError: other words for the items.
    """

    def __init__(
        self, base: nn.Module, fused: nn.Module, *, click: str, conversion: str, n_known: int | None = None
    ) -> None:
        super().__init__()
        for name, items in (("click", click), ("conversion", conversion)):
            if items not in ITEMS:
                raise ValueError(f"{name}: expected one of {list(ITEMS)}, got {items!r}. Remedy: choose one.")
        self.base, self.fused = base, fused
        self.click, self.conversion, self.n_known = click, conversion, n_known

    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """Score B rows with both, and take each logit from the one that was chosen for it."""
        base, fused = self.base(sparse, dense), self.fused(sparse, dense)

        def chosen(items: str, of_base: Tensor, of_fused: Tensor) -> Tensor:
            if items in (NONE, ALL):
                return of_base if items == NONE else of_fused
            code = row_ids(sparse, ITEM_ID)[0]
            is_new = code <= UNKNOWN  # -1 where a row names no item
            if self.n_known is not None:
                is_new = is_new | (code > self.n_known)
            return torch.where(is_new if items == NEW else ~is_new, of_fused, of_base)

        ctr_logit = chosen(self.click, base.ctr_logit, fused.ctr_logit)
        if base.cvr_logit is None:
            return Scores(ctr_logit, None, None)
        return Scores(ctr_logit, chosen(self.conversion, base.cvr_logit, fused.cvr_logit), None)


__all__ = ["ALL", "ITEMS", "KNOWN", "NEW", "NONE", "RankerByHead"]
