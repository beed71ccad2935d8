"""Two trained rankers of a marketplace run in traffic: what they may know, and what is written."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ab_report_fixture import ab_row, guards
from rich.console import Console
from run_victim import PLOTS, chosen, config
from tiny_models import save_tiny_model

from learn_rank.ab import sources
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.marketplace import stage
from learn_rank.ab.marketplace.candidates import (
    MarketplaceTest,
    marketplace_candidates,
    marketplace_environment,
)
from learn_rank.ab.marketplace.exposure import Serving
from learn_rank.ab.marketplace.nightly_training import live_through
from learn_rank.ab.marketplace.open_rankers import open_rankers
from learn_rank.ab.marketplace.traffic import Traffic, draw_traffic
from learn_rank.ab.report.result import ABResult, read_result
from learn_rank.ab.report.verdict import verdict_of
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.statistics.analysis import AnalysisConfig
from learn_rank.data.dataset_files import read_dataset, write_dataset
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_rank.metrics.buckets import ITEM_RULE, USER_RULE, assign_buckets, training_counts
from learn_rank.pipeline.order import run_pipeline
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.config import read_config
from learn_rank.run.folder import RunFolder

MARKET = MarketplaceConfig(n_users=150, n_items=120, n_impressions=6000, ab_days=3)
TEST = MarketplaceTest(n_days=3, n_requests_per_day=60, n_candidates=6)
ARMS = ("baseline", "learn", "shuffled")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A marketplace run with its last stage, small in every respect."""
    encoder = save_tiny_model(tmp_path_factory.mktemp("encoder"))
    settings = replace(
        config(str(encoder)),
        seeds=(0,),
        arms=ARMS,
        embedding_decays=(1.0,),
        training=RankTrainConfig(n_epochs=1, batch_size=512),
    )
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "STAGE_TEST", TEST)
        patch.setattr(PLOTS, lambda *_: "")  # plots of another page
        source = {"market": "small", "ab_days": MARKET.ab_days}
        run_pipeline(lambda: read_marketplace(MARKET), source, out, settings, console=Console(quiet=True))
    return out


@pytest.fixture(scope="module")
def traffic(run):
    return draw(run)


def draw(run, **changes):
    asked = {"start_day": 28, "n_days": 5, "n_requests_per_day": 60, "n_candidates": 6, "seed": 0, **changes}
    return draw_traffic(
        read_dataset(RunFolder(run).tables), generate_marketplace(MARKET).world, MARKET, **asked
    )


def opened(run, traffic, folder, arms=("baseline", "learn"), **options):
    dataset, (settings, _) = read_dataset(RunFolder(run).tables), read_config(run)
    rankers = open_rankers(run, dataset, settings, traffic, arms=arms, work=folder, **options)
    return {name: ranker for _, name, ranker in rankers}


def scored(run, traffic, folder, **options):
    everything = np.ones(len(traffic.asked), bool)
    return {
        name: ranker.scores(everything) for name, ranker in opened(run, traffic, folder, **options).items()
    }


def serving_of(traffic, seed=0):
    """Outcomes of the candidates, at bids that differ by item."""
    items = traffic.asked["item_id"]
    rows = traffic.asked.assign(bid=1.0 + pd.factorize(items)[0] % 7, advertiser_id=items)
    return Serving(rows, generate_marketplace(MARKET).world, n_candidates=6, seed=seed)


def test_scores_of_the_test_rows_are_the_predictions_of_the_run(run, tmp_path):
    dataset = read_dataset(RunFolder(run).tables)
    asked = dataset.test.assign(click=np.nan, conversion=np.nan, day=28)
    nothing = dataset.test.head(0).assign(day=0)
    again = Traffic(asked, nothing, dataset.contexts)
    arms = ("baseline", "learn", "auto")
    for arm, found in scored(run, again, tmp_path, arms=arms).items():
        expected = pd.read_parquet(RunFolder(run).predictions_of(arm, 0))[["pctr", "pcvr"]].to_numpy().T
        np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_where_auto_took_a_head_from_each_of_two_rankers_both_serve_and_both_learn(run, traffic, tmp_path):
    with chosen(run, click="all", conversion="none"):
        arms = opened(run, traffic, tmp_path, arms=("baseline", "learn", "auto"), retrains=True)
    is_shown = np.flatnonzero(traffic.asked["day"] == MARKET.n_days)[:50]
    click = np.arange(50) % 3 == 0
    everything = np.ones(len(traffic.asked), bool)
    for is_next_day in (False, True):
        if is_next_day:
            for ranker in arms.values():
                ranker.learn(MARKET.n_days, is_shown, click, click)
        scores = {name: ranker.scores(everything) for name, ranker in arms.items()}
        np.testing.assert_array_equal(scores["auto"][0], scores["learn"][0])
        np.testing.assert_array_equal(scores["auto"][1], scores["baseline"][1])
        assert not np.array_equal(scores["learn"], scores["baseline"])


def test_a_day_is_scored_alike_whatever_happens_later(run, traffic, tmp_path):
    shorter = replace(traffic, feed=traffic.feed[traffic.feed["day"] < 32])
    is_earlier = (traffic.asked["day"] < 32).to_numpy()
    whole, cut = scored(run, traffic, tmp_path / "whole"), scored(run, shorter, tmp_path / "cut")
    for arm, scores in whole.items():
        np.testing.assert_array_equal(scores[:, is_earlier], cut[arm][:, is_earlier])
        assert not np.array_equal(scores, cut[arm])


def test_histories_hold_clicks_before_the_request_only(traffic):
    contexts = traffic.contexts.set_index("context_id")
    for rows in (traffic.asked, traffic.feed):
        newest = contexts["timestamp"].reindex(rows["context_id"]).to_numpy()
        assert not (newest >= rows["timestamp"].to_numpy()).any()
    assert not contexts["is_learned"].any()


def test_items_and_users_of_the_new_days_come_when_they_arrive_and_not_before(run, traffic):
    world = generate_marketplace(MARKET).world
    for column, ids, first_day in (
        ("item_id", world.item_ids, world.catalogue.first_day),
        ("user_id", world.user_ids, world.users.first_day),
    ):
        arrival = pd.Series(first_day, index=ids)
        for rows in (traffic.asked, traffic.feed):
            assert (arrival.reindex(rows[column]).to_numpy() <= rows["day"].to_numpy()).all()
        assert (arrival.reindex(traffic.asked[column]).to_numpy() >= MARKET.n_days).any()


def test_the_same_seed_gives_the_same_traffic_and_another_seed_another(run, traffic):
    again, other = draw(run), draw(run, seed=1)
    for name in ("asked", "feed"):
        pd.testing.assert_frame_equal(getattr(traffic, name), getattr(again, name))
        assert not getattr(traffic, name).equals(getattr(other, name))


def lived(run, traffic, folder, serving, name="learn"):
    """The scores of one arm that learns every night, and its scores without nights."""
    is_warm_up = (traffic.asked["day"] < MARKET.n_days).to_numpy()
    ranker = opened(run, traffic, folder, arms=(name,), retrains=True)[name]
    raw = ranker.scores(np.ones(len(is_warm_up), bool))
    return live_through(ranker, serving, is_warm_up), serving.calibration(raw, is_warm_up)(raw)


def test_a_night_moves_the_days_behind_it_only(run, traffic, tmp_path):
    asked, serving = traffic.asked["day"].to_numpy(), serving_of(traffic)
    trained, plain = lived(run, traffic, tmp_path, serving)
    until_first_night = asked <= MARKET.n_days
    np.testing.assert_allclose(trained[:, until_first_night], plain[:, until_first_night], rtol=1e-6)
    assert (np.abs(trained - plain)[:, ~until_first_night] > 1e-5).mean() > 0.9
    np.testing.assert_array_equal(trained, lived(run, traffic, tmp_path, serving)[0])


def test_a_ranker_learns_from_what_it_showed_and_only_after_it_happened(run, traffic, tmp_path):
    asked, serving = traffic.asked["day"].to_numpy(), serving_of(traffic)
    as_it_was, _ = lived(run, traffic, tmp_path, serving)
    today = asked == 31
    shown = np.zeros(len(asked), bool)
    shown[serving.shown(as_it_was, today)] = True
    for changed, moves in ((today & ~shown, False), (shown, True)):
        other = serving_of(traffic)
        other.click = np.where(changed, True, serving.click)
        found, _ = lived(run, traffic, tmp_path, other)
        np.testing.assert_array_equal(found[:, asked <= 31], as_it_was[:, asked <= 31])
        assert (found != as_it_was)[:, asked > 31].any() == moves
        if moves:  # clicks on everything that was shown raise what is expected tomorrow
            assert found[0, asked > 31].mean() > as_it_was[0, asked > 31].mean()


def test_a_night_knows_no_later_feed(run, traffic, tmp_path):
    shorter = replace(traffic, feed=traffic.feed[traffic.feed["day"] < 32])
    is_earlier = (traffic.asked["day"] < 32).to_numpy()
    serving = serving_of(traffic)
    whole, cut = (
        lived(run, each, tmp_path / name, serving)[0] for name, each in (("whole", traffic), ("cut", shorter))
    )
    np.testing.assert_allclose(whole[:, is_earlier], cut[:, is_earlier], rtol=1e-6)
    assert not np.allclose(whole, cut, rtol=1e-4)


def test_new_ids_begin_as_the_unknown_one_and_learn_on_their_own(run, traffic, tmp_path):
    plain = opened(run, traffic, tmp_path / "plain", arms=("baseline",))["baseline"]
    ranker = opened(run, traffic, tmp_path / "own", arms=("baseline",), retrains=True)["baseline"]
    everything = np.ones(len(traffic.asked), bool)
    np.testing.assert_allclose(ranker.scores(everything), plain.scores(everything), rtol=1e-6)
    item = traffic.asked["item_id"]
    codes, narrow = ranker._rows.test.codes["item_id"], plain._rows.test.codes["item_id"]
    np.testing.assert_array_equal(codes[narrow > 0], narrow[narrow > 0])
    is_new = narrow == 0
    assert is_new.any() and codes[is_new].min() == plain._rows.n_codes["item_id"]
    assert pd.Series(codes[is_new]).groupby(item[is_new].to_numpy()).nunique().max() == 1
    assert len(np.unique(codes[is_new])) == item[is_new].nunique()
    weights = ranker._ranker.sequences.embeddings["table_item_id"].weight
    before = weights.detach().clone()
    shown = np.flatnonzero(codes == codes[is_new][0])[:1]
    ranker.learn(99, shown, np.array([True]), np.array([True]))
    moved = (weights.detach() - before).abs().sum(1).numpy()
    of_new = np.unique(codes[is_new])  # others move with the histories of the night's feed
    assert of_new[moved[of_new].argmax()] == codes[shown[0]]
    with pytest.raises(ValueError, match="learn: expected a ranker opened with retrains=True"):
        plain.learn(30, shown, np.array([True]), np.array([True]))


def test_what_a_ranker_learns_from_is_what_the_simulation_shows(run, tmp_path):
    path = marketplace_candidates(run, tmp_path, test=TEST)["learn"][0]
    rows = pd.read_parquet(path)
    serving = Serving(
        rows, generate_marketplace(MARKET).world, n_candidates=TEST.n_candidates, seed=TEST.seed
    )
    seen = []
    simulate(
        CandidateFiles(path),
        marketplace_environment(run),
        ABConfig(n_days=3, seed=TEST.seed),
        world="a",
        days=[30, 31, 32],
        on_day=lambda day, one: seen.append(
            (day.columns["item_id"][one.row], one.is_click, one.is_conversion)
        ),
    )
    is_test = (rows["day"] >= MARKET.n_days).to_numpy()
    shown = serving.shown(rows[["pctr_a", "pcvr_a"]].to_numpy().T, is_test)
    items, click, conversion = (np.concatenate(part) for part in zip(*seen, strict=True))
    order = np.argsort(rows["timestamp"].to_numpy()[shown], kind="stable")
    for found, expected in (
        (rows["item_id"].to_numpy()[shown], items),
        (serving.click[shown], click),
        (serving.conversion[shown], conversion),
    ):
        assert (
            pd.Series(found[order]).value_counts().to_dict() == pd.Series(expected).value_counts().to_dict()
        )
    assert click.sum() > 5


def test_the_files_of_two_treatments_differ_in_the_treatments_scores_alone(run, tmp_path):
    paths = marketplace_candidates(run, tmp_path, treatments=("learn", "shuffled"), test=TEST)
    learn, shuffled = (pd.read_parquet(paths[name][0]) for name in ("learn", "shuffled"))
    own = ["pctr_b", "pcvr_b"]
    pd.testing.assert_frame_equal(learn.drop(columns=own), shuffled.drop(columns=own))
    assert not learn[own].equals(shuffled[own])
    assert not [name for name in learn if name.startswith("p_")]
    source = CandidateFiles(paths["learn"][0])
    assert list(source.days) == [28, 29, 30, 31, 32]
    assert source.budgets is not None and (source.budgets > 0).all() and np.isfinite(source.budgets).all()
    assert (learn.groupby("request_id").size() == TEST.n_candidates).all()


def test_buckets_are_those_of_the_training_counts_and_new_ids_are_cold(run):
    rows = pd.read_parquet(run / "ab/candidates-learn.parquet")
    dataset = read_dataset(RunFolder(run).tables)
    counts = training_counts(dataset.train, dataset.interactions)
    assert (rows["item_bucket"] == assign_buckets(rows["item_id"], counts.items, ITEM_RULE)).all()
    assert (rows["user_bucket"] == assign_buckets(rows["user_id"], counts.users, USER_RULE)).all()
    first_day = dataset.items.set_index("item_id")["first_day"].reindex(rows["item_id"]).to_numpy()
    assert (rows.loc[first_day >= MARKET.n_days, "item_bucket"] == "cold-start").all()


def test_bids_follow_price_and_brand(run):
    rows = pd.read_parquet(run / "ab/candidates-learn.parquet").drop_duplicates("item_id")
    items = read_dataset(RunFolder(run).tables).items.set_index("item_id").loc[rows["item_id"]]
    assert (rows["advertiser_id"].to_numpy() == items["brand"].to_numpy()).all()
    assert np.corrcoef(np.log(rows["bid"]), np.log(items["price"]))[0, 1] > 0.3


def test_the_stage_leaves_the_comparison_and_what_must_show_nothing_beside_it(run):
    found = {name: json.loads((run / f"{name}.json").read_text()) for name in ("ab", "ab_aa", "ab_inflated")}
    assert (run / "ab_shuffled.json").is_file()
    launches = [row["launch"] for row in found["ab_aa"]["rows"] if row["launch"] is not None]
    assert launches and not any(launches)
    assert found["ab"]["mode"] == "E"
    beside = found["ab"]["about"]["beside"]
    assert [row["expected"] for row in beside] == ["no detectable difference", "invalid", "not better"]
    for row, name in zip(beside, ("ab_aa", "ab_inflated", "ab_shuffled"), strict=True):
        told = read_result(run / f"{name}.json")
        assert row["status"] == verdict_of(told.rows, told.guards, level=0.999).status
        allowed = {"not better": row["status"] != "better"}
        assert row["is_as_expected"] is allowed.get(row["expected"], row["status"] == row["expected"])
    guard = next(each for each in found["ab"]["guards"] if each["name"] == "arms with known answers")
    assert guard["has_passed"] is all(row["is_as_expected"] for row in beside)
    assert guard["has_passed"] or found["ab"]["verdict"]["status"] == "invalid"
    page = RunFolder(run).ab_html.read_text(encoding="utf-8")
    assert "Played beside it" in page and "LEARN, vectors permuted over ids" in page
    assert json.loads(RunFolder(run).stamp_of("ab").read_text())["is_finished"]


@pytest.mark.parametrize(("p", "is_as_expected"), [(0.02, True), (0.0005, False)])
def test_a_control_against_itself_is_judged_as_guards_are_and_not_at_the_level_of_a_test(p, is_as_expected):
    rows = [ab_row(relative=-0.11, error=0.03, p=p, p_adjusted=p)]
    found = ABResult("E", verdict_of(rows, guards()), rows, guards())
    assert found.verdict.status == "worse"
    beside = stage._beside("itself", "no detectable difference", found)
    assert beside["is_as_expected"] is is_as_expected
    assert ("At the level of the test: In this simulation" in beside["words"]) is is_as_expected
    assert stage._beside_guard([beside]).has_passed is is_as_expected


def test_the_environment_of_a_run_is_the_world_of_its_tables(run):
    truth = generate_marketplace(MARKET).truth
    world = marketplace_environment(run).world
    found = world.click_probability(truth["user_id"], truth["item_id"], truth["slot"].to_numpy())
    np.testing.assert_array_equal(found, truth["p_click"])


@pytest.fixture(scope="module")
def twice(run, tmp_path_factory):
    """The run with its first training under a second seed, as if it had trained the same rankers again."""
    place = tmp_path_factory.mktemp("twice") / "run"
    shutil.copytree(run, place)
    for arm in ("baseline", "learn"):
        folder = RunFolder(place)
        shutil.copytree(folder.model_of(arm, 0), folder.model_of(arm, 1))
        shutil.copy(folder.predictions_of(arm, 0), folder.predictions_of(arm, 1))
    return place


def test_a_training_that_is_the_first_again_changes_nothing_but_the_count(twice):
    design = sources.Design(ABConfig(n_days=3), AnalysisConfig(), 2, n_resplits=0)
    arms = ("baseline", "learn")
    both, one = (
        sources.judge(
            sources.marketplace_test(twice, arms, design, n_requests_per_day=60, n_trainings=k, command="")
        )
        for k in (None, 1)
    )
    assert (both.training_seeds, one.training_seeds) == ([0, 1], [0])
    assert pd.read_parquet(twice / "ab/candidates-learn-seed-1.parquet").equals(
        pd.read_parquet(twice / "ab/candidates-learn.parquet")
    )
    names = ("control", "treatment", "relative_low", "relative_high", "p_adjusted", "launch")
    for found, expected in zip(both.rows, one.rows, strict=True):
        for name in names:
            assert found[name] == (
                expected[name] if expected[name] is None else pytest.approx(expected[name])
            )
    assert both.verdict.status == one.verdict.status


def test_more_trainings_than_a_run_has_are_refused_with_the_command_that_trains_them(run, twice):
    assert sources.seeds_of(twice, ("baseline", "learn"), None) == (0, 1)
    assert sources.seeds_of(twice, ("baseline", "auto"), None) == (0,)
    with pytest.raises(ValueError, match=r"--training-seeds: expected 1 to 1, .* got 3") as refused:
        sources.seeds_of(run, ("baseline", "auto"), 3)
    assert str(refused.value).endswith(f"learn-rank train {run} --arms baseline,learn --seeds 3 trains more.")
    with pytest.raises(ValueError, match="got 0"):
        sources.seeds_of(twice, ("baseline", "learn"), 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test": replace(TEST, n_days=4)}, "expected at most the 3 days"),
        ({"treatments": ("raw_text",)}, "--arms raw_text"),
    ],
)
def test_what_a_run_does_not_have_is_refused_in_words(run, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        marketplace_candidates(run, tmp_path, **{"test": TEST, **changes})


def test_a_run_of_other_data_has_no_known_truth(run, tmp_path):
    other = replace(read_dataset(RunFolder(run).tables), name="steam")
    write_dataset(other, RunFolder(tmp_path).tables)
    with pytest.raises(ValueError, match="expected a run of the generated marketplace"):
        marketplace_environment(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"n_days": 0}, {"n_candidates": 0}, {"margin": 0.0}, {"training_seeds": ()}, {"training_seeds": (1, 1)}],
)
def test_a_test_of_no_size_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        MarketplaceTest(**changes)
