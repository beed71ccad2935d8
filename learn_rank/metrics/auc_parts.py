"""Where a pooled AUC lies: in the order inside buckets, or in the order of buckets against each other.

An AUC inside each bucket cannot see that all scores of a bucket moved, up or down: whoever pushes every new
item below every old one changes no bucket's own AUC, and may lose most of the pooled one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learn_rank.metrics.base import ratio
from learn_rank.metrics.buckets import bucket_codes
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.metrics.score_ordinals import score_ordinals


@dataclass(frozen=True, eq=False)
class AUCParts:
    """Pairs of a positive and a negative row by the bucket of each.

    Attributes:
        names: (K,) buckets.
        won: (K, K) won pairs, ties half; the positive row's bucket first, the negative row's second.
        pairs: (K, K) all pairs.
    """

    names: tuple[str, ...]
    won: np.ndarray
    pairs: np.ndarray

    @property
    def auc(self) -> float:
        """The pooled AUC; NaN without rows of both classes."""
        return float(ratio(self.won.sum(), self.pairs.sum()))

    @property
    def by_pair(self) -> np.ndarray:
        """(K, K) AUC of the pairs of each cell, on the diagonal that inside the bucket; NaN without pairs."""
        return ratio(self.won, self.pairs)

    @property
    def parts(self) -> np.ndarray:
        """(K, K) what each cell adds to the pooled AUC; the sum of all is `auc`."""
        return ratio(self.won, self.pairs.sum())

    @property
    def within(self) -> float:
        """What pairs inside one bucket add to the pooled AUC."""
        return float(ratio(self.won.trace(), self.pairs.sum()))

    @property
    def between(self) -> float:
        """What pairs across two buckets add to the pooled AUC."""
        return float(ratio(self.won.sum() - self.won.trace(), self.pairs.sum()))


@dataclass(frozen=True, eq=False)
class AUCChange:
    """One score's pooled AUC minus another's on the same rows, taken apart.

    Definition: with W' and W the won pairs of the two scores and n the number of all pairs, a cell's part is
    (W'_ab - W_ab) / n. ``total = within + between``, and the parts of all cells add up to it: won pairs are
    half-integers, so nothing is lost but the rounding of one division.

    Attributes:
        names: (K,) buckets.
        parts: (K, K) part of each cell, the positive row's bucket first.
    """

    names: tuple[str, ...]
    parts: np.ndarray

    @property
    def total(self) -> float:
        """The change of the pooled AUC."""
        return self.within + self.between

    @property
    def within(self) -> float:
        """By another order inside buckets."""
        return float(self.parts.trace())

    @property
    def between(self) -> float:
        """By another order of buckets against each other."""
        return float(self.parts[~np.eye(len(self.names), dtype=bool)].sum())


def auc_parts(
    labels: Any, scores: Any, buckets: Any, *, names: Sequence[str] | None = None, weights: Any = None
) -> AUCParts:
    """Count the won pairs of the pooled AUC by the buckets of their two rows, in one sort and K passes.

    Definition: ``won_ab = sum over positive p in a, negative n in b of ([s_p > s_n] + 1/2 [s_p = s_n])``.

    Args:
        labels: (N,) 0/1.
        scores: (N,) finite numbers; only their order matters.
        buckets: (N,) bucket name of each row.
        names: as in `learn_rank.metrics.buckets.bucketed`.
        weights: (N,) row weights >= 0; None: all 1.

    Raises:
        ValueError: bad rows or scores, or a bucket outside ``names``.

    Example:
        >>> found = auc_parts([1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1], ["old", "old", "new", "new"])
        >>> found.names, found.won.tolist()
        (('new', 'old'), [[1.0, 0.0], [1.0, 1.0]])
        >>> found.auc, found.within, found.between
        (0.75, 0.5, 0.25)
    """
    rows = LabelledRows.of(labels, weights=weights)
    code, shown = bucket_codes(buckets, len(rows), names)
    ordinal = score_ordinals(as_scores(scores, len(rows)))
    order = np.argsort(ordinal, kind="stable")
    code, is_positive, ordinal = code[order], rows.labels[order] == 1, ordinal[order]
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights[order]
    start, stop = _ties(ordinal)
    own, n_buckets = code[is_positive], len(shown)
    positive = np.bincount(own, weight[is_positive], minlength=n_buckets)
    won, negative = np.zeros((n_buckets, n_buckets)), np.zeros(n_buckets)
    for at in range(n_buckets):
        is_other = ~is_positive & (code == at)
        below = np.concatenate([[0.0], np.cumsum(weight * is_other)])
        beaten = (below[start] + below[stop]) / 2
        won[:, at] = np.bincount(own, (weight * beaten)[is_positive], minlength=n_buckets)
        negative[at] = weight[is_other].sum()
    return AUCParts(shown, won, np.outer(positive, negative))


def auc_change(new: AUCParts, old: AUCParts) -> AUCChange:
    """Take the change of the pooled AUC from one score to another apart.

    Args:
        new: `auc_parts` of the one score.
        old: of the other, on the same rows.

    Raises:
        ValueError: other buckets, or other rows.

    Example:
        >>> labels, buckets = [1, 0, 1, 0], ["old", "old", "new", "new"]
        >>> old = auc_parts(labels, [0.9, 0.4, 0.8, 0.3], buckets)
        >>> new = auc_parts(labels, [0.9, 0.4, 0.2, 0.1], buckets)  # new items pushed down, their order kept
        >>> change = auc_change(new, old)
        >>> change.total, change.within, change.between
        (-0.25, 0.0, -0.25)
    """
    if new.names != old.names or not np.array_equal(new.pairs, old.pairs):
        raise ValueError(
            f"new, old: expected two scores of the same rows and buckets, got {list(new.names)} with "
            f"{new.pairs.sum():g} pairs and {list(old.names)} with {old.pairs.sum():g}. Remedy: score one "
            "table with both"
        )
    return AUCChange(new.names, ratio(new.won - old.won, new.pairs.sum()))


def _ties(ordinal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) first row, and the one behind the last, of the rows with the score of each, in sorted order."""
    is_first = np.concatenate([[True], ordinal[1:] != ordinal[:-1]])[: ordinal.size]
    first = np.flatnonzero(is_first)
    run = np.cumsum(is_first) - 1
    return first[run], np.append(first[1:], ordinal.size)[run]
