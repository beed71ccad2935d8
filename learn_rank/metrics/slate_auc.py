"""AUC inside each slate: did the ranker put what was clicked above what was shown beside it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.metrics.base import AdditiveMetric, UserSums, ratio
from learn_rank.metrics.grouped_auc import fold_users
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.metrics.user_codes import UserCodes


@dataclass(frozen=True)
class SlateAUC(AdditiveMetric):
    """Unweighted mean of the AUC of each slate that has rows of both classes.

    Definition: rows of one user and one request are a slate. Each slate with both classes counts 1, whoever
    its user is; a user is skipped if none of his slates has both. Users stay the unit that varies, so
    intervals know that a user's slates are alike.

    Args:
        slate: the column of `columns` that tells the slates of a user apart, whole numbers >= 0; ids beyond
            2^53 or of text are to be numbered first.

    Source: "impression-based" AUC of MIND (Wu et al., ACL 2020) and EB-NeRD (arXiv 2410.03432); also called
    GAUC, grouped by request.

    Example:
        >>> slates = {"request_id": [1, 1, 2, 2, 3, 3]}
        >>> SlateAUC()([1, 0, 1, 0, 1, 0], [2, 1, 1, 2, 3, 1], [7, 7, 7, 7, 8, 8], columns=slates).value
        0.6666666666666666
    """

    slate: str = "request_id"

    @property
    def bounds(self) -> tuple[float, float]:
        """A mean of AUCs lies in 0..1."""
        return 0.0, 1.0

    def user_sums(self, rows: LabelledRows, scores: Any) -> UserSums:
        """The sum of the AUCs of each user's slates, and how many there are.

        Raises:
            ValueError: rows without users, or without the column of the slates.
        """
        users, n_users = rows.known_users(str(self)).compact()
        owner, codes = self._slates(rows, users)
        each = fold_users(
            replace(rows, users=UserCodes(codes, max(owner.size, 1), 0, None), columns={}), scores
        )
        has_both = ~np.isnan(each.auc)
        n_slates = np.bincount(owner, has_both, n_users)
        sums = np.stack([np.bincount(owner, np.where(has_both, each.auc, 0.0), n_users), n_slates])
        n_rows, n_positives = np.bincount(users, minlength=n_users), np.bincount(users, rows.labels, n_users)
        return UserSums(sums, n_slates, n_slates > 0, n_rows, n_positives.astype(np.int64))

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """AUC of the slates over their number."""
        return ratio(sums[0], sums[1])

    def _slates(self, rows: LabelledRows, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The user of each slate, (S,), and the slate of each row, (N,) in 0 .. S - 1."""
        if self.slate not in rows.columns:
            raise ValueError(
                f"columns: {self} needs the column {self.slate!r}, got {sorted(rows.columns) or 'none'}. "
                f"Remedy: pass columns={{{self.slate!r}: ..}}"
            )
        number, found = pd.factorize(rows.columns[self.slate])
        codes, pairs = pd.factorize(users.astype(np.int64) * max(len(found), 1) + number)
        return np.asarray(pairs) // max(len(found), 1), codes


__all__ = ["SlateAUC"]
