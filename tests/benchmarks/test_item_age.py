"""The replay of items that arrive after the training."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.item_age import contrast
from learn_rank.uncertainty.student_t import t_quantile


def found(*hits):
    return SimpleNamespace(recall=lambda k: np.array(hits, float))


def replay_of(users, is_new):
    return SimpleNamespace(target=np.arange(len(users)), is_old=~np.array(is_new, bool), user=np.array(users))


def test_the_difference_is_of_new_items_alone_and_its_interval_counts_users_not_events():
    one, other = found(1, 1, 1, 0, 0, 1), found(0, 0, 1, 0, 1, 0)
    alone = contrast(replay_of([0, 1, 2, 3, 4, 5], [1, 1, 1, 1, 1, 0]), one, other)
    assert alone["n"] == 5
    assert alone["difference"] == pytest.approx(1 / 5)  # 1, 1, 0, 0, -1; the old item's 1 is not counted
    # the same five events, two by two of one user: what is alike within a user makes the interval wider
    of_two = contrast(replay_of([0, 0, 1, 1, 2, 5], [1, 1, 1, 1, 1, 0]), one, other)
    assert of_two["difference"] == alone["difference"]
    expected = (np.array([1.6, -0.4, -1.2]) ** 2).sum() ** 0.5 / 5
    assert (of_two["high"] - of_two["low"]) / 2 == pytest.approx(expected * t_quantile(0.95, 2))
    assert of_two["high"] - of_two["low"] > alone["high"] - alone["low"]
