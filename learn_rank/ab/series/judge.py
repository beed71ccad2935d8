"""Each test of a series judged: is it what was designed, do its arms differ, which is the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from statsmodels.stats.multitest import multipletests

from learn_rank.ab.series.read import Series
from learn_rank.ab.statistics.guards import P_LIMIT
from learn_rank.uncertainty.intervals import holm

__all__ = ["DIFFERS", "INVALID", "LEVEL", "STATUSES", "UNJUDGED", "WINNER", "Judged", "judge"]

WINNER, DIFFERS, LEVEL = "winner", "arms differ", "no detectable difference"
INVALID, UNJUDGED = "invalid", "not judged"
STATUSES = (WINNER, DIFFERS, LEVEL, INVALID, UNJUDGED)
LEAST_EXPECTED = 5.0


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found of T tests, each array (T,); undefined numbers are NaN.

    Attributes:
        n_arms: arms.
        shown: impressions.
        clicks: clicks.
        ratio_p: of equal shares of the impressions.
        p: of equal click rates.
        q: adjusted over the tests that are judged (Benjamini-Hochberg).
        best: place of the arm with the highest click rate.
        best_rate: its click rate.
        other_rate: that of the other arms together.
        low: lower end of best over others - 1.
        high: upper end.
        status: one of ``STATUSES``.
    """

    n_arms: np.ndarray
    shown: np.ndarray
    clicks: np.ndarray
    ratio_p: np.ndarray
    p: np.ndarray
    q: np.ndarray
    best: np.ndarray
    best_rate: np.ndarray
    other_rate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    status: np.ndarray

    def row(self, series: Series, at: int) -> dict[str, Any]:
        """One test as a plain row."""
        rest = self.other_rate[at]
        row = {
            "test": series.tests[at],
            "n_arms": int(self.n_arms[at]),
            "impressions": int(self.shown[at]),
            "clicks": int(self.clicks[at]),
            "ratio_p": self.ratio_p[at],
            "p": self.p[at],
            "q": self.q[at],
            "best_arm": series.arms[self.best[at]],
            "best_rate": self.best_rate[at],
            "other_rate": rest,
            "relative": self.best_rate[at] / rest - 1 if rest > 0 else np.nan,
            "relative_low": self.low[at],
            "relative_high": self.high[at],
            "status": str(self.status[at]),
        }
        return row | {name: bucket.names[bucket.codes[at]] for name, bucket in series.buckets.items()}


def judge(series: Series, level: float = 0.95) -> Judged:
    """Judge every test of a series.

    Definition: a test is invalid where a chi-square test of equal shares of the impressions has p < .001
    (the sample-ratio guard), and not judged with one arm or where an arm is expected to have fewer than 5
    clicks. Of the others a chi-square test asks whether the click rates are equal, adjusted over the tests by
    Benjamini and Hochberg: of the tests that are told to differ at most 1 - level are expected to be alike. A
    test that differs has a winner where its best arm beats each other one after Holm over all pairs of the
    test. The lift is that of the best arm over the others together, with the interval of the logarithm of the
    ratio; it was chosen for being the highest and so tells too much.

    Without users the impression is the unit: right where a viewer saw about one arm once.

    Args:
        series: the tests.
        level: of the intervals; tests use 1 - level.

    Source: Pearson (1900); Katz et al. (1978) for the ratio; Benjamini and Hochberg (1995); Holm (1979).
    """
    starts, n_arms = series.starts, np.bincount(series.test)
    shown, clicks = (np.add.reduceat(values, starts) for values in (series.shown, series.clicks))
    share = shown / n_arms
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.add.reduceat((series.shown - share[series.test]) ** 2, starts) / share
        ratio_p = np.where(n_arms > 1, special.chdtrc(n_arms - 1, ratio), np.nan)
        rate = (clicks / shown)[series.test]
        gap = (series.clicks - rate * series.shown) ** 2 / (rate * (1 - rate) * series.shown)
        p = special.chdtrc(n_arms - 1, np.add.reduceat(gap, starts))
        own = np.nan_to_num(series.clicks / series.shown, nan=-1.0)
    least = np.minimum.reduceat(np.minimum(rate, 1 - rate) * series.shown, starts)
    is_judged = (n_arms > 1) & (least >= LEAST_EXPECTED) & ~np.isnan(p)
    is_invalid = (n_arms > 1) & ~(ratio_p >= P_LIMIT)
    p = np.where(is_judged, p, np.nan)
    family = is_judged & ~is_invalid
    q = np.full(n_arms.size, np.nan)
    if family.any():
        q[family] = multipletests(p[family], method="fdr_bh")[1]
    best = np.lexsort((-own, series.test))[starts]
    best_rate, other_rate, low, high = _best_over_others(series, best, (shown, clicks), level)
    status = np.full(n_arms.size, UNJUDGED, dtype=object)
    status[family] = LEVEL
    for at in np.flatnonzero(family & (q < 1 - level)):
        status[at] = WINNER if _has_winner(series, starts[at], n_arms[at], best[at], level) else DIFFERS
    status[is_invalid] = INVALID
    return Judged(
        n_arms, shown, clicks, ratio_p, p, q, best, best_rate, other_rate, low, high, status.astype(str)
    )


def _best_over_others(
    series: Series, best: np.ndarray, totals: tuple[np.ndarray, np.ndarray], level: float
) -> tuple[np.ndarray, ...]:
    """Rates of the best arm and of the others together, and the ends of the relative lift."""
    shown, clicks = totals
    n, y = series.shown[best], series.clicks[best]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, others = y / n, (clicks - y) / (shown - n)
        error = np.sqrt(1 / y - 1 / n + 1 / (clicks - y) - 1 / (shown - n))
        reach = special.ndtri((1 + level) / 2) * error
        ends = (rate / others * np.exp(side * reach) - 1 for side in (-1, 1))
        low, high = (np.where(np.isfinite(end), end, np.nan) for end in ends)
    return rate, others, low, high


def _has_winner(series: Series, start: int, n_arms: int, best: int, level: float) -> bool:
    """Whether the best arm beats each other one, by Holm over all pairs of the test."""
    arms = slice(start, start + n_arms)
    y, n = series.clicks[arms], series.shown[arms]
    one, other = np.triu_indices(n_arms, 1)
    pooled = (y[one] + y[other]) / (n[one] + n[other])
    error = np.sqrt(pooled * (1 - pooled) * (1 / n[one] + 1 / n[other]))
    adjusted = holm(2 * special.ndtr(-np.abs(y[one] / n[one] - y[other] / n[other]) / error))
    has_best = (one == best - start) | (other == best - start)
    return bool((adjusted[has_best] < 1 - level).all())
