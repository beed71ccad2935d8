"""A/A by re-splitting: does the test say "no difference" as often as it should, on these very users."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special, stats

from learn_rank.ab.statistics.delta_method import PerUser

__all__ = ["rejection_band", "resplit"]

_CHUNK_NUMBERS = 4_000_000


def resplit(
    metrics: Mapping[str, PerUser], treatment_share: float, n_splits: int = 500, seed: int = 0
) -> dict[str, np.ndarray]:
    """p values of many experiments in which nothing was treated: the same users, split anew each time.

    Definition: every user goes to the treatment with chance ``treatment_share``; p as `contrast` gives it,
    from sums alone, all splits of a chunk in one matrix product. What is tried is the statistics on data of
    this shape; the hash that assigns real users is tested elsewhere.

    Args:
        metrics: name -> the same users, all served alike.
        treatment_share: between 0 and 1.
        n_splits: how many.
        seed: of the splits.

    Returns:
        name -> (n_splits,) p values; NaN where a split leaves an arm with nothing to compare.

    Raises:
        ValueError: metrics of different users, or a share outside 0 .. 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> p = resplit({"revenue": PerUser(rng.exponential(size=400))}, 0.5, 200)["revenue"]
        >>> p.shape, bool((p < 0.05).mean() < 0.12)
        ((200,), True)
    """
    if not 0 < treatment_share < 1:
        raise ValueError(f"treatment_share: expected a share between 0 and 1, got {treatment_share}.")
    n_users = {each.n_users for each in metrics.values()}
    if len(n_users) != 1:
        raise ValueError(
            f"metrics: expected the same users in all, got {sorted(n_users)}. Remedy: one world."
        )
    rng, size = np.random.default_rng(seed), n_users.pop()
    moments = {name: _moments(each) for name, each in metrics.items()}
    table = np.concatenate(list(moments.values()), axis=1)
    step = max(1, _CHUNK_NUMBERS // max(size, 1))
    found = []
    for start in range(0, n_splits, step):
        arms = rng.random((min(step, n_splits - start), size), dtype=np.float32) < treatment_share
        found.append(arms.astype(np.float64) @ table)
    treatment = np.concatenate(found)
    control = table.sum(axis=0) - treatment
    return {
        name: _p_values(control[:, at : at + 6], treatment[:, at : at + 6])
        for at, name in zip(range(0, 6 * len(metrics), 6), metrics, strict=True)
    }


def rejection_band(n_splits: int, level: float = 0.95, confidence: float = 0.999) -> tuple[float, float]:
    """Between which shares of rejections a test of the right size stays, exactly binomial.

    Example:
        >>> rejection_band(2000)
        (0.0345, 0.0665)
    """
    tail = (1 - confidence) / 2
    low, high = stats.binom.ppf([tail, 1 - tail], n_splits, 1 - level) / n_splits
    return float(low), float(high)


def _moments(metric: PerUser) -> np.ndarray:
    """(U, 6): 1, y, n, yy, yn, nn, with y centred so that little cancels."""
    n = np.ones(metric.n_users) if metric.denominator is None else metric.denominator
    y = metric.numerator - metric.value * n if n.sum() > 0 else metric.numerator
    return np.column_stack([np.ones(n.size), y, n, y * y, y * n, n * n])


def _p_values(control: np.ndarray, treatment: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        (value_a, var_a, df_a), (value_b, var_b, df_b) = (
            _mean_and_variance(control),
            _mean_and_variance(treatment),
        )
        variance = var_a + var_b
        df = variance**2 / (var_a**2 / df_a + var_b**2 / df_b)
        p = 2 * special.stdtr(df, -np.abs(value_b - value_a) / np.sqrt(variance))
    return np.where((variance > 0) & (df_a > 0) & (df_b > 0), p, np.nan)


def _mean_and_variance(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, variance of the value and n - 1 of each split, by the delta method."""
    users, y, n, yy, yn, nn = sums.T
    value = y / n
    residuals = yy - 2 * value * yn + value**2 * nn
    return value, residuals / (users - 1) * users / n**2, users - 1
