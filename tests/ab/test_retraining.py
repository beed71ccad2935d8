"""Several trainings of both arms in the same traffic: whole runs, how they are told, and the evidence."""

import os

import numpy as np
import pytest
from ab_report_fixture import ab_row, example_result
from rich.console import Console

from benchmarks.ab.candidate_worlds import small_world
from benchmarks.ab_training import table
from learn_rank.ab.about import ONE_TRAINING
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.report.page import ab_html
from learn_rank.ab.report.result import ABResult, read_result, write_result
from learn_rank.ab.report.terminal import print_ab
from learn_rank.ab.run import run_ab, worst_calibration
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment
from learn_rank.ab.statistics.analysis import analyse, guardrails
from learn_rank.ab.statistics.daily import daily_rows
from learn_rank.ab.statistics.resplits import rejection_band
from learn_rank.ab.worlds import play
from learn_rank.uncertainty.intervals import holm

CONFIG = ABConfig(n_days=3, treatment_share=0.4)
PRE = {"n_pre_days": 1, "n_resplits": 0}
SCORES = ["pctr_a", "pcvr_a", "pctr_b", "pcvr_b"]


@pytest.fixture(scope="module")
def frames():
    """The same candidates by three trainings: each training's scores carry noise of their own, by item."""
    world = small_world(n_users=300, n_days=4, n_requests_per_day=500, n_candidates=5, noise=(0.4, 0.2))
    generator, found = np.random.default_rng(5), {}
    for seed in (3, 4, 8):
        noise = {name: generator.normal(0, 0.8, world["item_id"].max() + 1) for name in SCORES}
        found[seed] = world.assign(
            **{
                name: world[name] ** np.exp(noise[name][world["item_id"]]) if "ctr" in name else world[name]
                for name in SCORES
            }
        )
    return found


@pytest.fixture(scope="module")
def three(frames):
    sources = {seed: CandidateFiles(frame) for seed, frame in frames.items()}
    return run_ab(sources, KnownEnvironment(), CONFIG, **PRE)


@pytest.fixture(scope="module")
def alone(frames):
    """Each training as a test of its own."""
    return {
        seed: run_ab(CandidateFiles(frame), KnownEnvironment(), CONFIG, **PRE)
        for seed, frame in frames.items()
    }


def test_one_training_is_the_test_of_before_to_the_digit(frames, alone):
    found = run_ab({3: CandidateFiles(frames[3])}, KnownEnvironment(), CONFIG, **PRE)
    for name in ("rows", "guardrails", "guards", "daily", "calibration", "verdict"):
        assert getattr(found, name) == getattr(alone[3], name), name
    assert [row["seed"] for row in found.trainings] == [3] * len(found.rows)
    assert ONE_TRAINING in found.about["notices"] and ONE_TRAINING in alone[3].about["notices"]


def test_each_training_stands_beside_the_mean_as_if_it_were_played_alone(three, alone):
    assert three.training_seeds == [3, 4, 8]
    for seed, one in alone.items():
        own = [row for row in three.trainings if row["seed"] == seed]
        assert len(own) == len(one.rows) == len(three.rows)
        for found, expected in zip(own, one.rows, strict=True):
            assert found == {"seed": seed, **{key: expected[key] for key in found if key != "seed"}}
    assert ONE_TRAINING not in three.about["notices"]
    assert any("means over 3 trainings" in each for each in three.about["notices"])


def test_without_a_past_the_difference_is_the_mean_of_the_trainings_differences(frames):
    sources = {seed: CandidateFiles(frame) for seed, frame in frames.items()}
    found = run_ab(sources, KnownEnvironment(), CONFIG, n_resplits=0)
    for row in found.rows:
        places = ("metric", "bucket_kind", "bucket")
        same = [each for each in found.trainings if all(each[key] == row[key] for key in places)]
        if row["metric"] in ("revenue", "conversions"):
            assert row["delta"] == pytest.approx(np.mean([each["delta"] for each in same]), abs=1e-12)


def test_a_lift_must_hold_over_trainings_to_be_told(three, frames):
    """Rows, guardrails and days have the wider intervals, and power and MDE are of them too."""
    sources = {seed: CandidateFiles(frame) for seed, frame in frames.items()}
    played = play(sources, KnownEnvironment(), CONFIG, n_pre_days=1, n_replicas=0, on_day=None)
    ab, pre = played.mean.ab, played.mean.pre
    parts = (
        (three.rows, analyse(ab, pre=pre), ""),
        (three.guardrails, guardrails(ab, pre=pre), ""),
        (three.daily, daily_rows(ab), ""),
        (three.daily, daily_rows(ab), "cumulative"),
    )
    for found, of_traffic, name in parts:
        wider = []
        for row, alone in zip(found, of_traffic, strict=True):
            ends = [f"{name or 'relative'}_{end}" for end in ("low", "high")]
            if row[ends[0]] is not None:
                assert row[ends[0]] <= alone[ends[0]] + 1e-12 and row[ends[1]] >= alone[ends[1]] - 1e-12
                wider.append(row[ends[0]] < alone[ends[0]] - 1e-3)
        assert any(wider)
    for row, alone in zip(three.rows, parts[0][1], strict=True):
        if row["low"] is not None and row["high"] - row["low"] > 1.3 * (alone["high"] - alone["low"]):
            # more than the standard error's part: the few trainings count as well
            assert (
                row["mde"] > 1.1 * alone["mde"] and row["power"] < alone["power"] and row["p"] >= alone["p"]
            )
            errors = (row["high"] - row["low"]) / (alone["high"] - alone["low"])
            assert row["mde"] == pytest.approx(errors * alone["mde"], rel=0.35)
    secondary = [row for row in three.rows if row["role"] == "secondary" and row["flag"] is None]
    np.testing.assert_allclose([row["p_family"] for row in secondary], holm([row["p"] for row in secondary]))


def test_scores_that_one_training_alone_inflates_are_a_failed_guard_that_names_it(frames):
    inflated = frames[8].assign(pctr_b=(2.0 * frames[8]["pctr_b"]).clip(upper=1.0))
    sources = {seed: CandidateFiles(frame) for seed, frame in [(3, frames[3]), (4, frames[3]), (8, inflated)]}
    played = play(sources, KnownEnvironment(), CONFIG, n_pre_days=0, n_replicas=0, on_day=None)
    failed = [guard for guard in worst_calibration(played) if guard.has_passed is False]
    assert any(guard.words.startswith("Training 8: ") for guard in failed)
    whole = run_ab(sources, KnownEnvironment(), CONFIG, n_resplits=0)
    assert [guard for guard in whole.guards if guard in failed] == failed
    assert whole.verdict.status == "invalid"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda frame: frame.assign(user_id=frame["user_id"] + 1),
            "expected the same user_ids in all of them",
        ),
        (
            lambda frame: frame[frame["request_id"] % 7 > 0],
            "expected the same (user_ids|n_requests|arm) in all",
        ),
    ],
)
def test_trainings_that_met_other_traffic_are_refused(frames, change, words):
    sources = {3: CandidateFiles(frames[3]), 4: CandidateFiles(change(frames[4]))}
    with pytest.raises(ValueError, match=words):
        run_ab(sources, KnownEnvironment(), CONFIG, **PRE)


def test_no_training_and_trainings_beside_refits_are_refused(frames):
    class Refitted(KnownEnvironment):
        def replicas(self, n):
            return [self] * n

    with pytest.raises(ValueError, match="trainings: expected at least one"):
        run_ab({}, KnownEnvironment(), CONFIG, **PRE)
    sources = {seed: CandidateFiles(frames[seed]) for seed in (3, 4)}
    with pytest.raises(ValueError, match="got 2 and 2 refits"):
        run_ab(sources, Refitted(), CONFIG, n_replicas=2, **PRE)


# how it is told


def training_row(seed, relative):
    keys = ("metric", "bucket_kind", "bucket", "control", "treatment", "delta", "low", "high", "relative")
    keys += ("relative_low", "relative_high", "launch", "flag")
    return {"seed": seed, **{key: ab_row(relative=relative)[key] for key in keys}}


def test_page_terminal_and_json_show_each_training_where_there_are_several(tmp_path):
    rows = [training_row(3, 0.031), training_row(8, 0.057)]
    base = example_result(rows=[ab_row()])
    shown = ABResult("E", base.verdict, base.rows, base.guards, about=base.about, trainings=rows)
    write_result(tmp_path / "ab.json", shown)
    again = read_result(tmp_path / "ab.json")
    assert again.trainings == shown.trainings and again.training_seeds == [3, 8]
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    print_ab(shown, console)
    console.file.close()
    for text in (ab_html(shown), console.export_text()):
        assert "Each training" in text and "+3.10" in text and "+5.70" in text
    one = ABResult("E", base.verdict, base.rows, base.guards, about=base.about, trainings=rows[:1])
    assert "Each training" not in ab_html(one)


# evidence


@pytest.mark.long
def test_two_controls_trained_apart_are_told_apart_by_one_training_and_not_by_several():
    n_worlds = 300
    low, high = rejection_band(n_worlds)
    for row in table((1.0, 1.0), n_worlds, seed=1):
        if row["K"] == 1:
            assert row["p < .05"] > 0.15
        else:
            assert low <= row["p < .05"] <= high and row["traffic alone misses"] > high
