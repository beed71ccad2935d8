"""The items whose rows moved most between two rankers: the first place to look for what a lift is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from learn_rank.metrics.input_columns import plain
from learn_rank.metrics.labelled_rows import as_labels
from learn_rank.metrics.user_codes import as_users
from learn_rank.report_kit.rules import PRIOR_ROWS
from learn_recall.columns import CLICK, ITEM_ID, PCTR, USER_ID

GAINED, LOST = "gained", "lost"


class MovedItem(TypedDict):
    """An item, how much better or worse its rows stand among those of their users, and what was predicted.

    `change` is a fraction, as differences are; `n_rows` and all that follows is of the rows that are judged.
    """

    direction: str
    item_id: Any
    change: float
    n_rows: int
    click_rate: float
    baseline_pctr: float
    learn_pctr: float


def moved_items(
    candidate: Sequence[pd.DataFrame], baseline: Sequence[pd.DataFrame], *, n_items: int = 5
) -> list[MovedItem]:
    """The items that gained and lost most in the order of clicks, largest first.

    Definition: a row's place is the share of its user's rows with the other label that it is ordered right
    against (`right_share`); the mean of it over a user's clicked rows is that user's AUC, and so it is over
    the others. An item's change is the sum over its rows of (candidate - baseline), the mean over seeds, by
    the number of its rows + `PRIOR_ROWS`. Rows of users with one label only have no place and do not count.

    Args:
        candidate: a prediction table per training seed; baseline: as many, with the same rows in order.
        n_items: of each direction at most; an item that did not move is in neither.
    """
    table = baseline[0]
    label = as_labels(table[CLICK], CLICK)
    user = as_users(table[USER_ID], len(table)).codes
    new, old = (
        np.mean([right_share(label, one[PCTR].to_numpy(), user) for one in tables], axis=0)
        for tables in (candidate, baseline)
    )
    is_judged = ~np.isnan(old)
    codes, items = pd.factorize(table[ITEM_ID].to_numpy()[is_judged])
    n_rows = np.bincount(codes, minlength=len(items))

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values[is_judged], minlength=len(items))

    change = summed(new - old) / (n_rows + PRIOR_ROWS)
    means = [
        summed(values) / n_rows
        for values in (label.astype(np.float64), *(_mean_pctr(tables) for tables in (baseline, candidate)))
    ]
    found = []
    for direction, sign in ((GAINED, 1.0), (LOST, -1.0)):
        order = np.argsort(-sign * change, kind="stable")[:n_items]
        found += [
            MovedItem(
                direction=direction,
                item_id=plain(items[at]),
                change=float(change[at]),
                n_rows=int(n_rows[at]),
                click_rate=float(means[0][at]),
                baseline_pctr=float(means[1][at]),
                learn_pctr=float(means[2][at]),
            )
            for at in order
            if sign * change[at] > 0
        ]
    return found


def right_share(label: np.ndarray, score: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Of each row, the share of its user's rows with the other label that are on the right side of it.

    Definition: of a clicked row the others below it, of another row the clicked ones above it; a tie counts
    half. The mean over either kind is the user's AUC.

    Args:
        label: (N,) 0/1; score: (N,) finite; user: (N,) codes.

    Returns:
        (N,) in [0, 1], NaN for rows of a user with one label only.

    Example:
        >>> right_share(np.array([1, 0, 0]), np.array([0.3, 0.1, 0.9]), np.zeros(3, int)).tolist()
        [0.5, 1.0, 0.0]
    """
    order = np.lexsort((score, user))
    own, scores, is_click = user[order], score[order], label[order] > 0
    starts_user = np.r_[True, own[1:] != own[:-1]][: len(own)]
    starts_tie = starts_user | np.r_[True, scores[1:] != scores[:-1]][: len(own)]
    share = np.empty(len(own))
    for kind in (True, False):  # of clicked rows, then of the others
        others = np.concatenate([[0], np.cumsum(is_click != kind)])
        first_of_user, first_of_tie = _starts(starts_user), _starts(starts_tie)
        below = others[first_of_tie] - others[first_of_user]
        tied = others[_stops(starts_tie)] - others[first_of_tie]
        n_others = others[_stops(starts_user)] - others[first_of_user]
        with np.errstate(invalid="ignore", divide="ignore"):
            lower = (below + tied / 2) / n_others
        share = np.where(is_click == kind, lower if kind else 1 - lower, share)
    found = np.empty(len(own))
    found[order] = share
    return found


def _mean_pctr(tables: Sequence[pd.DataFrame]) -> np.ndarray:
    return np.asarray(np.mean([table[PCTR].to_numpy(np.float64) for table in tables], axis=0))


def _starts(is_start: np.ndarray) -> np.ndarray:
    """Of each row the position of its group's first."""
    return np.asarray(np.maximum.accumulate(np.where(is_start, np.arange(len(is_start)), 0)))


def _stops(is_start: np.ndarray) -> np.ndarray:
    """Of each row the position behind its group's last."""
    edges = np.append(np.flatnonzero(is_start), len(is_start))
    return edges[np.cumsum(is_start)]


__all__ = ["GAINED", "LOST", "MovedItem", "moved_items", "right_share"]
