"""Guards: what must hold before a number may be read, and the tests that must fail beside those that pass."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.ab.evidence_worlds import HeavyUsers
from benchmarks.ab_evidence import aa_table, wrong_tests
from learn_rank.ab.simulation.assignment import assign
from learn_rank.ab.simulation.totals import SUMS, UserTotals
from learn_rank.ab.statistics.delta_method import PerUser, contrast
from learn_rank.ab.statistics.guards import (
    aa_guards,
    calibration_guards,
    immature_guard,
    sample_ratio_guard,
    simulation_guards,
    skewness_guard,
)
from learn_rank.ab.statistics.resplits import rejection_band, resplit

SHARE = 0.2


def world(n_users=10_000, arm=None, **sums):
    """Users with one request and one cell each; sums are numbers or (U,)."""
    arm = assign(np.arange(n_users), SHARE, "guards") if arm is None else arm
    cells = {
        name: np.broadcast_to(np.asarray(sums.get(name, 0.0), float), n_users).reshape(-1, 1, 1).copy()
        for name in SUMS
    }
    return UserTotals(
        np.arange(n_users),
        np.zeros(n_users, int),
        ("other",),
        ("other",),
        arm,
        np.ones((n_users, 1)),
        cells,
        (0,),
    )


# A/A


def test_resplits_reject_as_often_as_they_should_in_every_passing_bucket_and_the_wrong_tests_do_not():
    n_splits = 800
    low, high = rejection_band(n_splits)
    rows = aa_table(n_users=8000, n_splits=n_splits)
    passing = [row for row in rows if row["flag"] is None]
    assert {row["metric"] for row in passing} == {"revenue", "CTR", "CVR"} and len(passing) >= 8
    for row in passing:
        assert low <= row["rejections"] <= high and row["ks_p"] > 0.001, row
    assert all(row["flag"] is not None for row in rows if row["bucket"] == "200 users")
    wrong = wrong_tests(n_users=8000, n_splits=n_splits)
    assert wrong["CTR by a z test of impressions"] > 0.15
    assert wrong["clicks by a paired t test of 9 days"] > 0.15
    assert min(wrong.values()) > high, wrong


def test_the_band_is_the_exact_binomial_one():
    # 2,000 trials at 5 %: 69 .. 133 rejections hold 99.9 %
    assert rejection_band(2000) == (69 / 2000, 133 / 2000)
    inside = stats.binom.cdf(133, 2000, 0.05) - stats.binom.cdf(68, 2000, 0.05)
    assert 0.999 <= inside < 0.9993


def test_a_resplit_is_the_contrast_of_that_split():
    rng = np.random.default_rng(4)
    shown = 1.0 + rng.poisson(3, 300)
    metrics = {
        "CTR": PerUser(rng.binomial(shown.astype(int), 0.2) * 1.0, shown),
        "revenue": PerUser(rng.exponential(size=300)),
    }
    found = resplit(metrics, 0.3, n_splits=20, seed=9)
    arms = np.random.default_rng(9).random((20, 300), dtype=np.float32) < 0.3
    for name, metric in metrics.items():
        expected = [contrast(metric.of(~arm), metric.of(arm)).p for arm in arms]
        np.testing.assert_allclose(found[name], expected, rtol=1e-9)


def test_a_resplit_with_nothing_to_compare_has_no_p():
    found = resplit({"flat": PerUser(np.ones(50))}, 0.5, n_splits=5)["flat"]
    assert np.isnan(found).all()
    with pytest.raises(ValueError, match="treatment_share: expected a share between 0 and 1"):
        resplit({"flat": PerUser(np.ones(50))}, 1.0)
    with pytest.raises(ValueError, match=r"metrics: expected the same users in all, got \[40, 50\]"):
        resplit({"one": PerUser(np.ones(50)), "two": PerUser(np.ones(40))}, 0.5)


def test_the_guard_over_resplits_passes_on_users_and_says_where_it_was_not_tried():
    drawn = HeavyUsers(12_000, n_days=3).draw(np.random.default_rng(1), 0.0)
    found = {guard.name: guard for guard in aa_guards(drawn, SHARE, n_splits=400)}
    assert found["A/A rejections, CTR"].has_passed and found["A/A evenness, CTR"].has_passed
    few = {
        guard.name: guard for guard in aa_guards(HeavyUsers(150).draw(np.random.default_rng(1), 0.0), SHARE)
    }
    assert few["A/A rejections, revenue"].has_passed is None
    assert few["A/A rejections, revenue"].words.startswith("Not tried: too few users")
    (off,) = aa_guards(drawn, SHARE, n_splits=0)
    assert off.has_passed is None and "No re-splits" in off.words


def test_p_values_that_are_wrong_fail_the_guard_over_resplits(monkeypatch):
    drawn = HeavyUsers(6000, n_days=3).draw(np.random.default_rng(1), 0.0)
    right = resplit

    def too_bold(*arguments):
        return {name: p * 0.25 for name, p in right(*arguments).items()}

    monkeypatch.setattr("learn_rank.ab.statistics.guards.resplit", too_bold)
    found = {guard.name: guard for guard in aa_guards(drawn, SHARE, n_splits=500, metrics=("CTR",))}
    assert found["A/A rejections, CTR"].has_passed is False
    assert found["A/A evenness, CTR"].has_passed is False


# sample ratio


def test_the_designed_ratio_is_the_one_that_is_tested():
    totals = world()
    assert sample_ratio_guard(totals, SHARE).has_passed
    assert sample_ratio_guard(totals, 0.5).has_passed is False


def test_treated_users_who_are_missing_from_the_data_break_the_sample_ratio():
    totals = world()
    treated = np.flatnonzero(totals.arm == 1)
    n_requests = totals.n_requests.copy()
    n_requests[treated[: treated.size // 6]] = 0
    broken = sample_ratio_guard(dataclasses.replace(totals, n_requests=n_requests), SHARE)
    assert broken.has_passed is False and broken.value < 0.001
    assert f"The design is --treatment-share {SHARE:g}, " in broken.words
    # by hand: 100 of 1,000 users where 200 were designed: (900 - 800)^2 / 800 + (100 - 200)^2 / 200 = 62.5
    arm = (np.arange(1000) < 100).astype(np.uint8)
    assert sample_ratio_guard(world(1000, arm), SHARE).value == pytest.approx(stats.chi2.sf(62.5, 1))
    nobody = dataclasses.replace(totals, n_requests=np.zeros_like(n_requests))
    assert sample_ratio_guard(nobody, SHARE).has_passed is None


# calibration


def events(rng, n_users, factor=1.0):
    """Sums whose conversions are `1 / factor` of what the treatment's scores promise."""
    arm = assign(np.arange(n_users), SHARE, "guards")
    clicks = rng.poisson(2, n_users)
    conversions = rng.binomial(clicks, 0.2)
    promised = 0.2 * clicks * np.where(arm == 1, factor, 1.0)
    return world(
        n_users,
        clicks=clicks,
        predicted_clicks=np.full(n_users, 2.0),
        conversions=conversions,
        predicted_conversions=promised,
    )


@pytest.mark.parametrize(("factor", "has_passed"), [(1.0, True), (1.3, False), (1 / 1.3, False)])
def test_scores_that_promise_30_percent_too_much_or_too_little_in_one_arm_are_caught(factor, has_passed):
    found = {
        guard.name: guard for guard in calibration_guards(events(np.random.default_rng(0), 20_000, factor))
    }
    both = found["calibration of conversions, treatment over control"]
    assert both.has_passed is has_passed
    assert both.value == pytest.approx(1 / factor, rel=0.05)
    assert found["calibration of conversions, control"].has_passed
    assert found["calibration of clicks, treatment over control"].has_passed


def test_a_ratio_that_chance_explains_and_one_of_few_events_decide_nothing():
    found = {guard.name: guard for guard in calibration_guards(events(np.random.default_rng(0), 900, 1.4))}
    both = found["calibration of conversions, treatment over control"]
    assert both.value < 0.85 and both.has_passed is None
    none = calibration_guards(world(40, clicks=1.0, predicted_clicks=3.0))
    assert all(guard.has_passed is None for guard in none)
    assert "Fewer than 50 events" in none[0].words


def test_late_conversions_count_as_kept_promises():
    totals = events(np.random.default_rng(0), 20_000)
    late = np.minimum(totals.sums["conversions"], 1.0)
    moved = dataclasses.replace(
        totals, sums={**totals.sums, "conversions": totals.sums["conversions"] - late, "immature": late}
    )
    assert calibration_guards(moved) == calibration_guards(totals)


# immature, skewness, all of them


@pytest.mark.parametrize(("late", "has_passed"), [(0.1, True), (0.11, False), (0.0, True)])
def test_at_most_a_tenth_of_the_conversions_may_come_too_late(late, has_passed):
    guard = immature_guard(world(1000, conversions=1 - late, immature=late))
    assert guard.has_passed is has_passed and guard.value == pytest.approx(late)
    assert immature_guard(world(40, conversions=1.0)).has_passed is None


def test_the_deciding_row_must_not_be_flagged_and_others_may():
    deciding = {"role": "primary", "bucket_kind": "all", "flag": None}
    bucket = {"role": "bucket", "bucket_kind": "user", "flag": "skewed: a few users"}
    assert skewness_guard([deciding, bucket]).has_passed
    failed = skewness_guard([{**deciding, "flag": "skewed: a few users"}, bucket])
    assert failed.has_passed is False and "2 of 2 rows are flagged; this one is skewed" in failed.words
    assert skewness_guard([]).has_passed is None


def test_guard_names_are_unique_in_a_report():
    totals = events(np.random.default_rng(0), 3000)
    names = [guard.name for guard in simulation_guards(totals, [], SHARE, n_splits=20)]
    assert len(names) == len(set(names)) > 8
