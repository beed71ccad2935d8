"""From a batch of store rows to the loss: each distinct item is whitened and adapted once, then gathered.

B users, L history positions, T targets, J and K drawn positions, V distinct items of the batch, H hidden.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from learn_recall.towers.config import LossConfig
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.double_tower import DoubleTower
from learn_recall.towers.loss import dense_all_action_loss, sampled_softmax_loss
from learn_recall.train.batches import SequenceBatch


class Objective:
    """The training loss of a batch.

    ``known_of_row`` (S,) int64 says of each store row which training item it is, -1 = none.

    Args:
        towers: what is trained. table: whitened content.
        train_rows: (n,) int64 store rows of the training items; only they are ever negatives, so that an
            item that is new later was never pushed away. train_counts: (n,) int64 their events.
        config: which loss.
    """

    def __init__(
        self,
        towers: DoubleTower,
        table: ContentTable,
        train_rows: np.ndarray,
        train_counts: np.ndarray,
        config: LossConfig,
    ):
        self.towers = towers
        self.table = table
        self.known_of_row = np.full(table.n_rows, -1, dtype=np.int64)
        self.known_of_row[train_rows] = np.arange(len(train_rows))
        self.train_rows = train_rows
        self.share = train_counts / train_counts.sum()
        self.config = config

    def __call__(self, batch: SequenceBatch, rng: np.random.Generator) -> Tensor:
        """Scalar loss of one batch; ``rng`` draws the negatives."""
        if batch.history_drawn is None or batch.target_drawn is None:
            return self._next_item(batch, rng)
        return self._all_action(batch, batch.history_drawn, batch.target_drawn)

    def _embed(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        whitened_VC = self.table[rows]
        known_V = torch.from_numpy(self.known_of_row[rows]).to(whitened_VC.device)
        return whitened_VC, self.towers.embed_items(whitened_VC, known_V)

    def _next_item(self, batch: SequenceBatch, rng: np.random.Generator) -> Tensor:
        has_target_BL = batch.target >= 0
        target_P = batch.target[has_target_BL]
        candidate_M, log_copies_M = self._candidates(target_P, rng)
        known_P, known_M = self.known_of_row[target_P], self.known_of_row[candidate_M]
        log_expected_N = np.log(self._expected(len(target_P)))
        rows_V = np.unique(np.concatenate([batch.history[has_target_BL], target_P, candidate_M]))
        whitened_VC, embedded_VH = self._embed(rows_V)
        user_BLD = self.towers.users(_gather(embedded_VH, rows_V, batch.history))
        item_W = np.unique(np.concatenate([target_P, candidate_M]))
        is_item_V = torch.from_numpy(np.searchsorted(rows_V, item_W)).to(embedded_VH.device)
        item_WD = self.towers.single_items(whitened_VC[is_item_V], F.embedding(is_item_V, embedded_VH))
        device = item_WD.device
        own_PE = None
        if self.config.masks_own_items:
            own_BE = np.concatenate([batch.history[:, :1], batch.target], axis=1)
            own_PE = torch.from_numpy(own_BE[np.nonzero(has_target_BL)[0]]).to(device)
        bias_N = (1.0 - self.config.logq_strength) * np.log(self.share)
        corrects_positive = self.config.corrects_positive
        return sampled_softmax_loss(
            user_BLD[torch.from_numpy(has_target_BL).to(device)],
            _gather(item_WD, item_W, target_P),
            torch.from_numpy(target_P).to(device),
            _gather(item_WD, item_W, candidate_M),
            torch.from_numpy(candidate_M).to(device),
            candidate_log_expected=_float(log_expected_N[known_M] - log_copies_M, item_WD),
            positive_log_expected=_float(log_expected_N[known_P], item_WD) if corrects_positive else None,
            positive_bias=_float(bias_N[known_P], item_WD),
            candidate_bias=_float(bias_N[known_M], item_WD),
            excluded_ids=own_PE,
            has_excluded=None if own_PE is None else own_PE >= 0,
            temperature=self.towers.temperature,
        )

    def _candidates(self, target_P: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Distinct candidate rows, and the logarithm of each one's number of copies."""
        n_items = len(self.train_rows)
        n_uniform = min(self.config.n_uniform, n_items)
        if n_uniform == n_items:
            drawn = np.arange(n_items)
        else:
            drawn = rng.choice(n_items, n_uniform, replace=False, shuffle=False)
        if self.config.in_batch:
            drawn = np.concatenate([drawn, self.known_of_row[target_P]])
        item_M, copies_M = np.unique(drawn, return_counts=True)
        return self.train_rows[item_M], np.log(copies_M)

    def _expected(self, n_targets: int) -> np.ndarray:
        """(n,) copies of each training item that a draw of candidates holds on average."""
        n_items = len(self.train_rows)
        uniform = min(self.config.n_uniform, n_items) / n_items
        return uniform + (n_targets * self.share if self.config.in_batch else np.zeros(n_items))

    def _all_action(
        self, batch: SequenceBatch, history_drawn: np.ndarray, target_drawn: np.ndarray
    ) -> Tensor:
        target_BK = np.take_along_axis(batch.target, np.maximum(target_drawn, 0), axis=1)
        has_target_BK = (target_drawn >= 0) & (target_BK >= 0)
        is_sequential = self.towers.item_tower.is_sequential
        target = batch.target if is_sequential else target_BK
        rows_V = np.unique(np.concatenate([batch.history[batch.history >= 0], target[target >= 0]]))
        whitened_VC, embedded_VH = self._embed(rows_V)
        user_BLD = self.towers.users(_gather(embedded_VH, rows_V, batch.history))
        if is_sequential:
            whitened_BTC = _gather(whitened_VC, rows_V, target)
            item_BTD = self.towers.items(whitened_BTC, _gather(embedded_VH, rows_V, target))
            item_BKD = _take(item_BTD, target_drawn)
        else:
            item_VD = self.towers.single_items(whitened_VC, embedded_VH)
            item_BKD = _gather(item_VD, rows_V, target_BK)
        device = embedded_VH.device
        return dense_all_action_loss(
            _take(user_BLD, history_drawn),
            item_BKD,
            torch.from_numpy(target_BK).to(device),
            has_user=torch.from_numpy(history_drawn >= 0).to(device),
            has_target=torch.from_numpy(has_target_BK).to(device),
            temperature=self.towers.temperature,
        )


def _gather(values: Tensor, rows_V: np.ndarray, rows: np.ndarray) -> Tensor:
    """values (V, ...) of the distinct ``rows_V``, laid out as ``rows``; padding (-1) shows any item's
    values.
    """
    index = np.searchsorted(rows_V, np.where(rows >= 0, rows, rows_V[0]))
    return F.embedding(torch.from_numpy(index).to(values.device), values)


def _take(values_BLD: Tensor, position_BJ: np.ndarray) -> Tensor:
    index_BJ1 = torch.from_numpy(np.maximum(position_BJ, 0)).to(values_BLD.device)[:, :, None]
    return values_BLD.gather(1, index_BJ1.expand(-1, -1, values_BLD.shape[-1]))


def _float(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)
