"""Several trainings of both arms in the same traffic: the interval holds the traffic and the training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.statistics.delta_method import Contrast

__all__ = ["Training", "mean_world", "over_trainings"]


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """What one training of both arms left in the traffic that all of them met.

    Attributes:
        seed: of the training.
        ab: users split between the arms.
        pre: the days before with its control, None without such days.
        launch: everybody with the control, and everybody with the treatment.
    """

    seed: int
    ab: UserTotals
    pre: UserTotals | None
    launch: tuple[UserTotals, UserTotals]


def mean_world(worlds: Sequence[UserTotals]) -> UserTotals:
    """The same users under several trainings, their sums the means over these; one alone stays as it is.

    Args:
        worlds: (K,) of the same users, arms, days and requests.

    Raises:
        ValueError: they differ in one of these.
    """
    first = worlds[0]
    if len(worlds) == 1:
        return first
    for other in worlds[1:]:
        for name in ("user_ids", "arm", "n_requests"):
            if not np.array_equal(getattr(first, name), getattr(other, name)):
                raise ValueError(
                    f"trainings: expected the same {name} in all of them, got others. Remedy: candidates of "
                    "the same requests, scored by each training."
                )
    counts = {name: round(np.mean([world.counts.get(name, 0) for world in worlds])) for name in first.counts}
    sums = {name: np.mean([world.sums[name] for world in worlds], axis=0) for name in first.sums}
    return dataclasses.replace(first, sums=sums, counts=counts)


def over_trainings(mean: Contrast, each: Sequence[Contrast]) -> Contrast:
    """The contrast of the mean over K trainings, its interval over users and over trainings.

    Definition: the trainings are a random sample that met the same users, a random effect crossed with them.
    ``W = mean.std_error^2`` is the variance over users of the mean of these trainings. ``s_k^2`` is that of
    one training, so that ``e = K / (K - 1) (mean(s_k^2) - W)``, at least 0, is the part of a training's
    traffic noise that the others do not share. The trainings' estimates vary by ``S^2`` (ddof 1), which
    holds their own traffic noise ``e`` too, hence ``T = max(S^2 - e, 0) / K`` is what the choice of
    trainings adds, and ``W + T`` the variance of the mean. The quantile is Cochran's, the mean of Student's
    at ``K - 1`` degrees of freedom with weight T and of the users' with weight W; ``df`` are the degrees of
    freedom that have it at this level. The interval is never narrower than that over users alone. Both the
    difference and the logarithm of the ratio are treated so.

    Args:
        mean: the contrast of `mean_world`.
        each: (K,) the contrast of every training; with fewer than two the mean comes back as it is.

    Source: the variance is that of Obuchowski and Rockette, "Hypothesis testing of diagnostic accuracy for
    multiple readers and multiple tests" (1995), with trainings as readers and users as cases; the
    quantile, Cochran, "Approximate significance levels of the Behrens-Fisher test" (1964).

    Example:
        >>> one, two = Contrast(1.0, 1.1, 0.1, 1e6, 0.1, 1e6), Contrast(1.0, 1.3, 0.1, 1e6, 0.1, 1e6)
        >>> both = over_trainings(Contrast(1.0, 1.2, 0.1, 1e6, 0.1, 1e6), [one, two])
        >>> round(both.delta, 3), round(both.std_error, 4), round(both.df, 2)
        (0.2, 0.1414, 1.32)
    """
    if len(each) < 2:
        return mean
    std_error, df = _with_training(
        (mean.std_error, mean.df), [(one.delta, one.std_error) for one in each], mean.level
    )
    log_std_error, log_df = _with_training(
        (mean.log_std_error, mean.log_df), [(_log_ratio(one), one.log_std_error) for one in each], mean.level
    )
    return dataclasses.replace(mean, std_error=std_error, df=df, log_std_error=log_std_error, log_df=log_df)


def _with_training(
    mean: tuple[float, float], each: Sequence[tuple[float, float]], level: float
) -> tuple[float, float]:
    """(standard error, degrees of freedom) from the mean's and each training's (value, standard error)."""
    k, (std_error, df) = len(each), mean
    values, errors = np.array(each).T
    traffic = std_error**2
    own = max(k / (k - 1) * (float(np.mean(errors**2)) - traffic), 0.0)
    training = max(float(np.var(values, ddof=1)) - own, 0.0) / k
    if math.isnan(traffic + training + own):
        return math.nan, math.nan
    if training == 0:
        return std_error, df
    share, chance = training / (training + traffic), (1 + level) / 2
    quantile = share * special.stdtrit(k - 1, chance) + (1 - share) * special.stdtrit(df, chance)
    found = float(special.stdtridf(chance, quantile))
    return math.sqrt(traffic + training), df if math.isnan(found) else min(found, df)


def _log_ratio(one: Contrast) -> float:
    is_positive = one.control > 0 and one.treatment > 0
    return math.log(one.treatment / one.control) if is_positive else math.nan
