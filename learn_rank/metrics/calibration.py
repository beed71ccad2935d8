"""How far predicted probabilities are from what happened: PCOC, log loss, normalised entropy, ECE.

Unlike the AUCs these read the scores as probabilities, so scores outside 0..1 are refused.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from learn_rank.metrics.base import AdditiveMetric, MetricResult, UserSums, ratio
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores


class CalibrationMetric(AdditiveMetric):
    """A metric of probabilities: every row adds to totals, every user is scored."""

    @abstractmethod
    def sums_by(
        self, label: np.ndarray, prob: np.ndarray, weight: np.ndarray, codes: np.ndarray, n_codes: int
    ) -> np.ndarray:
        """(K, n_codes) sums of the rows' statistics, all arguments (N,) and checked."""

    def user_sums(self, rows: LabelledRows, scores: Any) -> UserSums:
        """See `AdditiveMetric.user_sums`; without users all rows are one user."""
        prob = as_probabilities(scores, len(rows))
        weight = np.ones(len(rows)) if rows.weights is None else rows.weights
        codes, n_users = np.zeros(len(rows), np.int64), 1
        if rows.users is not None:
            codes, n_users = rows.users.compact()
        return UserSums(
            self.sums_by(rows.labels, prob, weight, codes, n_users),
            np.bincount(codes, weight, minlength=n_users),
            np.ones(n_users, bool),
            np.bincount(codes, minlength=n_users),
            np.bincount(codes, rows.labels, minlength=n_users).astype(np.int64),
        )

    def compute(self, rows: LabelledRows, scores: Any) -> MetricResult:
        """Totals over rows; users are only counted."""
        result = self.result(self.user_sums(rows.pooled(), scores), has_users=False)
        if rows.users is None:
            return result
        return replace(result, n_users=rows.users.compact()[1], n_skipped_users=0)


@dataclass(frozen=True)
class PCOC(CalibrationMetric):
    """Predicted clicks over observed clicks: sum of probabilities / sum of labels; 1 is right.

    Undefined (NaN) without a positive row.

    Example:
        >>> PCOC()([1, 0, 0, 0], [0.5, 0.25, 0.5, 0.25]).value
        1.5
    """

    def sums_by(
        self, label: np.ndarray, prob: np.ndarray, weight: np.ndarray, codes: np.ndarray, n_codes: int
    ) -> np.ndarray:
        """Predicted and observed."""
        return _sums(codes, n_codes, weight * prob, weight * label)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """Predicted / observed."""
        return ratio(sums[0], sums[1])


@dataclass(frozen=True)
class LogLoss(CalibrationMetric):
    """Mean of -ln(probability given to what happened), in nats.

    Args:
        clip: probabilities are kept within clip .. 1 - clip, so that one saturated float32 sigmoid does not
            make the mean infinite. The default is the resolution of float32 below 1.

    Example:
        >>> round(LogLoss()([1, 0], [0.5, 0.5]).value, 6)
        0.693147
    """

    clip: float = 1e-7

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    def sums_by(
        self, label: np.ndarray, prob: np.ndarray, weight: np.ndarray, codes: np.ndarray, n_codes: int
    ) -> np.ndarray:
        """Loss and weight."""
        return _sums(codes, n_codes, weight * _row_loss(label, prob, self.clip), weight)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """Loss / weight."""
        return ratio(sums[0], sums[1])


@dataclass(frozen=True)
class NormalizedEntropy(CalibrationMetric):
    """Log loss over the log loss of always predicting the observed rate: below 1 the model knows something.

    Undefined (NaN) where one class is absent. Source: He et al., "Practical Lessons from Predicting Clicks on
    Ads at Facebook" (2014), section 3.

    Args:
        clip: as in `LogLoss`.

    Example:
        >>> NormalizedEntropy()([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]).value
        1.0
    """

    clip: float = 1e-7

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    def sums_by(
        self, label: np.ndarray, prob: np.ndarray, weight: np.ndarray, codes: np.ndarray, n_codes: int
    ) -> np.ndarray:
        """Loss, positives, weight."""
        return _sums(codes, n_codes, weight * _row_loss(label, prob, self.clip), weight * label, weight)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """Loss / weight / entropy of the rate."""
        rate = ratio(sums[1], sums[2])
        rate = np.where((rate > 0) & (rate < 1), rate, np.nan)
        return ratio(sums[0], sums[2]) / -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))


@dataclass(frozen=True)
class ECE(CalibrationMetric):
    """Expected calibration error: mean over rows of |mean probability - observed rate| of the row's bin.

    Bins hold equal shares of the rows' weight, not equal widths of the probability: at a click rate of 1 %
    nearly all rows would fall into the first of 20 equal widths. A row's bin is floor(bins x share of weight
    with a strictly smaller probability), so equal probabilities share a bin and row order does not matter.
    Biased upwards when bins are small: a perfect model has an ECE above 0 on finite data.

    Args:
        bins: the number of bins.
        edges: (bins,) the smallest probability of each bin, as `mass_edges` gives them, for rows that are
            judged a part at a time. None: found from the rows.

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015), with equal
    mass as in Nguyen and O'Connor (2015).

    Example:
        >>> round(ECE(bins=2)([0, 0, 1, 1], [0.1, 0.1, 0.7, 0.7]).value, 6)
        0.2
    """

    bins: int = 20
    edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.bins, int) or self.bins < 1:
            raise ValueError(f"bins: expected an integer of at least 1, got {self.bins!r}")
        if self.edges is not None and len(self.edges) != self.bins:
            raise ValueError(f"edges: expected {self.bins}, as many as bins, got {len(self.edges)}")

    def sums_by(
        self, label: np.ndarray, prob: np.ndarray, weight: np.ndarray, codes: np.ndarray, n_codes: int
    ) -> np.ndarray:
        """Predicted minus observed in each bin, then the weight."""
        edges = mass_edges(self.bins, [(prob, weight)], weight.sum()) if self.edges is None else self.edges
        bin_of_row = np.searchsorted(edges, prob, side="right") - 1
        gap = np.bincount(
            codes * self.bins + bin_of_row, weight * (prob - label), minlength=n_codes * self.bins
        )
        by_bin = np.ascontiguousarray(gap.reshape(n_codes, self.bins).T)
        return np.concatenate([by_bin, _sums(codes, n_codes, weight)])

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """Sum of the bins' absolute gaps / weight."""
        return ratio(np.abs(sums[:-1]).sum(axis=0), sums[-1])


def mass_edges(bins: int, runs: Iterable[tuple[np.ndarray, np.ndarray]], total: float) -> tuple[float, ...]:
    """The smallest probability of each bin of `ECE`; infinite for a bin that stays empty at the upper end.

    Args:
        bins: the number of bins.
        runs: (probabilities, weights) of all rows, (N,) each, in ascending ranges of probability.
        total: the weight of all rows.

    Example:
        >>> mass_edges(2, [(np.array([0.1, 0.1, 0.1]), np.ones(3))], 3.0)
        (0.1, inf)
        >>> mass_edges(2, [(np.array([0.1, 0.2]), np.ones(2)), (np.array([0.7, 0.9]), np.ones(2))], 4.0)
        (0.1, 0.7)
    """
    edges = np.full(bins, np.inf)
    before = 0.0
    for prob, weight in runs:
        values, n_rows = np.unique(prob, return_counts=True)
        mass: np.ndarray = n_rows.astype(np.float64)
        if (weight != 1).any():
            mass = np.bincount(np.searchsorted(values, prob), weight, minlength=values.size)
        below = before + np.cumsum(mass) - mass
        before += float(mass.sum())
        bin_of_value = np.nan_to_num(np.minimum(ratio(bins * below, total), bins - 1)).astype(np.int64)
        first = np.searchsorted(bin_of_value, np.arange(bins))
        is_new = (first < values.size) & np.isinf(edges)
        edges[is_new] = values[first[is_new]]
    return tuple(edges.tolist())


def as_probabilities(scores: Any, n_rows: int) -> np.ndarray:
    """Check that scores are probabilities and return them as float64.

    Raises:
        ValueError: a score below 0 or above 1, besides what `rows.as_scores` refuses.
    """
    prob = as_scores(scores, n_rows).astype(np.float64)
    is_bad = (prob < 0) | (prob > 1)
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise ValueError(
            f"scores: expected probabilities within 0..1, got {prob[row]} in row {row} and "
            f"{int(is_bad.sum()) - 1} more outside. Remedy: apply the sigmoid first, or use AUC, UAUC or "
            "WUAUC, which only read the order"
        )
    return prob


def _row_loss(label: np.ndarray, prob: np.ndarray, clip: float) -> np.ndarray:
    kept = np.clip(prob, clip, 1 - clip)
    return np.where(label == 1, -np.log(kept), -np.log1p(-kept))


def _sums(codes: np.ndarray, n_codes: int, *statistics: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(codes, values, minlength=n_codes) for values in statistics])


def _check_clip(clip: float) -> None:
    if not 0 < clip < 0.5:
        raise ValueError(f"clip: expected a number above 0 and below 0.5, got {clip!r}")
