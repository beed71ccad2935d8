"""The tables of the generated marketplace leak nothing, and its truth is the one that outcomes follow."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketplace_judge import all_rows, day_of, positions
from sklearn.metrics import roc_auc_score

from learn_rank.datasets.marketplace.catalogue import Catalogue
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.datasets.marketplace.people import Users
from learn_rank.datasets.marketplace.traffic import _smallest
from learn_rank.datasets.marketplace.world import World, intercept_for_rate

TINY = MarketplaceConfig(seed=2, n_users=60, n_items=80, n_impressions=2_000)


@pytest.fixture(scope="module")
def market():
    return generate_marketplace(MarketplaceConfig())


def test_the_same_seed_gives_identical_frames_and_another_seed_another_market():
    first, again = generate_marketplace(TINY), generate_marketplace(TINY)
    other = generate_marketplace(replace(TINY, seed=3))
    for name in ("items", "interactions", "train", "valid", "test", "truth"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))
    assert first.description == again.description


def digest(market):
    """sha256 of every table, with the items of later days, and of the probabilities of all pairs."""
    names = ("items", "interactions", "train", "valid", "test", "truth")
    hashes = [pd.util.hash_pandas_object(getattr(market, name)).to_numpy() for name in names]
    world = market.world
    user, item = (every.ravel() for every in np.indices((len(world.user_ids), len(world.item_ids))))
    numbers = [world.click_probability_at(user, item, item % 8), world.conversion_probability_at(user, item)]
    numbers += [world.users.activity, world.catalogue.popularity]
    return hashlib.sha256(b"".join(values.tobytes() for values in hashes + numbers)).hexdigest()


def digest_of_a_tiny_market():
    return digest(generate_marketplace(replace(TINY, ab_days=3)))


def vector_features():
    """Of this processor, those for which numpy has faster loops than for its least one."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__[name]]


def test_the_marketplace_is_the_same_on_every_processor():
    # a change of the generator that moves a number of an old seed must be seen and said
    assert digest_of_a_tiny_market().startswith("702371633cd67713")


def test_without_the_vector_instructions_of_this_processor_the_marketplace_is_the_same():
    plain = os.environ | {
        "NPY_DISABLE_CPU_FEATURES": " ".join(
            [os.environ.get("NPY_DISABLE_CPU_FEATURES", ""), *vector_features()]
        ),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F",  # other C libraries ignore it
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    code = "import test_marketplace as t; print(t.vector_features(), t.digest_of_a_tiny_market())"
    found = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["[]", digest_of_a_tiny_market()]


def test_a_page_has_the_smallest_of_a_race_in_the_order_of_the_catalogue_and_the_first_of_equals():
    race = np.random.default_rng(0).integers(0, 40, (500, 60)).astype(np.float32)  # full of equals
    slow = [sorted(sorted(range(60), key=row.__getitem__)[:8]) for row in race]
    assert _smallest(race, 8).tolist() == slow
    assert _smallest(race[:, :8], 8).tolist() == [list(range(8))] * 500


def test_days_after_the_recorded_ones_add_items_and_users_and_move_nothing():
    plain, longer = generate_marketplace(TINY), generate_marketplace(replace(TINY, ab_days=5))
    n_items, n_users = len(plain.items), len(plain.world.user_ids)
    pd.testing.assert_frame_equal(longer.items.head(n_items), plain.items)
    for name in ("interactions", "train", "valid", "test", "truth"):
        pd.testing.assert_frame_equal(getattr(longer, name), getattr(plain, name))
    assert longer.world.click_intercept == plain.world.click_intercept
    for table, count in (("catalogue", n_items), ("users", n_users)):
        for field in fields(getattr(plain.world, table)):
            kept = getattr(getattr(longer.world, table), field.name)[:count]
            np.testing.assert_array_equal(kept, getattr(getattr(plain.world, table), field.name))
    later = longer.items.iloc[n_items:]
    assert set(later["first_day"]) == set(range(TINY.n_days, TINY.n_days + 5))
    assert set(longer.world.users.first_day[n_users:]) == set(later["first_day"])
    assert longer.items["item_id"].is_unique and longer.items["title"].is_unique
    assert len(set(longer.world.user_ids)) == len(longer.world.users.first_day) > n_users
    assert set(later["brand"]) <= set(generate_marketplace(MarketplaceConfig(n_users=50)).items["brand"])


def test_generation_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    generate_marketplace(TINY)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_the_parts_follow_each_other_in_time_and_no_request_is_divided(market):
    config = MarketplaceConfig()
    for rows, first, last in (
        (market.train, 0, config.train_days - 1),
        (market.valid, config.train_days, config.train_days),
        (market.test, config.train_days + 1, config.n_days - 1),
    ):
        days = day_of(rows)
        assert days.min() == first and days.max() == last
        assert rows["timestamp"].is_monotonic_increasing
    pages = all_rows(market).groupby("request_id")
    assert (pages.size() == config.n_candidates).all()
    assert (pages["item_id"].nunique() == config.n_candidates).all()
    assert (pages[["user_id", "timestamp"]].nunique() == 1).all(axis=None)
    assert pages["slot"].agg(sorted).map(lambda slots: slots == list(range(config.n_candidates))).all()


def test_the_interactions_are_exactly_the_clicks_of_the_first_days_of_training(market):
    train = market.train
    clicks = train[(train["click"] == 1) & (day_of(train) < MarketplaceConfig().interaction_days)]
    columns = ["user_id", "item_id", "timestamp"]
    pd.testing.assert_frame_equal(market.interactions[columns], clicks[columns].reset_index(drop=True))
    is_purchase = (market.interactions["event"] == "purchase").to_numpy()
    np.testing.assert_array_equal(is_purchase, clicks["conversion"].to_numpy() == 1)


def test_conversion_is_known_on_clicks_only_and_value_is_the_price_of_what_was_bought(market):
    rows = all_rows(market).merge(market.items[["item_id", "price"]], on="item_id")
    assert rows["click"].isin([0, 1]).all()
    np.testing.assert_array_equal(rows["conversion"].isna(), rows["click"] == 0)
    bought = rows["conversion"] == 1
    np.testing.assert_array_equal(rows.loc[bought, "value"], rows.loc[bought, "price"])
    assert rows.loc[~bought, "value"].isna().all()


def test_nothing_happens_before_an_item_is_offered_or_a_user_has_arrived(market):
    rows = all_rows(market)
    user, item = positions(market, rows)
    assert (user >= 0).all() and (item >= 0).all()
    assert (day_of(rows) >= market.items["first_day"].to_numpy()[item]).all()
    assert (day_of(rows) >= market.world.users.first_day[user]).all()


def test_new_items_and_new_users_hold_a_good_share_of_the_test(market):
    train, test = market.train, market.test
    new_items = ~test["item_id"].isin(train["item_id"].unique())
    new_users = ~test["user_id"].isin(train["user_id"].unique())
    assert 0.10 <= new_items.mean() <= 0.40
    assert 0.05 <= new_users.mean() <= 0.20
    assert market.description["test_share_of_new_items"] == new_items.mean()
    assert market.description["test_share_of_new_users"] == new_users.mean()


def test_sizes_and_rates_are_those_of_the_config(market):
    config, rows = MarketplaceConfig(), all_rows(market)
    assert len(rows) == pytest.approx(config.n_impressions, rel=0.01)
    assert rows["click"].mean() == pytest.approx(config.click_rate, abs=0.004)
    assert rows["conversion"].mean() == pytest.approx(config.conversion_rate, abs=0.012)
    assert 140_000 <= len(market.train) <= 165_000
    assert len(market.test) >= 15_000
    assert json.loads(json.dumps(market.description)) == market.description


def test_popularity_and_activity_have_a_long_tail(market):
    def gini(counts):
        counts, n = np.sort(counts), len(counts)
        return ((2 * np.arange(1, n + 1) - n - 1) * counts).sum() / (n * counts.sum())

    assert gini(np.array([1.0, 1.0, 1.0])) == 0.0 and gini(np.array([0.0, 0.0, 3.0])) == pytest.approx(2 / 3)
    assert gini(market.train.groupby("item_id").size().to_numpy()) > 0.4
    assert gini(market.train.groupby("user_id").size().to_numpy()) > 0.4
    flat = generate_marketplace(replace(TINY, n_items=300, n_impressions=60_000, popularity_exponent=0.0))
    assert gini(flat.train.groupby("item_id").size().to_numpy()) < 0.35


def test_the_truth_has_the_rows_of_the_three_parts_in_their_order(market):
    rows, truth = all_rows(market), market.truth.reset_index(drop=True)
    columns = ["request_id", "user_id", "item_id", "slot"]
    pd.testing.assert_frame_equal(truth[columns], rows[columns])
    assert truth["split"].tolist() == ["train"] * len(market.train) + ["valid"] * len(market.valid) + (
        ["test"] * len(market.test)
    )
    assert not {"p_click", "p_conversion"} & set(rows.columns)


def test_outcomes_are_drawn_from_the_truth_in_every_tenth_of_it(market):
    rows, truth = all_rows(market), market.truth.reset_index(drop=True)
    for outcome, probability, known in (
        ("click", "p_click", rows["click"] >= 0),
        ("conversion", "p_conversion", rows["click"] == 1),
    ):
        p, y = truth.loc[known, probability], rows.loc[known, outcome]
        for _, tenth in p.groupby(pd.qcut(p, 10, labels=False)):
            error = np.sqrt((tenth * (1 - tenth)).sum()) / len(tenth)
            assert abs(y[tenth.index].mean() - tenth.mean()) < 4 * error


def test_the_truth_separates_clicks_and_conversions_but_far_from_perfectly(market):
    truth, test = market.truth[market.truth["split"] == "test"].reset_index(drop=True), market.test
    clicked = test["click"] == 1
    assert 0.75 <= roc_auc_score(test["click"], truth["p_click"]) <= 0.86
    assert 0.75 <= roc_auc_score(test.loc[clicked, "conversion"], truth.loc[clicked, "p_conversion"]) <= 0.86


def test_the_world_answers_for_any_pair_as_the_truth_does(market):
    truth = market.truth.sample(500, random_state=0)
    users, items = truth["user_id"].to_numpy(str), truth["item_id"].to_numpy(str)
    p_click = market.world.click_probability(users, items, truth["slot"].to_numpy())
    np.testing.assert_array_equal(p_click, truth["p_click"])
    np.testing.assert_array_equal(market.world.conversion_probability(users, items), truth["p_conversion"])
    with pytest.raises(
        ValueError, match=r"item_ids: expected ids of this world.*1 unknown, first 'B9'.*same market"
    ):
        market.world.conversion_probability(users[:1], np.array(["B9"]))


def test_a_world_of_one_user_and_one_item_has_the_probabilities_derived_by_hand():
    user = Users(
        theme=np.array([[0.5]]),
        style=np.array([[0.2]]),
        need=np.array([[0.9, 0.4]]),
        spending=np.array([0.1]),
        price_sensitivity=np.array([2.0]),
        quality_care=np.array([1.5]),
        click_bias=np.array([-0.3]),
        taste=np.array([[1.0, 0.0, 2.0]]),
        activity=np.array([1.0]),
        persona=np.array([0]),
        first_day=np.array([0]),
    )
    item = Catalogue(
        theme=np.array([0]),
        style=np.array([0]),
        need=np.array([[1.0, 0.0]]),
        quality=np.array([2]),
        price_level=np.array([0.6]),  # .5 dearer than the user finds right
        popularity=np.array([1.0]),
        appeal=np.array([0.4]),
        taste=np.array([[0.5, 9.0, -1.0]]),
        first_day=np.array([0]),
        noun=np.array(["spade"]),
    )
    world = World(
        np.array(["u"]), np.array(["i"]), user, item, click_intercept=-1.0, conversion_intercept=-2.0
    )
    click = -1.0 + 3.0 * 0.5 + 0.6 * 0.2 + 0.7 * 0.4 + 0.2 * (0.5 - 2.0) - 0.3 * 0.5 - 0.3 - 0.12 * 3
    conversion = -2.0 + 1.3 * 0.2 + 1.1 * 0.9 + 1.2 * 1.5 * 2 - 0.8 * 2.0 * 0.5 + 0.4 * 0.5
    pair = np.array(["u"]), np.array(["i"])
    assert world.click_probability(*pair, np.array([3]))[0] == pytest.approx(
        1 / (1 + np.exp(-click)), abs=1e-12
    )
    assert world.conversion_probability(*pair)[0] == pytest.approx(1 / (1 + np.exp(-conversion)), abs=1e-12)
    too_cheap = replace(world, catalogue=replace(item, price_level=np.array([-0.9])))  # 1.0 below, counts .35
    conversion += 0.8 * 2.0 * (0.5 - 0.35)
    assert too_cheap.conversion_probability(*pair)[0] == pytest.approx(
        1 / (1 + np.exp(-conversion)), abs=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=20),
    st.floats(0.02, 0.98),
)
def test_the_intercept_gives_the_wanted_weighted_rate(rows, rate):
    scores, weights = np.array(rows).T
    intercept = intercept_for_rate(scores, rate, weights)
    assert np.average(1 / (1 + np.exp(-(intercept + scores))), weights=weights) == pytest.approx(
        rate, abs=1e-9
    )


def test_the_top_of_a_page_is_clicked_more_and_placement_is_random(market):
    by_slot = market.train.groupby("slot")["click"].mean()
    assert by_slot.is_monotonic_decreasing and by_slot[0] > 1.4 * by_slot[7]
    _, item = positions(market, market.train)
    popularity = pd.Series(market.world.catalogue.popularity[item]).groupby(market.train["slot"]).mean()
    assert popularity.max() < 1.05 * popularity.min()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_users": 0}, "n_users: expected at least 1, got 0"),
        ({"train_days": 10}, "train_days: expected at least interaction_days, got 10"),
        ({"n_days": 28}, r"n_days: expected more than train_days \+ valid_days, got 28"),
        ({"click_rate": 1.0}, r"click_rate: expected inside \(0, 1\), got 1.0"),
        ({"late_item_share": 0.5}, r"late_item_share: expected inside \[0, 0.4\]"),
        ({"debut_share": -0.1}, "debut_share: expected inside"),
        ({"popularity_exponent": -1.0}, "popularity_exponent: expected at least 0"),
        ({"n_items": 20}, "n_candidates: expected at most n_items / 4, got 8"),
    ],
)
def test_a_config_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        MarketplaceConfig(**changes)
