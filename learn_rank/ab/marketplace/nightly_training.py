"""Daily incremental training: by day a ranker serves, by night it learns from what it showed."""

from __future__ import annotations

import numpy as np

from learn_rank.ab.marketplace.exposure import Serving
from learn_rank.ab.marketplace.open_rankers import OpenHeads, OpenRanker
from learn_recall.terminal.progress import track_steps

__all__ = ["live_through"]


def live_through(ranker: OpenRanker | OpenHeads, serving: Serving, is_warm_up: np.ndarray) -> np.ndarray:
    """The scores of a ranker that goes on learning, each day's by what it knew that morning.

    Definition: each day it scores and serves every request; in the night behind it goes on for one pass over
    that day's feed and its own exposures with their clicks and conversions, and its scores are calibrated on
    all of its exposures so far. An exposure is never learned before it happened. Both arms learn from a log
    of everybody: were each given the log of its own users, the smaller arm would be measured with a fifth of
    the data, and not with the log that it would have after a launch.

    Args:
        ranker: of `open_rankers`, opened for learning.
        serving: choices and outcomes of the same candidates.
        is_warm_up: (N,) bool, candidates of the days before the test; they calibrate and teach nothing.

    Returns:
        (2, N) float64: pCTR and pCVR.
    """
    raw = np.empty((2, is_warm_up.size))
    raw[:, is_warm_up] = ranker.scores(is_warm_up)
    calibration = serving.calibration(raw, is_warm_up)
    scores = np.empty_like(raw)
    scores[:, is_warm_up] = calibration(raw[:, is_warm_up])
    exposed = serving.shown(scores, is_warm_up)
    days = np.unique(serving.day[~is_warm_up])
    for day in track_steps(days, "serve by day, learn by night", len(days)):
        today = serving.day == day
        raw[:, today] = ranker.scores(today)
        scores[:, today] = calibration(raw[:, today])
        shown = serving.shown(scores, today)
        ranker.learn(int(day), shown, serving.click[shown], serving.conversion[shown])
        exposed = np.concatenate([exposed, shown])
        calibration = serving.fitted(raw, exposed)
    return scores
