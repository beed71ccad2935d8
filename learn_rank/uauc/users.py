"""How the AUC of single users is distributed, and between two models the difference of each user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from learn_rank.metrics.auc import UAUC, WUAUC
from learn_rank.metrics.grouped_auc import PerUserAUC

STEPS = 20  # a bar every .05, with 0, .5 and 1 in the middle of theirs
FEW_ROWS = 10
WIDTHS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
REACH = 15  # bars on either side of no difference


def user_view(per_user: Mapping[str, PerUserAUC], uauc: UAUC, wuauc: WUAUC) -> dict[str, Any]:
    """`distribution` of each model, and `differences` under "difference" where there is a baseline."""
    found: dict[str, Any] = {model: distribution(users, uauc, wuauc) for model, users in per_user.items()}
    if "baseline" in per_user:
        found["difference"] = differences(per_user["candidate"], per_user["baseline"], uauc, wuauc)
    return found


def distribution(per_user: PerUserAUC, uauc: UAUC, wuauc: WUAUC) -> dict[str, Any]:
    """The distribution of per-user AUC over the users that `uauc` scores.

    Args:
        per_user: all users of a model.
        uauc: says who is scored.
        wuauc: says what a user weighs in `share_of_weight`.

    Returns:
        n_users, n_scored; covered_rows, the share of the rows that belong to scored users; mean and
        weighted_mean (UAUC and WUAUC); below_half, at_0, at_half, at_1, with_few_rows (up to `FEW_ROWS`), as
        shares of the scored users; share_of_users and share_of_weight, 21 shares of the AUCs around 0, .05,
        .. 1. None where there is nothing to divide by.
    """
    is_scored, weight = uauc.fold(per_user).is_scored, wuauc.fold(per_user).weight
    auc, weight = per_user.auc[is_scored], weight[is_scored]
    place = np.floor(auc * STEPS + 0.5).astype(np.int64)
    n_rows = int(per_user.n_rows.sum())
    return {
        "n_users": len(per_user),
        "n_scored": int(auc.size),
        "covered_rows": int(per_user.n_rows[is_scored].sum()) / n_rows if n_rows else None,
        "mean": _share(auc, np.ones(auc.size)),
        "weighted_mean": _share(auc, weight),
        "below_half": _share(auc < 0.5),
        "at_0": _share(auc == 0),
        "at_half": _share(auc == 0.5),
        "at_1": _share(auc == 1),
        "with_few_rows": _share(per_user.n_rows[is_scored] <= FEW_ROWS),
        "share_of_users": _shares(place, np.ones(auc.size), STEPS + 1),
        "share_of_weight": _shares(place, weight, STEPS + 1),
    }


def differences(candidate: PerUserAUC, baseline: PerUserAUC, uauc: UAUC, wuauc: WUAUC) -> dict[str, Any]:
    """The distribution of candidate - baseline per scored user, both on the same rows.

    Returns:
        n_better, n_equal, n_worse users; weight_better, weight_equal, weight_worse, their shares of WUAUC's
        weight; mean; width of a bar; share_of_users and share_of_weight, 31 shares around -15 .. 15 widths,
        users without any difference left out; all beyond lies in the first and the last.
    """
    is_scored, weight = uauc.fold(candidate).is_scored, wuauc.fold(candidate).weight
    change, weight = (candidate.auc - baseline.auc)[is_scored], weight[is_scored]
    signs = {"better": change > 0, "equal": change == 0, "worse": change < 0}
    is_moved = change != 0
    size = float(np.quantile(np.abs(change[is_moved]), 0.95)) if is_moved.any() else 0.0
    width = next((width for width in reversed(WIDTHS) if size <= width * (REACH - 3)), WIDTHS[0])
    place = (np.clip(np.floor(change / width + 0.5), -REACH, REACH) + REACH).astype(np.int64)
    all_users, all_weight = np.ones(change.size), float(weight.sum())
    moved_weight = np.where(is_moved, weight, 0.0)
    return {
        **{f"n_{word}": int(chosen.sum()) for word, chosen in signs.items()},
        **{f"weight_{word}": _share(chosen, weight) for word, chosen in signs.items()},
        "mean": _share(change, all_users),
        "width": width,
        "share_of_users": _shares(place, is_moved.astype(float), 2 * REACH + 1, float(change.size)),
        "share_of_weight": _shares(place, moved_weight, 2 * REACH + 1, all_weight),
    }


def _share(values: np.ndarray, weight: np.ndarray | None = None) -> float | None:
    """Weighted mean, None where nothing weighs."""
    counted = np.ones(values.size) if weight is None else weight
    total = counted.sum()
    return float((values * counted).sum() / total) if total > 0 else None


def _shares(
    place: np.ndarray, weight: np.ndarray, n_places: int, total: float | None = None
) -> list[float] | None:
    whole = float(weight.sum()) if total is None else total
    return (np.bincount(place, weight, minlength=n_places) / whole).tolist() if whole > 0 else None


def count_users(per_user: PerUserAUC, uauc: UAUC) -> dict[str, int]:
    """Count users by what UAUC makes of them.

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
