"""CUPAC: the covariate of CUPED is what a model predicts of the user from the time before the test."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from learn_rank.ab.statistics.delta_method import PerUser

__all__ = ["N_FOLDS", "predicted"]

N_FOLDS = 5


def predicted(target: np.ndarray, features: pd.DataFrame, seed: int = 0) -> PerUser:
    """What is expected of each user by a model that never saw the user's own outcome.

    Definition: users are dealt into five folds; gradient-boosted trees are fitted on the outcomes of four,
    all arms together and without the arm, and predict the fifth (cross-fitting). The features are older than
    the test, so the prediction cannot depend on the arm, and an adjustment by it moves no estimate on
    average; how good the model is decides only how much noise it takes.

    Args:
        target: (U,) the outcome, or the scores of a ratio (`PerUser.scores`), finite.
        features: (U, F) numbers, NaN for empty cells, and categories.
        seed: of the folds.

    Returns:
        (U,) predictions as a covariate for `adjusted_contrast`; constant where nothing can be learned.

    Source: Li, Tang and Zhu, "Improving Experimental Power through Control Using Predictions as Covariate
    (CUPAC)" (DoorDash, 2020); cross-fitting: Chernozhukov et al., "Double/debiased machine learning" (2018).
    """
    target = np.asarray(target, np.float64)
    if target.size < 2 * N_FOLDS or np.ptp(target) == 0:
        return PerUser(np.zeros(target.size))
    fold = np.random.default_rng(seed).permutation(target.size) % N_FOLDS
    found = np.empty(target.size)
    table = features.copy()
    for name in table.select_dtypes("category"):
        table[name] = _most_common(table[name])
    for each in range(N_FOLDS):
        model = HistGradientBoostingRegressor(
            max_iter=60,
            learning_rate=0.08,
            max_leaf_nodes=15,
            min_samples_leaf=50,
            early_stopping=False,
            categorical_features="from_dtype",
            random_state=seed,
        )
        is_held_out = fold == each
        model.fit(table[~is_held_out], target[~is_held_out])
        found[is_held_out] = model.predict(table[is_held_out])
    return PerUser(found)


def _most_common(values: pd.Series, most: int = 200) -> pd.Series:
    """Categories beyond those that the trees can take become empty."""
    kept = values.value_counts().index[:most]
    return values.astype(object).where(values.isin(kept)).astype("category")
