"""Recent popularity: by hand, against loops, and what it may not know."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.recent_popularity import DAY, WINDOWS, RecentPopularity


def dataset(rows, items, n_train, n_valid, **settings):
    """Rows (day, item, click, conversion) in order of time."""
    frame = pd.DataFrame(rows, columns=["day", "item_id", "click", "conversion"])
    frame = frame.assign(timestamp=frame["day"] * DAY, user_id=1, context_id="u").drop(columns="day")
    edges = [0, n_train, n_train + n_valid, len(frame)]
    parts = [frame[a:b].reset_index(drop=True) for a, b in pairwise(edges)]
    contexts = pd.DataFrame({"context_id": ["u"], "user_id": [1], "history": [[]]})
    interactions = frame.loc[:0, ["user_id", "item_id", "timestamp"]]
    return RankingDataset("hand", items, interactions, *parts, contexts, **settings)


ITEMS = pd.DataFrame(
    {"item_id": [1, 2, 3], "title": ["a", "b", "c"], "category": ["x", "x", "y"], "brand": ["p", "p", None]}
)


def test_an_item_nobody_met_has_the_rate_of_its_brand_and_an_old_click_is_forgotten():
    rows = [(0, 1, 1, 1.0), (0, 3, 0, np.nan), (5, 1, 1, 0.0), (5, 3, 0, np.nan), (6, 2, 1, 0.0)]
    found = RecentPopularity(dataset(rows, ITEMS, 2, 2), click_prior=2.0, conversion_prior=1.0)
    # of training 1 of 2; category x in the last 3 days 1 of 1, brand p the same, item 2 never shown
    category = (1 + 2 * 0.5) / 3
    brand = (1 + 2 * category) / 3
    assert found.scores("test", 3.0)["pctr"].tolist() == [pytest.approx(brand)]
    # a conversion on one of one click in training, none on the one click of these days
    assert found.scores("test", 3.0)["pcvr"].tolist() == [pytest.approx(1.0 / 2 / 2)]
    longer = found.scores("test", 30.0)
    assert longer["pctr"][0] > brand and longer["pcvr"][0] > 0.25
    np.testing.assert_allclose(longer["pctcvr"], longer["pctr"] * longer["pcvr"])


def slowly(data, part, days, prior):
    log, asked = pd.concat(data.parts.values()), data.parts[part]
    of_item = data.items.set_index("item_id")
    scores = []
    for item, time in zip(asked["item_id"], asked["timestamp"], strict=True):
        rate = data.train["click"].mean()
        recent = log[(log["timestamp"] < time) & (log["timestamp"] >= time - days * DAY)]
        for column in ("category", "brand", "item_id"):
            own = item if column == "item_id" else of_item[column][item]
            theirs = recent["item_id"] if column == "item_id" else recent["item_id"].map(of_item[column])
            same = recent[theirs == own]
            rate = (same["click"].sum() + prior * rate) / (len(same) + prior)
        scores.append(rate)
    return scores


events = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 1)), min_size=6, max_size=40)


@given(events, st.sampled_from(WINDOWS))
@settings(max_examples=25)
def test_it_counts_as_loops_do(found, days):
    rows = [(day, item, click, 0.0 if click else np.nan) for day, item, click in sorted(found)]
    data = dataset(rows, ITEMS, len(rows) // 2, len(rows) // 4)
    for part in ("train", "valid", "test"):
        scores = RecentPopularity(data, click_prior=3.0).scores(part, days)["pctr"]
        np.testing.assert_allclose(scores, slowly(data, part, days, 3.0), rtol=1e-6)


def test_rows_of_one_moment_and_later_ones_change_nothing():
    rows = [(0, 1, 1, 0.0), (1, 1, 0, np.nan), (2, 1, 1, 0.0), (2, 1, 1, 1.0), (3, 2, 1, 1.0)]
    other = [*rows[:3], (2, 1, 0, np.nan), (3, 2, 0, np.nan)]
    first, second = (
        RecentPopularity(dataset(each, ITEMS, 2, 2)).scores("valid", 7.0) for each in (rows, other)
    )
    assert first["pctr"][0] == second["pctr"][0] == first["pctr"][1]


def test_where_negatives_are_sampled_recent_clicks_rank_and_brands_break_ties():
    rows = [
        (0, 1, 1, 0.0),
        (0, 3, 0, np.nan),
        (1, 1, 1, 0.0),
        (2, 1, 1, 0.0),
        (2, 2, 0, np.nan),
        (2, 3, 0, np.nan),
    ]
    scores = RecentPopularity(dataset(rows, ITEMS, 2, 1, is_sampled=True)).scores("test", 7.0)["pctr"]
    assert scores[0] > scores[1] > scores[2] > 0 and scores[0] <= 1


def test_the_window_is_the_one_that_validation_likes():
    rows = [(day, 1, 1, 0.0) for day in range(5)] + [(day, 3, 0, np.nan) for day in range(5)]
    rows += [(20, 1, 0, np.nan), (20, 3, 1, 0.0), (21, 1, 0, np.nan), (21, 3, 1, 0.0), (22, 3, 1, 0.0)]
    found = RecentPopularity(
        dataset(sorted(rows, key=lambda row: row[0]), ITEMS.drop(columns="category"), 12, 2)
    )
    assert found.best_window() in (1.0, 3.0, 7.0)  # what was liked weeks ago is disliked now


def test_data_without_time_has_no_recent_popularity():
    data = dataset([(0, 1, 1, 0.0), (1, 2, 0, np.nan), (2, 3, 1, 0.0)], ITEMS, 1, 1)
    timeless = replace(data, test=data.test.drop(columns="timestamp"))
    with pytest.raises(ValueError, match=r"expected a timestamp in every part, got none in \['test'\]"):
        RecentPopularity(timeless)
