"""Boosted trees for p(click | features, slot) and p(conversion | click, features), refitted at will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from learn_rank.ab.fitted_environment.features import FeatureCodes
from learn_rank.ab.fitted_environment.log import SLOT, LogParts
from learn_rank.ab.statistics.platt import Platt, fit_platt
from learn_recall.columns import CLICK, CONVERSION, USER_ID

__all__ = ["TreeData", "Trees", "fit_trees"]

MIN_EVENTS = 50
_ARRAYS = ("features", "click", "conversion", "user", "is_calibrating")


@dataclass(frozen=True)
class TreeData:
    """What the trees are fitted on, as arrays without ids.

    Attributes:
        features: (N, F + 1) float64, the slot last.
        click: (N,) 0 or 1.
        conversion: (N,) 0 or 1, 0 where not clicked.
        user: (N,) codes.
        is_calibrating: (N,) bool, rows that put the probabilities right instead of growing trees.
        is_category: for each column of the features.
    """

    features: np.ndarray
    click: np.ndarray
    conversion: np.ndarray
    user: np.ndarray
    is_calibrating: np.ndarray
    is_category: tuple[bool, ...]

    @classmethod
    def of(cls, parts: LogParts, codes: FeatureCodes) -> TreeData:
        """Rows that fit, then rows that calibrate."""
        rows = pd.concat([parts.fit, parts.calibrate], ignore_index=True)
        click = rows[CLICK].to_numpy(np.int8)
        return cls(
            codes.matrix({name: rows[name].to_numpy() for name in codes.names}, rows[SLOT].to_numpy()),
            click,
            np.where(click == 1, rows[CONVERSION].fillna(0).to_numpy(), 0).astype(np.int8),
            pd.factorize(rows[USER_ID])[0],
            np.arange(len(rows)) >= len(parts.fit),
            tuple(codes.is_category),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], codes: FeatureCodes) -> TreeData:
        """Back from `arrays`."""
        return cls(**{name: arrays[name] for name in _ARRAYS}, is_category=tuple(codes.is_category))

    def arrays(self) -> dict[str, np.ndarray]:
        """For a file."""
        return {name: getattr(self, name) for name in _ARRAYS}


@dataclass(frozen=True)
class Trees:
    """Both models with their last calibration."""

    click_model: HistGradientBoostingClassifier
    conversion_model: HistGradientBoostingClassifier
    click_platt: Platt
    conversion_platt: Platt

    def click(self, features: np.ndarray) -> np.ndarray:
        """(M,) p(click) of rows of the matrix."""
        return self.click_platt(_positive(self.click_model, features))

    def conversion(self, features: np.ndarray) -> np.ndarray:
        """(M,) p(conversion | click), as at the top of the page."""
        return self.conversion_platt(_positive(self.conversion_model, features))


def fit_trees(data: TreeData, seed: int) -> Trees:
    """Grow both models and calibrate them; the same data and seed give the same trees.

    Args:
        data: of a log.
        seed: 0 takes every user once; any other draws users with replacement.

    Raises:
        ValueError: fewer than 50 clicks, or 50 conversions, or as many of the opposite.
    """
    weight = np.ones(len(data.user))
    if seed:
        n_users = int(data.user.max()) + 1
        drawn = np.random.default_rng(seed).integers(0, n_users, n_users)
        weight = np.bincount(drawn, minlength=n_users)[data.user].astype(np.float64)
    is_used = weight > 0
    is_clicked = (data.click == 1) & is_used
    at_top = data.features.copy()
    at_top[:, -1] = 0.0
    click = _grown(data, data.features, data.click, is_used, weight, event="click")
    conversion = _grown(data, at_top, data.conversion, is_clicked, weight, event="conversion")
    return Trees(
        click,
        conversion,
        _calibrated(click, data.features, data.click, is_used & data.is_calibrating, weight),
        _calibrated(conversion, at_top, data.conversion, is_clicked & data.is_calibrating, weight),
    )


def _grown(
    data: TreeData,
    features: np.ndarray,
    labels: np.ndarray,
    is_used: np.ndarray,
    weight: np.ndarray,
    *,
    event: str,
) -> HistGradientBoostingClassifier:
    rows = np.flatnonzero(is_used & ~data.is_calibrating)
    n_rare = int(min((labels[rows] == 1).sum(), (labels[rows] == 0).sum()))
    if n_rare < MIN_EVENTS:
        raise ValueError(
            f"log: expected at least {MIN_EVENTS} {event}s, and as many rows without, to fit on, "
            f"got {n_rare}. Remedy: a longer log."
        )
    further_down_is_less = [*([0] * (features.shape[1] - 1)), -1]
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=15,
        min_samples_leaf=50,
        l2_regularization=1.0,
        categorical_features=list(data.is_category),
        monotonic_cst=further_down_is_less,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(features[rows], labels[rows], weight[rows])


def _calibrated(
    model: HistGradientBoostingClassifier,
    features: np.ndarray,
    labels: np.ndarray,
    is_used: np.ndarray,
    weight: np.ndarray,
) -> Platt:
    rows = np.repeat(np.flatnonzero(is_used), weight[is_used].astype(np.int64))
    return fit_platt(_positive(model, features[rows]), labels[rows]) if len(rows) else Platt()


def _positive(model: HistGradientBoostingClassifier, features: np.ndarray) -> np.ndarray:
    return model.predict_proba(features)[:, 1] if len(features) else np.zeros(0)
