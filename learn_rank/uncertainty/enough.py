"""How many seeds or users would make the interval of a difference narrow enough.

The standard error of a mean falls with the square root of what it is a mean of, and the factor before it is
Student's t, which is large for few seeds: 12.7 with two, 4.3 with three, 2.8 with five.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learn_rank.uncertainty.base import add_seed_noise
from learn_rank.uncertainty.closed_form import mean_change
from learn_rank.uncertainty.influence import Influence, variance_of
from learn_rank.uncertainty.student_t import t_quantile

MOST_SEEDS = 100  # nobody trains more of them to know


@dataclass(frozen=True)
class Spread:
    """Of what the interval of a difference is made: users who vary, and seeds that vary.

    Attributes:
        user_variance: of the mean over seeds, from the users alone; NaN with fewer than two of them.
        user_df: its degrees of freedom.
        seeds: the difference of each training seed.
        level: of the interval.
    """

    user_variance: float
    user_df: float
    seeds: tuple[float, ...]
    level: float = 0.95

    @property
    def width(self) -> float:
        """Width of the interval as it is."""
        return self._width(*add_seed_noise(self.user_variance, self.user_df, self.seeds))

    @property
    def user_width(self) -> float:
        """What the users alone make of it, and no number of seeds can narrow."""
        return self._width(self.user_variance, self.user_df)

    def width_with(self, n_seeds: int) -> float:
        """The width with another number of seeds that vary as these do; NaN where only one is known."""
        if len(self.seeds) < 2:
            return math.nan
        of_seeds = float(np.var(self.seeds, ddof=1)) / n_seeds
        total = self.user_variance + of_seeds
        if not total > 0:
            return self._width(total, self.user_df)
        df = total**2 / (self.user_variance**2 / self.user_df + of_seeds**2 / (n_seeds - 1))
        return self._width(total, df)

    def enough_seeds(self, width: float) -> int | None:
        """The fewest seeds, not below those that there are, whose interval is no wider; None where none is.

        Example:
            >>> of_three = Spread(user_variance=1e-6, user_df=900.0, seeds=(-0.02, 0.0, 0.02))
            >>> round(of_three.width, 3), of_three.enough_seeds(0.05)
            (0.098, 5)
        """
        numbers = range(max(2, len(self.seeds)), MOST_SEEDS + 1)
        return next((number for number in numbers if self.width_with(number) <= width), None)

    def enough_users(self, width: float, n_users: int) -> int | None:
        """The users with which the interval would be no wider, if all of it shrinks with them."""
        now = self.width
        return None if math.isnan(now) else math.ceil(n_users * max(1.0, now / width) ** 2)

    def _width(self, variance: float, df: float) -> float:
        if not (variance >= 0 and df > 0):
            return math.nan
        return 2 * t_quantile(self.level, df) * math.sqrt(variance)


def spread_of(candidate: Sequence[Influence], baseline: Sequence[Influence], level: float = 0.95) -> Spread:
    """The spread of mean(candidate) - mean(baseline), seed by seed, as `ClosedForm.delta` has it.

    Args:
        candidate: the evidence of each seed; baseline: as many, on the same rows.
        level: of the interval.

    Raises:
        ValueError: other numbers of seeds.
    """
    if len(candidate) != len(baseline):
        raise ValueError(
            f"candidate, baseline: expected as many seeds, got {len(candidate)} and {len(baseline)}. "
            "Remedy: give the seeds that both have"
        )
    change = mean_change(candidate) - mean_change(baseline)
    return Spread(
        variance_of(change, candidate[0].n_varying),
        max(candidate[0].n_effective - 1, 1.0),
        tuple(new.value - old.value for new, old in zip(candidate, baseline, strict=True)),
        level,
    )
