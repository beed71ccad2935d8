"""One contrast from several refitted truths: their disagreement belongs into the interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from learn_rank.ab.statistics.delta_method import Contrast

__all__ = ["pooled"]


def pooled(contrasts: Sequence[Contrast]) -> Contrast:
    """The contrasts of the same experiment under M truths, as one.

    Definition: Rubin's rules. Values are means; the variance is the mean of the variances within a truth plus
    (1 + 1/M) times the variance between truths; degrees of freedom (M - 1)(1 + within / that)^2, at most
    those within. However many users are simulated, the interval does not shrink below what the truths
    disagree on.

    Args:
        contrasts: at least one; with one it comes back as it is.

    Source: Rubin, "Multiple Imputation for Nonresponse in Surveys" (1987).

    Example:
        >>> one, two = Contrast(1, 2, 0.1, 1e6, 0.1, 1e6), Contrast(1, 3, 0.1, 1e6, 0.1, 1e6)
        >>> both = pooled([one, two])
        >>> both.delta, round(both.std_error, 3)
        (1.5, 0.872)
    """
    if not contrasts:
        raise ValueError("contrasts: expected at least one, got none. Remedy: simulate under one truth.")
    if len(contrasts) == 1:
        return contrasts[0]
    logs = [_log_ratio(each) for each in contrasts]
    std_error, df = _rubin(
        [c.delta for c in contrasts], [c.std_error for c in contrasts], [c.df for c in contrasts]
    )
    log_std_error, log_df = _rubin(logs, [c.log_std_error for c in contrasts], [c.log_df for c in contrasts])
    control = float(np.mean([each.control for each in contrasts]))
    treatment = float(np.mean([each.treatment for each in contrasts]))
    return Contrast(control, treatment, std_error, df, log_std_error, log_df, contrasts[0].level)


def _rubin(values: Sequence[float], std_errors: Sequence[float], dfs: Sequence[float]) -> tuple[float, float]:
    m = len(values)
    within, between = float(np.mean(np.square(std_errors))), (1 + 1 / m) * float(np.var(values, ddof=1))
    if math.isnan(within + between):
        return math.nan, math.nan
    df = min(dfs) if between == 0 else min(*dfs, (m - 1) * (1 + within / between) ** 2)
    return math.sqrt(within + between), df


def _log_ratio(one: Contrast) -> float:
    is_positive = one.control > 0 and one.treatment > 0
    return math.log(one.treatment / one.control) if is_positive else math.nan
