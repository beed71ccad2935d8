"""Where a ranker begins: at what plain rates and the other dense features say, and not at nothing.

On few rows, or with users that training never had, a network over ids is worse than item rate + user rate.
One that begins there, and whose epochs are held against that beginning on validation, is not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from learn_rank.data.dense_features import log_odds
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.metrics.auc import AUC
from learn_rank.rankers.grid import widening_scores
from learn_rank.rankers.start.shrunk_regression import ShrunkRegression, log_likelihood, shrunk_regression
from learn_recall.columns import PCTR, PCVR

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the network that validation chooses from, in every arm alike."""
LEAST_GAIN = 1e-4
"""Of AUC, that any of the network is taken for: less is rounding where it adds next to a constant."""
STRENGTHS = (1e4, 1e3, 1e2, 1e1)
"""How strongly the start may be drawn toward plain rates; wider ones are tried while an edge is the best."""
MOST_STRENGTHS_WIDER = 4
MOST_ROWS = 300_000
"""Rows that a start is fitted on, evenly taken; a few dozen weights need no more."""


class RateStart(nn.Module):
    """A logistic regression of click and conversion on the dense features, fitted once and then kept.

    Definition: ``logit = W x + b``, of the click on all rows, of the conversion on the clicked ones. W and b
    have the largest likelihood on training under a ridge penalty that draws W not to 0 but to the floor,
    "item rate + user rate" (`EncodedRows.floor_weight`), so that a strong one leaves exactly the order of the
    floor. How strong it is, is chosen for each task: that under which training and, by the fit on training,
    validation are most likely together. A task without both kinds of label starts at 0.

    What the network adds to it is taken by a share of each task, 1 while it trains, that `choose_shares` sets
    on validation: where few labels teach a wide network little that holds, little of it is taken.

    Args:
        n_dense: width of the dense features.

    Attributes:
        shares: (2,) of the network in the logits of click and conversion, inside [0, 1].

    Source: the wide part of Wide & Deep (arXiv 1606.07792), here fitted before the deep part and not with it.
    """

    weight: Tensor
    bias: Tensor
    shares: Tensor

    def __init__(self, n_dense: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(2, n_dense))
        self.register_buffer("bias", torch.zeros(2))
        self.register_buffer("shares", torch.ones(2))

    def forward(self, dense: Tensor) -> Tensor:
        """(B, n_dense) -> (B, 2) logits of click and conversion."""
        return functional.linear(dense, self.weight, self.bias)

    def fit(self, rows: EncodedRows, valid: EncodedRows, *, newness_rate: float, seed: int) -> None:
        """Fit on training rows, some of whose items are made new as in training.

        Args:
            rows: of training.
            valid: of validation, which has its say on how far the fit may leave the floor.
            newness_rate: share of the rows (`EncodedRows.batches`).
            seed: of these.
        """
        taken = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64))
        dense = rows.dense[taken].astype(np.float64)
        is_new = np.random.default_rng(seed).random(len(taken)) < newness_rate
        dense[np.ix_(is_new, rows.item_columns)] = rows.unknown_item_dense
        judged = valid.dense.astype(np.float64)
        of_train, of_valid = _tasks(rows.of(taken)), _tasks(valid)
        for at, ((labels, is_asked), (later, is_judged)) in enumerate(zip(of_train, of_valid, strict=True)):
            if len(np.unique(labels[is_asked])) < 2:
                continue
            found = _fitted(
                (dense[is_asked], labels[is_asked]),
                (judged[is_judged], later[is_judged]),
                rows.floor_weight[at].astype(np.float64),
            )
            self.weight[at] = torch.from_numpy(found.weight)
            self.bias[at] = found.bias

    def choose_shares(self, rows: EncodedRows, scores: pd.DataFrame) -> None:
        """Take of `SHARES` those with the best AUC: of the click, and of the conversion on the clicked rows.

        None of the network is taken where no share gains `LEAST_GAIN` on none; of equal shares the largest,
        and 1 where there is nothing to choose by.

        Args:
            rows: of validation.
            scores: ``pctr`` and ``pcvr`` of these rows with all of the network.
        """
        start_B2 = self(torch.from_numpy(rows.dense)).double().numpy()
        for task, (name, (labels, is_asked)) in enumerate(zip((PCTR, PCVR), _tasks(rows), strict=True)):
            self.shares[task] = 1.0
            if name not in scores or len(np.unique(labels[is_asked])) < 2:
                continue
            start = start_B2[is_asked, task]
            of_network = log_odds(scores[name].to_numpy()[is_asked], smallest=1e-7) - start
            aucs = {share: AUC()(labels[is_asked], start + share * of_network).value for share in SHARES}
            best = max(aucs, key=lambda share: aucs[share])
            self.shares[task] = best if aucs[best] > aucs[0.0] + LEAST_GAIN else 0.0


def _tasks(rows: EncodedRows) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Labels of click and of conversion, each with the rows that they count on."""
    is_clicked = (rows.click > 0) & np.isfinite(rows.conversion)
    return (rows.click, np.ones(len(rows), bool)), (rows.conversion, is_clicked)


def _fitted(
    train: tuple[np.ndarray, np.ndarray], valid: tuple[np.ndarray, np.ndarray], floor: np.ndarray
) -> ShrunkRegression:
    """The fit of the strength that validation and the evidence of training choose."""
    fits: dict[float, ShrunkRegression] = {}

    def score(strength: float) -> float:
        begin = fits[min(fits, key=lambda known: abs(np.log(known / strength)))] if fits else None
        fits[strength] = shrunk_regression(*train, floor, strength, begin)
        return fits[strength].log_evidence + log_likelihood(fits[strength].logit(valid[0]), valid[1])

    scores = widening_scores(STRENGTHS, score, most_wider=MOST_STRENGTHS_WIDER)
    return fits[max(scores, key=lambda strength: scores[strength])]
