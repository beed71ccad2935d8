"""`RankerByHead`: clicks from one trained ranker, conversions from another."""

from __future__ import annotations

from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from learn_rank.rankers.scores import Scores


class RankerByHead(nn.Module):
    """Two trained rankers as one: what `auto` chose where one of them is better at one head alone.

    Args:
        click: whose click logit is served.
        conversion: whose logit of conversion given a click is served.
    """

    def __init__(self, click: nn.Module, conversion: nn.Module) -> None:
        super().__init__()
        self.click, self.conversion = click, conversion

    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """Score B rows with both, and take a head from each."""
        clicked, converted = self.click(sparse, dense), self.conversion(sparse, dense)
        return Scores(clicked.ctr_logit, converted.cvr_logit, None)


__all__ = ["RankerByHead"]
