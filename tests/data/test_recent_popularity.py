"""Recent popularity: by hand, against loops, and what it may not know."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.data.recent_popularity import DAY, RECENT_ITEM, WINDOWS, RecentPopularity


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


def log_odds(rate):
    return np.log(rate / (1 - rate))


def test_a_host_knows_by_how_much_category_brand_and_item_lie_above_what_is_known_anyway():
    rows = [(0, 1, 1, 1.0), (0, 3, 0, np.nan), (5, 1, 1, 0.0), (5, 3, 0, np.nan), (6, 2, 1, 0.0)]
    data = dataset([*rows, (6.5, 1, 0, np.nan)], ITEMS, 2, 2)
    known = RecentPopularity(data, click_prior=2.0, conversion_prior=1.0).host_features("test", 3.0)
    category = (1 + 2 * 0.5) / 3
    brand = (1 + 2 * category) / 3
    expected = [log_odds(category) - log_odds(0.5), log_odds(brand) - log_odds(category), 0.0]
    names = ["recent_category_ctr", "recent_brand_ctr", "recent_item_ctr"]
    np.testing.assert_allclose(known.loc[0, names].to_numpy(float), expected, atol=1e-6)
    item = (1 + 2 * (2 + 2 * (2 + 2 * 0.5) / 4) / 4) / 3  # category 2 of 2, brand 2 of 2, item 1 of 1
    above = (2 + 2 * (2 + 2 * 0.5) / 4) / 4
    assert known["recent_item_ctr"][1] == pytest.approx(log_odds(item) - log_odds(above), abs=1e-5)
    assert known["recent_item_cvr"][0] == pytest.approx(0.0, abs=1e-6)
    assert list(known) == [
        f"recent_{kind}_{rate}" for kind in ("category", "brand", "item") for rate in ("ctr", "cvr")
    ]


@given(events)
@settings(max_examples=25)
def test_what_a_host_knows_of_a_row_hangs_neither_on_its_part_nor_on_what_is_not_earlier(found):
    rows = [(day, item, click, 0.0 if click else np.nan) for day, item, click in sorted(found)]
    n_train = len(rows) // 2
    one, other = dataset(rows, ITEMS, n_train, 1), dataset(rows, ITEMS, n_train, len(rows) - n_train - 1)
    moved = [
        pd.concat(
            [RecentPopularity(data).host_features(part) for part in ("valid", "test")], ignore_index=True
        )
        for data in (one, other)
    ]
    pd.testing.assert_frame_equal(*moved)
    last = one.test["timestamp"].max()
    is_last = one.test["timestamp"] == last
    changed = replace(
        one, test=one.test.assign(click=np.where(is_last, 1 - one.test["click"], one.test["click"]))
    )
    pd.testing.assert_frame_equal(
        RecentPopularity(one).host_features("test"), RecentPopularity(changed).host_features("test")
    )


@pytest.mark.parametrize("is_sampled", [False, True])
def test_a_simulated_new_item_keeps_its_brand_and_looks_like_one_that_nobody_met(is_sampled):
    generator = np.random.default_rng(0)
    rows = [
        (day, item, click, float(generator.integers(0, 2)) if click else np.nan)
        for day, item, click in zip(
            np.sort(generator.random(60)) * 10,
            generator.integers(1, 3, 60),
            generator.integers(0, 2, 60),
            strict=True,
        )
    ]
    data = dataset(
        [*rows, (11.0, 4, 0, np.nan)],
        pd.concat([ITEMS, ITEMS[:1].assign(item_id=4)]),
        50,
        5,
        is_sampled=is_sampled,
    )
    plain, recent = encode_dataset(data), encode_dataset(data, recent_popularity=True)
    names = list(RecentPopularity(data).host_features("train"))
    own = [plain.n_dense + names.index(name) for name in RECENT_ITEM]
    kept = [plain.n_dense + at for at in range(len(names)) if plain.n_dense + at not in own]
    assert recent.n_dense == plain.n_dense + 6
    np.testing.assert_array_equal(recent.test.dense[:, : plain.n_dense], plain.test.dense)
    (before,) = recent.train.batches(100)
    new = recent.train.newness.of(before, torch.ones(len(before.click), dtype=torch.bool))
    assert torch.equal(new.dense[:, kept], before.dense[:, kept])
    assert before.dense[:, own].std(0).min() > 0
    never_met = recent.test.dense[-1, own]
    np.testing.assert_allclose(new.dense[:, own], np.tile(never_met, (len(before.click), 1)), atol=1e-5)


def test_rows_without_time_are_encoded_without_it():
    rows = [(day, 1 + day % 2, day % 3 == 0, 0.0 if day % 3 == 0 else np.nan) for day in range(12)]
    data = dataset(rows, ITEMS, 6, 3)
    bare = replace(data, **{name: part.drop(columns="timestamp") for name, part in data.parts.items()})
    assert encode_dataset(bare, recent_popularity=True).n_dense == encode_dataset(bare).n_dense


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
