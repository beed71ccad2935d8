"""What a ranker says of its rows, and the losses that train it on their labels. B rows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.fusion.learn_feature_fusion import FusionOutput

LOSS_KINDS = ("esmm", "shared_bottom", "ctr")


class Scores(NamedTuple):
    """(B,) logits of click and of conversion given a click, and what the plugin gave (None without it).

    A ranker of clicks alone has no ``cvr_logit``. ``host`` is what the host says without the plugin, where
    the ranker keeps the two apart and the host has a loss of its own (`learn_rank.rankers.beside`).
    """

    ctr_logit: Tensor
    cvr_logit: Tensor | None
    fusion: FusionOutput | None
    host: Scores | None = None

    @property
    def ctcvr(self) -> Tensor:
        """(B,) probability of click and conversion, on the entire space."""
        return torch.sigmoid(self.ctr_logit) * torch.sigmoid(_conversion_logit(self))


def ranking_loss(scores: Scores, click: Tensor, conversion: Tensor, *, kind: str) -> Tensor:
    """Click loss plus conversion loss.

    Args:
        scores: of a ranker's forward.
        click: (B,) 0 or 1.
        conversion: (B,) 0 or 1; anything where not clicked.
        kind: "esmm": cross-entropy of pCTR x pCVR against click x conversion, on all rows;
            "shared_bottom": cross-entropy of pCVR on clicked rows, summed over them and divided by B;
            "ctr": clicks alone, for data without conversions and rankers without a second head.

    Raises:
        ValueError: a kind that needs the conversion's logit, of a ranker that gives none.

    Source: ESMM (arXiv 1804.07931), equation 3.
    """
    label = torch.where(click > 0, conversion, torch.zeros_like(conversion))
    click_loss = functional.binary_cross_entropy_with_logits(scores.ctr_logit, click)
    if kind == "ctr":
        return click_loss
    cvr_logit = _conversion_logit(scores)
    if kind == "esmm":
        # in logarithms, and 1 - pq as (1 - p) + p (1 - q): exact, and with a gradient, where pq rounds to 1
        log_click = functional.logsigmoid(scores.ctr_logit)
        log_joint = log_click + functional.logsigmoid(cvr_logit)
        log_rest = torch.logaddexp(
            functional.logsigmoid(-scores.ctr_logit), log_click + functional.logsigmoid(-cvr_logit)
        )
        return click_loss - (label * log_joint + (1 - label) * log_rest).mean()
    by_row = functional.binary_cross_entropy_with_logits(cvr_logit, label, reduction="none")
    return click_loss + (by_row * click).mean()


def _conversion_logit(scores: Scores) -> Tensor:
    if scores.cvr_logit is None:
        raise ValueError(
            'cvr_logit: expected a logit of conversion, got None. Remedy: use kind="ctr", or give the ranker '
            "a second output."
        )
    return scores.cvr_logit
