"""Environments: known truths, and truths fitted on a log, which are refused where they cannot be believed."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.ab.candidate_worlds import small_world
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.fitted_environment import trees
from learn_rank.ab.fitted_environment.features import FeatureCodes
from learn_rank.ab.fitted_environment.fit import fit_environment, open_fitted_environment
from learn_rank.ab.fitted_environment.gate import GateRow, gate_guard, gate_rows, has_passed_gate
from learn_rank.ab.fitted_environment.log import check_no_overlap, read_log, row_hashes, split_log
from learn_rank.ab.marketplace.baskets import JOURNEY, fit_journey, shop_prices
from learn_rank.ab.marketplace.visits import draw_visits
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment, MarketplaceEnvironment
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.statistics.platt import Platt, fit_platt
from learn_rank.cli import app
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace

FEATURES = ("quality", "match", "department")


def expit(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def made_up_log(n_rows=24_000, n_days=8, seed=0, slot_cost=0.35, drift=0.0):
    """Impressions of 600 users whose clicks follow three features and the place; the truth is in columns."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "user_id": generator.integers(0, 600, n_rows),
            "item_id": generator.integers(0, 200, n_rows),
            "position": generator.integers(0, 3, n_rows),
            "quality": generator.normal(size=n_rows),
            "match": generator.uniform(-1, 1, n_rows),
            "department": generator.choice(["garden", "kitchen", "toys"], n_rows),
        }
    )
    day = np.arange(n_rows) * n_days // n_rows
    rows["timestamp"] = 1_700_006_400 + 86_400 * day + generator.integers(0, 86_400, n_rows)
    appeal = rows["department"].map({"garden": -0.5, "kitchen": 0.0, "toys": 0.6}).to_numpy()
    late = drift * (day == n_days - 1) + drift * (day == n_days - 2)
    at_top = -1 + rows["quality"] + 1.5 * rows["match"] + appeal
    rows["p_click"] = expit(at_top - slot_cost * rows["position"] + late)
    rows["p_conversion"] = expit(-0.5 + rows["quality"] - appeal)
    rows["click"] = (generator.random(n_rows) < rows["p_click"]).astype(int)
    rows["conversion"] = np.where(
        rows["click"] == 1, generator.random(n_rows) < rows["p_conversion"], np.nan
    ).astype(float)
    return rows


def as_day(rows, names):
    return SimpleNamespace(day=3, columns={name: rows[name].to_numpy() for name in names})


@pytest.fixture(scope="module")
def log():
    return made_up_log()


@pytest.fixture(scope="module")
def fitted(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment") / "env"
    return fit_environment(log, folder, features=FEATURES), folder


def test_the_known_truth_is_the_column_times_the_effect_of_the_slot():
    day = SimpleNamespace(day=0, columns={"p_click": np.array([0.5, 0.2, 0.8]), "p_conversion": np.ones(3)})
    environment = KnownEnvironment((1.0, 0.5))
    found = environment.click_probability(day, np.array([2, 0, 0]), np.array([0, 1, 0]))
    assert found.tolist() == [0.8, 0.25, 0.5]
    assert environment.conversion_probability(day, np.array([1])).tolist() == [1.0]
    with pytest.raises(ValueError, match="slot_effect: expected an effect for each of 3 slots, got 2"):
        environment.click_probability(day, np.array([0]), np.array([2]))


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.2])
def test_a_known_truth_that_is_no_probability_is_named_with_its_row(value):
    day = SimpleNamespace(day=4, columns={"p_click": np.array([0.5, value])})
    with pytest.raises(ValueError, match=r"p_click: expected probabilities .* in row 1 of day 4"):
        KnownEnvironment().click_probability(day, np.array([0, 1]), np.array([0, 0]))


def test_slot_effects_outside_0_to_1_are_refused():
    with pytest.raises(ValueError, match="slot_effect"):
        KnownEnvironment((1.0, 1.2))


def test_the_marketplace_answers_with_its_own_truth_and_its_own_cost_of_slots():
    market = generate_marketplace(MarketplaceConfig(seed=2, n_users=60, n_items=80, n_impressions=2_000))
    truth = market.truth
    day = as_day(truth, ("user_id", "item_id"))
    environment = MarketplaceEnvironment(market.world)
    rows = np.arange(len(truth))
    found = environment.click_probability(day, rows, truth["slot"].to_numpy())
    np.testing.assert_array_equal(found, truth["p_click"])
    np.testing.assert_array_equal(environment.conversion_probability(day, rows), truth["p_conversion"])
    lower = replace(environment, top_slot=1.0).click_probability(day, rows, truth["slot"].to_numpy())
    assert (lower < found).all()


def test_fitted_trees_come_near_the_planted_truth_in_every_slot(fitted, log):
    environment, _ = fitted
    rows = np.arange(4_000)
    day = as_day(log, FEATURES)
    found = environment.click_probability(day, rows, log["position"].to_numpy()[rows])
    assert np.abs(found - log["p_click"].to_numpy()[rows]).mean() < 0.04
    assert np.corrcoef(found, log["p_click"].to_numpy()[rows])[0, 1] > 0.97
    conversion = environment.conversion_probability(day, rows)
    assert np.corrcoef(conversion, log["p_conversion"].to_numpy()[rows])[0, 1] > 0.9


def test_a_lower_slot_is_never_clicked_more(fitted, log):
    environment, _ = fitted
    day, rows = as_day(log, FEATURES), np.arange(2_000)
    by_slot = [environment.click_probability(day, rows, np.full(len(rows), slot)) for slot in range(3)]
    assert (by_slot[0] >= by_slot[1]).all() and (by_slot[1] >= by_slot[2]).all()
    assert by_slot[0].mean() > by_slot[2].mean() + 0.05


def test_the_gate_is_over_all_rows_users_items_and_positions_and_passes_on_an_honest_log(fitted):
    environment, _ = fitted
    kinds = {(row.event, row.bucket_kind) for row in environment.gate}
    assert kinds == {(e, k) for e in ("click", "conversion") for k in ("all", "user", "item", "position")}
    assert environment.guard.has_passed, environment.guard.words


def test_an_environment_read_back_gives_the_same_digits_and_other_refits_do_not(fitted, log):
    environment, folder = fitted
    again = open_fitted_environment(folder)
    day, rows, slots = as_day(log, FEATURES), np.arange(500), np.zeros(500, np.int64)
    found = environment.click_probability(day, rows, slots)
    np.testing.assert_array_equal(again.click_probability(day, rows, slots), found)
    assert again.guard == environment.guard and again.needs == FEATURES
    one, two = (replica.click_probability(day, rows, slots) for replica in again.replicas(2))
    assert not np.array_equal(one, two) and not np.array_equal(one, found)
    assert np.abs(one - found).mean() < 0.05


def test_the_folder_holds_numbers_and_text_only_and_no_ids(fitted):
    _, folder = fitted
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "data.npz"]
    with np.load(folder / "data.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fiub" for name in arrays)
    assert json.loads((folder / "card.json").read_text())["family"] == "trees"


def test_trees_that_came_out_otherwise_than_saved_are_refused(fitted, tmp_path):
    _, folder = fitted
    copy = tmp_path / "env"
    copy.mkdir()
    (copy / "card.json").write_bytes((folder / "card.json").read_bytes())
    with np.load(folder / "data.npz") as arrays:
        changed = {**arrays, "anchors": arrays["anchors"] + 0.01}
    np.savez(copy / "data.npz", **changed)
    with pytest.raises(ValueError, match="expected the trees that were saved"):
        open_fitted_environment(copy)


def test_a_log_whose_last_days_differ_is_written_but_cannot_be_used(tmp_path):
    folder = tmp_path / "env"
    # the drift of the held-out days is learned by no tree and hidden from the calibration
    rows = made_up_log(12_000, drift=0.0)
    is_judged = pd.util.hash_array(rows["user_id"].to_numpy()) % 2 == 0
    late = rows["timestamp"] >= 1_700_006_400 + 86_400 * 6
    rows.loc[is_judged & late & (np.arange(len(rows)) % 3 == 0), "click"] = 0
    environment = fit_environment(rows, folder, features=FEATURES)
    assert environment.guard.has_passed is False
    with pytest.raises(ValueError, match="expected an environment whose gate is passed"):
        open_fitted_environment(folder)


def test_rows_that_an_arm_was_trained_on_are_refused_with_their_count(log, tmp_path):
    shared = log.iloc[100:117].astype({"user_id": str, "item_id": str})
    with pytest.raises(ValueError, match=r"training table 1: expected no row .* got 17 of 17 in common"):
        fit_environment(log, tmp_path / "env", features=FEATURES, training=[shared])
    assert not (tmp_path / "env").exists()
    later = log.assign(timestamp=log["timestamp"] + 1)
    assert check_no_overlap(row_hashes(log), [later]) == len(log)


def test_overlap_needs_the_times_of_the_training_rows(log):
    with pytest.raises(
        ValueError, match=r"training table 1, column timestamp\n +expected: a column of this name"
    ):
        check_no_overlap(row_hashes(log), [log[["user_id", "item_id"]]])


def test_an_environment_of_the_arms_own_family_is_refused(fitted, log, tmp_path):
    environment, _ = fitted
    environment.check_arms(families=["nets"], training=[log.assign(timestamp=0)])
    with pytest.raises(ValueError, match="another model family"):
        environment.check_arms(families=["nets", "trees"])
    with pytest.raises(ValueError, match="another model family"):
        fit_environment(log, tmp_path / "env", features=FEATURES, families=["trees"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.drop(columns="position"), r"log, column position\n.*\n +got: +no such column"),
        (lambda rows: rows.assign(click=rows["click"] * 2), r"log, column click\n +expected: 0 or 1\n"),
        (
            lambda rows: rows.assign(conversion=np.nan),
            r"log, column conversion\n +expected: 0 or 1 where click is 1",
        ),
        (
            lambda rows: rows.assign(position=rows["position"] - 1),
            r"log, column position\n +expected: an integer >= 0 in each row, 0 = top",
        ),
        (
            lambda rows: rows.assign(position=rows["position"] + 1),
            r"column position\n +expected: rows at the top .*0\n +got: +none before position 1\n.*subtract 1",
        ),
        (
            lambda rows: rows.assign(user_id=rows["user_id"].where(rows["user_id"] > 5)),
            r"log, column user_id\n +expected: an id in each row",
        ),
    ],
)
def test_a_log_that_is_not_one_is_refused_in_words(log, change, words):
    with pytest.raises(ValueError, match=words):
        read_log(change(log))


def fit_command(*arguments):
    return CliRunner().invoke(app, ["fit-environment", *map(str, arguments)])


def small_log():
    """3,000 impressions of four days; `shelf` is a code with leading zeros."""
    rows = made_up_log(3000, n_days=4)
    rows["shelf"] = np.where(rows["match"] > 0, "007", "7")
    return rows.drop(columns=["p_click", "p_conversion", "department"])


@pytest.fixture
def few_trees(monkeypatch):
    """Ten trees a model, where nobody asks how well they fit."""
    whole = trees.HistGradientBoostingClassifier
    monkeypatch.setattr(
        trees, "HistGradientBoostingClassifier", lambda **asked: whole(**{**asked, "max_iter": 10})
    )


@pytest.mark.usefixtures("few_trees")
def test_types_that_say_the_same_give_the_same_environment(tmp_path):
    rows = small_log()
    expected = fit_environment(rows, tmp_path / "frame", features=["quality", "shelf"])
    flags = rows["conversion"].map({1.0: True, 0.0: False}).astype("boolean")
    written = {
        "nullable flags": rows.assign(conversion=flags, click=rows["click"] == 1),
        "nullable integers": rows.astype({"click": "Int8", "user_id": "Int64", "conversion": "Int8"}),
        "categories": rows.astype({"shelf": "category"}),
        "view-through conversions": rows.assign(conversion=rows["conversion"].fillna(1.0)),
    }
    for at, (name, table) in enumerate(written.items()):
        table.to_parquet(tmp_path / f"{at}.parquet")
        found = fit_environment(tmp_path / f"{at}.parquet", tmp_path / str(at), features=["quality", "shelf"])
        assert np.array_equal(found.data.features, expected.data.features, equal_nan=True), name
        assert found.gate == expected.gate, name
    rows.to_csv(tmp_path / "log.csv.gz", index=False)
    found = fit_environment(tmp_path / "log.csv.gz", tmp_path / "csv", features=["quality", "shelf"])
    assert found.codes.categories == expected.codes.categories
    assert found.gate == expected.gate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(timestamp=t["timestamp"] * 1000), "expected: unix seconds"),
        (lambda t: t.assign(timestamp=pd.to_datetime(t["timestamp"], unit="s")), "got: dates (dtype"),
        (
            lambda t: t.assign(timestamp=pd.to_datetime(t["timestamp"], unit="s", utc=True)),
            "remedy: seconds = (timestamp -",
        ),
        (lambda t: t.assign(timestamp=t["timestamp"].astype(str)), "numbers written as text"),
        (lambda t: t.assign(click=t["click"].where(t.index != 3).astype("Int8")), "rows: 3"),
        (lambda t: t.assign(user_id=t["user_id"] + 0.5), "expected: only integers or only strings"),
        (lambda t: t.assign(quality=pd.to_datetime(t["timestamp"], unit="s")), "dates in the log"),
        (lambda t: t.assign(quality=[[1]] * len(t)), "--features quality: expected numbers, truth values"),
        (
            lambda t: t.assign(item_bucket=np.where(t.index == 3, None, "new")),
            "expected: a bucket in each row",
        ),
        (lambda t: t.drop(columns=["click", "position"]), "2 problems in the tables"),
    ],
)
def test_a_log_that_cannot_be_fitted_ends_with_2_and_says_what_it_wants(tmp_path, change, message):
    change(small_log()).to_parquet(tmp_path / "log.parquet")
    done = fit_command(tmp_path / "log.parquet", "--out", tmp_path / "env", "--features", "quality")
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "env").exists()


def test_a_training_table_in_milliseconds_cannot_hide_what_it_has_in_common(tmp_path):
    small_log().to_parquet(tmp_path / "log.parquet")
    late = small_log().assign(timestamp=small_log()["timestamp"] * 1000)
    late.to_parquet(tmp_path / "train.parquet")
    asked = ["--out", tmp_path / "env", "--features", "quality", "--training", tmp_path / "train.parquet"]
    done = fit_command(tmp_path / "log.parquet", *asked)
    assert done.exit_code == 2 and "divide milliseconds by 1,000" in done.stderr


def test_shares_of_days_that_leave_nothing_are_refused_or_cut(log, tmp_path):
    with pytest.raises(ValueError, match="--held-out-share: expected a share between 0 and 1, got 5"):
        split_log(read_log(log), 5)
    parts = split_log(read_log(log), 0.99)
    assert len(parts.fit) > 0


@pytest.mark.parametrize(
    ("of_log", "of_candidates", "message"),
    [
        (
            [1.0, 2.0],
            ["007", "7"],
            "expected numbers, as in the log, got text in the candidates, first '007'",
        ),
        (["7", "8"], [7.0, 8.0], "expected text or integers, as in the log, got float64 in the candidates"),
        ([1.0, 2.0], pd.to_datetime([1, 2], unit="s"), "dates in the candidates"),
        (["7", "8"], pd.Series([["7"], ["8"]], dtype=object), "list in the candidates"),
    ],
)
def test_a_feature_of_another_kind_than_in_the_log_is_refused(of_log, of_candidates, message):
    codes = FeatureCodes.fit(pd.DataFrame({"f": of_log}), ["f"])
    with pytest.raises(ValueError, match=message):
        codes.matrix({"f": np.asarray(of_candidates)}, np.zeros(2))


def test_missing_numbers_and_truth_values_of_candidates_are_missing():
    codes = FeatureCodes.fit(pd.DataFrame({"f": [True, False]}), ["f"])
    found = codes.matrix({"f": np.array([True, None, False], object)}, np.zeros(3))[:, 0]
    assert found.tolist()[::2] == [1.0, 0.0] and np.isnan(found[1])


def test_features_that_tell_the_answer_or_are_not_there_are_refused(log, tmp_path):
    for features, words in ((("click",), "before anything is shown"), (("colour",), "columns of the log")):
        with pytest.raises(ValueError, match=words):
            fit_environment(log, tmp_path / "env", features=features)


def test_a_log_of_two_days_or_of_few_events_is_too_short(log, tmp_path):
    with pytest.raises(ValueError, match="expected at least 3 days"):
        split_log(read_log(log[log["timestamp"] < 1_700_006_400 + 2 * 86_400]))
    with pytest.raises(ValueError, match="expected at least 50 clicks"):
        fit_environment(log.assign(click=0), tmp_path / "env", features=FEATURES)


def test_no_user_calibrates_and_judges_and_no_judged_day_was_fitted(log):
    parts = split_log(read_log(log))
    assert not set(parts.calibrate["user_id"]) & set(parts.judge["user_id"])
    assert parts.fit["timestamp"].max() < parts.judge["timestamp"].min()
    assert len(parts.fit) + len(parts.calibrate) + len(parts.judge) == len(log)


def test_a_gate_ratio_and_its_interval_by_hand():
    # two users: y - r p sums to +1 and -1 at r = 1, expected 40: error sqrt(2) / 40
    observed = np.r_[np.ones(21), np.zeros(19), np.ones(19), np.zeros(21)]
    rows = gate_rows("click", observed, np.full(80, 0.5), np.repeat(["ann", "bob"], 40), {})
    assert rows[0].ratio == 1.0
    assert rows[0].high == pytest.approx(1 + 1.959964 * math.sqrt(2) / 40)


def test_a_small_bucket_says_nothing_and_one_wrong_bucket_closes_the_gate():
    expected = np.full(3_000, 0.5)
    observed = np.tile([1.0, 0.0], 1_500)
    buckets = np.where(np.arange(3_000) < 30, "rare", "common")
    users = np.arange(3_000)
    rows = gate_rows("click", observed, expected, users, {"item": buckets})
    assert [row.has_passed for row in rows] == [True, True, None] and has_passed_gate(rows)
    wrong = np.where(np.arange(3_000) < 1_000, 0.0, observed)
    half = gate_rows("click", wrong, expected, users, {"item": np.where(users < 1_000, "cold", "warm")})
    assert not has_passed_gate(half)
    guard = gate_guard(half)
    assert guard.has_passed is False and "cold" not in guard.limit
    assert gate_guard([GateRow("click", "all", "all", 1, 1, None, None, None, None)]).has_passed is False


def test_unknown_and_missing_categories_are_no_number():
    for wrong, words in (([None, None], "a value in some row"), ([1.0, np.inf], "finite numbers")):
        with pytest.raises(ValueError, match=f"--features size: expected {words}, got .*Remedy: "):
            FeatureCodes.fit(pd.DataFrame({"size": wrong}), ("size",))
    codes = FeatureCodes.fit(pd.DataFrame({"size": [1, 2], "colour": ["red", None]}), ("size", "colour"))
    found = codes.matrix({"size": [5, 6, 7], "colour": np.array(["red", "blue", None], object)}, np.arange(3))
    np.testing.assert_array_equal(found, [[5, 0, 0], [6, np.nan, 1], [7, np.nan, 2]])
    assert codes.is_category == [False, True, False]


def test_a_simulated_test_runs_in_a_fitted_environment(fitted, tmp_path):
    environment, _ = fitted
    generator = np.random.default_rng(5)
    candidates = small_world(n_days=2, n_requests_per_day=100)
    log = made_up_log(len(candidates), seed=9)
    for name in FEATURES:
        candidates[name] = log[name].to_numpy()
    source = CandidateFiles(candidates.assign(quality=generator.normal(size=len(candidates))))
    totals = simulate(source, environment, ABConfig(n_days=2))
    assert totals.total("clicks").sum() > 20


def test_platt_puts_right_scores_that_are_too_high_and_too_bold():
    generator = np.random.default_rng(0)
    truth = expit(generator.normal(-1, 1, 40_000))
    labels = (generator.random(40_000) < truth).astype(int)
    scores = expit(0.5 + 1.5 * np.log(truth / (1 - truth)))
    platt = fit_platt(scores, labels)
    assert platt.slope == pytest.approx(1 / 1.5, rel=0.05)
    assert platt(scores).sum() == pytest.approx(labels.sum(), rel=1e-4)
    few = fit_platt(scores[:60], labels[:60])
    assert few.slope == 1.0 and few(scores[:60]).mean() == pytest.approx(labels[:60].mean())
    assert fit_platt(scores[:5], np.ones(5, int)) == Platt()


def test_shop_prices_keep_the_order_within_a_department_and_take_the_shops_spread():
    generator = np.random.default_rng(0)
    prices = generator.lognormal(3, 1, 5_000)
    departments = np.where(np.arange(5_000) < 2_500, "a", "b")
    prices[departments == "b"] *= 100
    found = shop_prices(prices, departments)
    for name, expected in (("a", JOURNEY.prices[0]), ("b", JOURNEY.prices[-1])):
        own = departments == name
        assert (np.argsort(found[own]) == np.argsort(prices[own])).all()
        assert np.median(found[own]) == pytest.approx(expected.median, rel=0.01)
        assert np.log(found[own]).std() == pytest.approx(expected.log_sd, rel=0.01)


def test_visits_follow_the_wanted_number_the_households_and_the_arrivals():
    generator = np.random.default_rng(1)
    first_day = np.r_[np.zeros(3_000, int), np.repeat([12, 14], 40)]
    visits = draw_visits(
        first_day,
        generator.lognormal(0, 0.9, len(first_day)),
        start_day=10,
        n_days=9,
        n_requests_per_day=2_000,
        generator=generator,
    )
    known = visits.user < 3_000
    assert known.sum() == pytest.approx(9 * 2_000, rel=0.05)
    assert set(visits.day) == set(range(10, 19)) and (np.diff(visits.timestamp) >= 0).all()
    first_visit = pd.Series(visits.day).groupby(visits.user).min()
    assert (first_visit.loc[3_000:] == first_day[3_000:]).all() and len(first_visit.loc[3_000:]) == 80
    counts = np.bincount(visits.user[known], minlength=3_000)
    shape = counts.mean() ** 2 / (counts.var() - counts.mean())
    assert shape == pytest.approx(JOURNEY.activity_shape, rel=0.15)


def test_the_shops_numbers_are_those_of_the_complete_journey(shared_data):
    folder = shared_data / "complete_journey"
    if not folder.is_dir():
        pytest.skip(f"the Complete Journey: expected a folder at {folder}, got none")
    assert fit_journey(folder) == JOURNEY


def test_a_folder_without_the_tables_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"transactions\.csv\.gz"):
        fit_journey(tmp_path)
