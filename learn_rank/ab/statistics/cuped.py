"""CUPED: what was known of a user before the experiment is taken out of its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from learn_rank.ab.statistics.delta_method import Contrast, PerUser, compare

__all__ = ["Adjusted", "adjusted_contrast"]


@dataclass(frozen=True)
class Adjusted:
    """A contrast after the adjustment.

    Attributes:
        contrast: its arms' values are the adjusted ones, so that they differ by its delta.
        theta: slope of the metric on the covariate; 0 where the covariate does not vary.
        variance_reduction: 1 - variance of the difference after / before; NaN where there was no variance.
    """

    contrast: Contrast
    theta: float
    variance_reduction: float


def adjusted_contrast(
    control: PerUser,
    treatment: PerUser,
    control_before: PerUser,
    treatment_before: PerUser,
    level: float = 0.95,
) -> Adjusted:
    """The difference of a metric, with the users' own past taken out.

    Definition: scores - theta (past scores - past value of all users), where theta = cov / var over the users
    of both arms. The past cannot depend on the arm, so the expected difference stays what it was.

    Args:
        control: the metric during the experiment, control users.
        treatment: the same of the treatment users.
        control_before: the metric before the experiment, the same users in the same order; a user who was
            not there has zeros.
        treatment_before: the same of the treatment users.
        level: of the interval.

    Raises:
        ValueError: before and during differ in users.

    Source: Deng, Xu, Kohavi and Walker, "Improving the Sensitivity of Online Controlled Experiments by
    Utilizing Pre-Experiment Data" (WSDM 2013).
    """
    for name, during, before in (
        ("control_before", control, control_before),
        ("treatment_before", treatment, treatment_before),
    ):
        if during.n_users != before.n_users:
            raise ValueError(
                f"{name}: expected the {during.n_users} users of the experiment, got {before.n_users}. "
                "Remedy: give a user who was not there zeros."
            )
    plain = compare(control.scores(), treatment.scores(), level)
    everyone, past = control.with_users_of(treatment), control_before.with_users_of(treatment_before)
    values, covariate = everyone.scores(), past.scores()
    spread = float(np.var(covariate)) if covariate.size else math.nan
    is_usable = spread > 0 and not math.isnan(control_before.value + treatment_before.value)
    if not is_usable or np.isnan(values).any():
        return Adjusted(plain, 0.0, 0.0 if plain.std_error > 0 else math.nan)
    theta = float(np.mean((values - values.mean()) * (covariate - covariate.mean()))) / spread
    after = compare(
        control.scores() - theta * (control_before.scores() - past.value),
        treatment.scores() - theta * (treatment_before.scores() - past.value),
        level,
    )
    return Adjusted(after, theta, 1 - (after.std_error / plain.std_error) ** 2)
