"""Where a ranker begins: at what plain rates and the other dense features say, and not at nothing.

On few rows, or with users that training never had, a network over ids is worse than item rate + user rate.
One that begins there, and whose epochs are held against that beginning on validation, is not.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from learn_rank.data.dense_features import log_odds
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.metrics.auc import AUC
from learn_recall.columns import PCTR, PCVR

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the network that validation chooses from, in every arm alike."""
MOST_ROWS = 1_000_000
"""Rows that a start is fitted on, evenly taken; a few dozen weights need no more."""


class RateStart(nn.Module):
    """A logistic regression of click and conversion on the dense features, fitted once and then kept.

    Definition: ``logit = W x + b`` with W and b of the largest likelihood on training, under a weak ridge
    penalty: of the click on all rows, of the conversion on the clicked ones. As the rates come as log-odds,
    "item rate + user rate" is one of the functions that it can be. A task without both kinds of label starts
    at 0.

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

    def fit(self, rows: EncodedRows, *, newness_rate: float, seed: int) -> None:
        """Fit on training rows, some of whose items are made new as in training.

        Args:
            rows: of training.
            newness_rate: share of the rows (`EncodedRows.batches`).
            seed: of these.
        """
        taken = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64))
        dense = rows.dense[taken].astype(np.float64)
        is_new = np.random.default_rng(seed).random(len(taken)) < newness_rate
        dense[np.ix_(is_new, rows.item_columns)] = rows.unknown_item_dense
        click, conversion = rows.click[taken], rows.conversion[taken]
        for at, (labels, is_asked) in enumerate(
            ((click, np.ones(len(taken), bool)), (conversion, (click > 0) & np.isfinite(conversion)))
        ):
            found = _regression(dense[is_asked], labels[is_asked])
            if found is not None:
                self.weight[at] = torch.from_numpy(found[0])
                self.bias[at] = found[1]

    def choose_shares(self, rows: EncodedRows, scores: pd.DataFrame) -> None:
        """Take of `SHARES` those with the best AUC: of the click, and of the conversion on the clicked rows.

        Of equal ones the largest is taken, and 1 where there is nothing to choose by.

        Args:
            rows: of validation.
            scores: ``pctr`` and ``pcvr`` of these rows with all of the network.
        """
        start_B2 = self(torch.from_numpy(rows.dense)).double().numpy()
        is_clicked = rows.click > 0
        is_judged = is_clicked & np.isfinite(rows.conversion)
        asked = ((PCTR, rows.click, np.ones(len(rows), bool)), (PCVR, rows.conversion, is_judged))
        for task, (name, labels, is_asked) in enumerate(asked):
            self.shares[task] = 1.0
            if name not in scores or len(np.unique(labels[is_asked])) < 2:
                continue
            start = start_B2[is_asked, task]
            of_network = log_odds(scores[name].to_numpy()[is_asked], smallest=1e-7) - start
            aucs = {share: AUC()(labels[is_asked], start + share * of_network).value for share in SHARES}
            self.shares[task] = max(aucs, key=lambda share: aucs[share])


def _regression(dense: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float] | None:
    if len(np.unique(labels)) < 2:
        return None
    if dense.shape[1] == 0:
        rate = float(labels.mean())
        return np.zeros(0), float(np.log(rate / (1 - rate)))
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - slow to load, and only here
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: the network goes on from there
        fitted = LogisticRegression(C=1.0, max_iter=200).fit(dense, labels)
    return fitted.coef_[0], float(fitted.intercept_[0])
