"""What a bucket holds: rows, users, and why users are skipped."""

from __future__ import annotations

from typing import Any

import numpy as np

from learn_rank.metrics import UAUC
from learn_rank.rows import Rows


def count_users(rows: Rows, uauc: UAUC) -> dict[str, int]:
    """Counts the users of some rows by what UAUC makes of them.

    Returns:
        n_rows; n_positives, rows with label 1; n_users; n_one_class_users, whose rows all have the same
        label; n_few_rows_users, with both labels but fewer rows than `uauc.min_rows`; n_scored_users;
        n_scored_rows, the rows of these. A label counts where its rows weigh more than 0.
    """
    user, n_users = rows.known_users(str(uauc)).compact()
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    positive = np.bincount(user, weight * rows.labels, minlength=n_users)
    negative = np.bincount(user, weight * (1 - rows.labels.astype(np.int64)), minlength=n_users)
    n_rows = np.bincount(user, minlength=n_users)
    has_both = (positive > 0) & (negative > 0)
    is_scored = has_both & (n_rows >= uauc.min_rows)
    return {
        "n_rows": len(rows),
        "n_positives": int(rows.labels.sum()),
        "n_users": n_users,
        "n_one_class_users": int((~has_both).sum()),
        "n_few_rows_users": int((has_both & ~is_scored).sum()),
        "n_scored_users": int(is_scored.sum()),
        "n_scored_rows": int(n_rows[is_scored].sum()),
    }


def reliability(bin_of_row: np.ndarray, rows: Rows, prob: np.ndarray) -> list[dict[str, Any]]:
    """Mean probability and observed rate of each bin that has weight, from small to large probabilities."""
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    held, predicted, observed = (
        np.bincount(bin_of_row, values) for values in (weight, weight * prob, weight * rows.labels)
    )
    n_rows = np.bincount(bin_of_row)
    return [
        {
            "predicted": predicted[at] / held[at],
            "observed": observed[at] / held[at],
            "n_rows": int(n_rows[at]),
        }
        for at in np.flatnonzero(held > 0)
    ]
