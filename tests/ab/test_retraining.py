"""Several trainings of both arms in the same traffic: their interval by hand, by an oracle and in runs."""

import itertools
import math
import os

import numpy as np
import pytest
from ab_report_fixture import ab_row, example_result
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from benchmarks.ab.candidate_worlds import small_world
from benchmarks.ab.evidence_worlds import HeavyUsers
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
from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.resplits import rejection_band
from learn_rank.ab.statistics.retraining import mean_world, over_trainings
from learn_rank.ab.worlds import play
from learn_rank.uncertainty.intervals import holm

CONFIG = ABConfig(n_days=3, treatment_share=0.4)
PRE = {"n_pre_days": 1, "n_resplits": 0}
SCORES = ["pctr_a", "pcvr_a", "pctr_b", "pcvr_b"]


def flat(delta, error):
    """Treatment against a control of 1, users without end."""
    return Contrast(1.0, 1.0 + delta, error, 1e9, error, 1e9)


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


# the interval


def test_the_variance_and_the_quantile_of_two_trainings_by_hand():
    # W = .01, a training's own traffic noise 2 (.015 - .01) = .01, S^2 = .02: T = (.02 - .01) / 2 = .005
    # weights 1/3 and 2/3: 12.7062 / 3 + 1.9600 x 2 / 3 = 5.5420
    one = math.sqrt(0.015)
    found = over_trainings(flat(0.2, 0.1), [flat(0.1, one), flat(0.3, one)])
    assert found.std_error == pytest.approx(math.sqrt(0.015))
    assert found.delta == pytest.approx(0.2)
    assert found.high - found.delta == pytest.approx(5.5420 * math.sqrt(0.015), rel=1e-4)
    assert stats.t.ppf(0.975, found.df) == pytest.approx(5.5420, rel=1e-4)


def test_the_variance_is_that_of_readers_and_cases():
    """Obuchowski and Rockette: S^2 / K and the covariance of two trainings over users, from rows."""
    rng, k = np.random.default_rng(2), 4
    arms = []
    for n_users, level in ((90, 1.0), (50, 1.3)):
        shared, own = rng.exponential(level, n_users), rng.exponential(0.8, (k, n_users))
        arms.append(shared + own + rng.normal(0, 0.5, (k, 1)))
    each = [contrast(PerUser(a), PerUser(b)) for a, b in zip(*arms, strict=True)]
    mean = contrast(*(PerUser(values.mean(axis=0)) for values in arms))
    pairs = list(itertools.combinations(range(k), 2))
    shared = sum(np.cov(values[i], values[j])[0, 1] / values.shape[1] for values in arms for i, j in pairs)
    expected = np.var([one.delta for one in each], ddof=1) / k + shared / len(pairs)
    found = over_trainings(mean, each)
    assert found.std_error > mean.std_error
    assert found.std_error**2 == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 6),
    st.floats(0, 2),
    st.sampled_from([0.8, 0.95, 0.999]),
    st.booleans(),
)
def test_the_interval_is_never_narrower_than_over_users_alone(seed, k, spread, level, is_ratio):
    rng = np.random.default_rng(seed)
    effect, users = rng.normal(0, spread, (k, 1)), rng.exponential(1, 60)
    values = np.exp(0.2 * effect) * (users + rng.exponential(0.3, (k, 60)))
    below = 1.0 + rng.poisson(2, 60) if is_ratio else None

    def one(row):
        everyone = PerUser(row, below)
        return contrast(everyone.of(slice(0, 40)), everyone.of(slice(40, 60)), level)

    mean = one(values.mean(axis=0))
    found = over_trainings(mean, [one(row) for row in values])
    for narrow, wide in (("low", "high"), ("relative_low", "relative_high")):
        assert getattr(found, narrow) <= getattr(mean, narrow) + 1e-12
        assert getattr(found, wide) >= getattr(mean, wide) - 1e-12
    assert found.p >= mean.p - 1e-12
    assert (found.p < 1 - level) == (found.low > 0 or found.high < 0)
    assert k - 1 - 1e-9 <= found.df <= mean.df + 1e-9


@pytest.mark.parametrize("k", [2, 3, 5])
def test_identical_trainings_give_the_interval_of_the_traffic(k):
    world = HeavyUsers(2000, n_days=2).draw(np.random.default_rng(k), 0.3)
    users = world.requests() > 0
    plain = contrast(*(PerUser(world.total("revenue")[users & (world.arm == arm)]) for arm in (0, 1)))
    found = over_trainings(plain, [plain] * k)
    for name in ("low", "high", "relative_low", "relative_high", "p", "df"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-9), name
    for name, values in mean_world([world] * k).sums.items():
        np.testing.assert_allclose(values, world.sums[name], rtol=1e-15)


def test_trainings_without_end_tell_of_the_traffic_alone_and_two_far_apart_of_little():
    rng = np.random.default_rng(0)
    many = [flat(value, 0.1) for value in rng.normal(0.1, 0.05, 4000)]
    assert over_trainings(flat(0.1, 0.1), many).std_error == pytest.approx(0.1, rel=1e-3)
    found = over_trainings(flat(0.2, 0.001), [flat(0.1, 0.001), flat(0.3, 0.001)])
    assert found.high - 0.2 == pytest.approx(0.1 * stats.t.ppf(0.975, 1), rel=1e-3)


def test_a_training_whose_lift_is_undefined_leaves_no_interval():
    none = Contrast(0.0, 1.0, 0.1, 50.0, math.nan, math.nan)
    found = over_trainings(flat(0.2, 0.1), [flat(0.2, 0.1), none])
    assert math.isnan(found.relative_low) and not math.isnan(found.low)
    undefined = Contrast(math.nan, 1.0, math.nan, math.nan, math.nan, math.nan)
    assert math.isnan(over_trainings(flat(0.2, 0.1), [flat(0.2, 0.1), undefined]).low)


def test_power_over_few_trainings_is_that_of_the_noncentral_t():
    reach = stats.t.ppf(0.975, 4)
    exact = stats.nct.sf(reach, 4, 2.0) + stats.nct.cdf(-reach, 4, 2.0)
    assert power_at(2.0, 1.0, df=4.0) == pytest.approx(exact, abs=1e-4)
    assert power_at(minimal_effect(0.7, df=2.5), 0.7, df=2.5) == pytest.approx(0.8, abs=1e-9)
    effects = [minimal_effect(1.0, df=df) for df in (1.0, 2.0, 10.0, 1e6)]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] == pytest.approx(minimal_effect(1.0), rel=1e-4)


# the whole run


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
