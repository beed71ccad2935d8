"""What a bucket holds: rows, users, and why users are skipped."""

from __future__ import annotations

import numpy as np

from learn_rank.metrics.auc import UAUC
from learn_rank.metrics.grouped_auc import PerUserAUC


def count_users(per_user: PerUserAUC, uauc: UAUC) -> dict[str, int]:
    """Counts users by what UAUC makes of them.

    Returns:
        n_rows; n_positives, rows with label 1; n_users; n_one_class_users, whose rows (of weight above 0) all
        have the same label; n_few_rows_users, with both labels but fewer rows than `uauc.min_rows`;
        n_scored_users; n_scored_rows, the rows of these.
    """
    is_one_class = np.isnan(per_user.auc)
    is_scored = uauc.fold(per_user).is_scored
    return {
        "n_rows": int(per_user.n_rows.sum()),
        "n_positives": int(per_user.n_positives.sum()),
        "n_users": len(per_user),
        "n_one_class_users": int(is_one_class.sum()),
        "n_few_rows_users": int((~is_one_class & ~is_scored).sum()),
        "n_scored_users": int(is_scored.sum()),
        "n_scored_rows": int(per_user.n_rows[is_scored].sum()),
    }
