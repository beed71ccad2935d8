"""What a randomised log says of another ranker: oracles, invariances, and a bandit that can be enumerated."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.ab_evidence import bandit_table
from learn_rank.ab.logged.decisions import LoggedBandit, Policy, evidence_mode
from learn_rank.ab.logged.estimators import OffPolicyConfig, describe, estimate, overlap_guards
from learn_rank.ab.logged.open_bandit import cross_check, read_open_bandit

EXACT = {"rtol": 1e-12, "atol": 1e-14}
LOGGING = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.5, 0.3, 0.1], [0.25, 0.15, 0.1, 0.5]])
TARGET = np.array([[0.1, 0.1, 0.2, 0.6], [0.6, 0.2, 0.1, 0.1], [0.2, 0.1, 0.6, 0.1]])
MODEL = np.array([[0.1, 0.2, 0.3, 0.5], [0.6, 0.2, 0.1, 0.3], [0.2, 0.4, 0.7, 0.1]])


def frozen_log():
    """24 rows without chance: their kind, action and reward are arithmetic."""
    row = np.arange(24)
    kind, action = row % 3, (row * row + row // 5) % 4
    log = LoggedBandit(row // 2, LOGGING[kind, action], ((7 * row) % 5 < 2).astype(float))
    value = (TARGET * MODEL).sum(axis=1)[kind]
    return log, Policy("target", TARGET[kind, action], MODEL[kind, action], value)


def drawn_log(seed=0, n_users=300):
    """Three rows a user; a user's rows share the taste for clicking."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), 3)
    propensity = rng.choice([0.1, 0.3, 0.6], user.size)
    taste = rng.beta(1, 3, n_users)[user]
    chance = [rng.choice([0.2, 0.4], user.size), rng.choice([0.05, 0.5], user.size)]
    log = LoggedBandit(user, propensity, (rng.random(user.size) < taste).astype(float))
    return log, [Policy(name, values) for name, values in zip(("a", "b"), chance, strict=True)]


def by_name(rows, policy="target"):
    return {row["estimator"]: row for row in rows if row["policy"] == policy}


# agreement with others

# obp 0.5.5 (zr-obp, commit 8cbd5fa) on `frozen_log`: InverseProbabilityWeighting, the same with lambda_=2,
# SelfNormalizedInverseProbabilityWeighting, DoublyRobust with MODEL as estimated_rewards_by_reg_model.
OBP = {
    "IPS": 0.6749999999999998,
    "clipped IPS": 0.3416666666666666,
    "SNIPS": 0.33471074380165294,
    "DR": 0.06250000000000011,
}


def test_obp_finds_the_same_values():
    log, policy = frozen_log()
    found = by_name(estimate(log, [policy], OffPolicyConfig(clip=2.0)))
    assert set(found) == set(OBP)
    for name, value in OBP.items():
        np.testing.assert_allclose(found[name]["value"], value, **EXACT)


def test_errors_are_those_of_clustered_least_squares_times_the_root_of_n_over_n_minus_1():
    log, policies = drawn_log()
    n_users = len(np.unique(log.user))
    found = by_name(estimate(log, policies), "a")
    weight = policies[0].probability / log.propensity
    ones = np.ones(weight.size)
    for name, model in (
        ("IPS", sm.OLS(weight * log.reward, ones)),
        ("SNIPS", sm.WLS(log.reward, ones, weights=weight)),
    ):
        oracle = model.fit(
            cov_type="cluster", cov_kwds={"groups": log.user, "use_correction": False}, use_t=True
        )
        error = oracle.bse[0] * math.sqrt(n_users / (n_users - 1))
        reach = stats.t.ppf(0.975, n_users - 1) * error
        expected = [oracle.params[0], error, oracle.params[0] - reach, oracle.params[0] + reach]
        one = found[name]
        np.testing.assert_allclose(
            [one[key] for key in ("value", "std_error", "low", "high")], expected, **EXACT
        )


def test_the_contrast_is_the_difference_on_the_same_rows_and_changes_sign_with_the_order():
    log, (a, b) = drawn_log()
    one, other = by_name(estimate(log, [a, b]), "b - a"), by_name(estimate(log, [b, a]), "a - b")
    single = [by_name(estimate(log, [policy]), policy.name) for policy in (a, b)]
    for name, row in one.items():
        assert row["value"] == pytest.approx(single[1][name]["value"] - single[0][name]["value"], abs=1e-15)
        assert row["value"] == -other[name]["value"] and row["p"] == other[name]["p"]
        assert row["low"] == -other[name]["high"]
        # the same rows move both values, so the difference is known better than two logs would allow
        assert row["std_error"] < math.hypot(*(each[name]["std_error"] for each in single))
    assert all(row["p"] is None for rows in single for row in rows.values())


def test_rows_of_one_user_count_as_one_cluster():
    log, policies = drawn_log()
    doubled = LoggedBandit(*(np.concatenate([part, part]) for part in (log.user, log.propensity, log.reward)))
    twice = [Policy(each.name, np.tile(each.probability, 2)) for each in policies]
    once, again = by_name(estimate(log, policies), "a"), by_name(estimate(doubled, twice), "a")
    for name in once:
        assert again[name]["std_error"] == pytest.approx(once[name]["std_error"], rel=1e-12)
        assert (once[name]["n_users"], again[name]["n_rows"]) == (300, 1800)


# invariances

FINITE = st.floats(-50, 50)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), FINITE)
def test_a_constant_on_the_reward_moves_snips_by_it_and_not_its_interval(seed, constant):
    log, policies = drawn_log(seed, n_users=30)
    shifted = LoggedBandit(log.user, log.propensity, log.reward + constant)
    one, other = (by_name(estimate(each, policies), "a")["SNIPS"] for each in (log, shifted))
    assert other["value"] == pytest.approx(one["value"] + constant, abs=1e-11)
    assert other["std_error"] == pytest.approx(one["std_error"], abs=1e-11)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(1.0, 50.0))
def test_a_factor_on_all_weights_changes_nothing_in_snips_and_all_of_ips(seed, factor):
    log, policies = drawn_log(seed, n_users=30)
    scaled = LoggedBandit(log.user, log.propensity / factor, log.reward)
    one, other = (by_name(estimate(each, policies), "a") for each in (log, scaled))
    for key in ("value", "std_error", "low", "high", "ess"):
        assert other["SNIPS"][key] == pytest.approx(one["SNIPS"][key], rel=1e-9, abs=1e-12)
    assert other["IPS"]["value"] == pytest.approx(factor * one["IPS"]["value"], rel=1e-9)


def test_a_constant_reward_is_snips_to_the_bit_and_has_no_interval():
    log, policies = drawn_log()
    constant = LoggedBandit(log.user, log.propensity, np.full(log.reward.size, 0.25))
    row = by_name(estimate(constant, policies), "a")["SNIPS"]
    assert row["value"] == pytest.approx(0.25, rel=1e-14)
    assert row["std_error"] is None or row["std_error"] < 1e-15


def test_a_policy_that_acts_as_the_log_did_has_the_logs_own_mean():
    log, _ = drawn_log()
    for name, row in by_name(estimate(log, [Policy("same", log.propensity)]), "same").items():
        assert row["value"] == pytest.approx(log.reward.mean(), rel=1e-14), name
        assert (row["ess"], row["max_weight"], row["mean_weight"]) == (900.0, 1.0, 1.0)


# a value that is known by enumeration


def test_estimators_are_unbiased_where_they_should_be_and_biased_where_they_must_be():
    n_logs = 150
    found = bandit_table(n_logs, n_users=400)
    in_errors = {name: bias / error for name, (bias, error, _) in found.items()}
    held = {name: coverage for name, (_, _, coverage) in found.items()}
    low = stats.binom.ppf(0.0005, n_logs, 0.95) / n_logs
    for name in ("IPS", "SNIPS", "DR, wrong model", "DR, wrong propensities"):
        assert abs(in_errors[name]) <= 3.3, (name, in_errors[name])
        assert held[name] >= low, (name, held[name])
    for name in ("mean of the log", "IPS, wrong propensities", "DR, both wrong"):
        assert abs(in_errors[name]) > 10, (name, in_errors[name])
    assert max(held[name] for name in ("IPS, wrong propensities", "DR, both wrong")) < 0.5


# support


def test_effective_rows_by_hand_and_what_too_few_of_them_mean():
    # weights 4, 1, 1, 0: sum 6, squares 18, so 36 / 18 = 2 effective rows of 4
    log = LoggedBandit(np.arange(4), np.array([0.25, 0.5, 0.5, 0.5]), np.ones(4))
    row = estimate(log, [Policy("b", np.array([1.0, 0.5, 0.5, 0.0]))], OffPolicyConfig(clip=3.0))[0]
    assert (row["ess"], row["ess_share"], row["max_weight"], row["mean_weight"]) == (2.0, 0.5, 4.0, 1.5)
    assert row["n_clipped"] == 1 and row["supported"] is False


@pytest.mark.parametrize(
    ("n_rows", "rare", "is_supported"), [(999, 1.0, False), (1000, 1.0, True), (200_000, 0.009, False)]
)
def test_below_1000_rows_or_1_percent_a_policy_is_not_supported(n_rows, rare, is_supported):
    chance = np.zeros(n_rows)
    chance[: round(rare * n_rows)] = 0.5
    log, policy = LoggedBandit(np.arange(n_rows), np.full(n_rows, 0.5), np.ones(n_rows)), Policy("b", chance)
    assert estimate(log, [policy])[0]["supported"] is is_supported
    assert overlap_guards(log, [policy])[0].has_passed is is_supported


def test_wrong_propensities_fail_the_guard_of_the_mean_weight():
    rng = np.random.default_rng(0)
    chances = np.array([0.6, 0.3, 0.1])
    action = rng.choice(3, 9000, p=chances)
    target = Policy("b", np.array([0.2, 0.3, 0.5])[action])
    user = np.arange(9000) % 3000
    right, wrong = (
        overlap_guards(LoggedBandit(user, each[action], np.ones(9000)), [target])[1]
        for each in (chances, np.array([0.5, 0.3, 0.2]))
    )
    assert right.has_passed is True and wrong.has_passed is False
    assert right.name == "mean weight, b" and wrong.value < 0.9


def test_a_log_without_propensities_gives_its_own_mean_and_no_interval():
    row = describe(np.array([1, 1, 2]), np.array([0.0, 1.0, 1.0]))
    assert (row["value"], row["n_rows"], row["n_users"], row["supported"]) == (2 / 3, 3, 2, False)
    assert all(row[key] is None for key in ("std_error", "low", "high", "p", "ess"))


# bad input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"propensity": np.array([0.5, 0.0, 0.5])},
            r"propensity: expected chances in \(0, 1\], got 1 rows .* row 1",
        ),
        ({"propensity": np.array([0.5, 1.5, -1.0])}, "got 2 rows outside, the first 1.5 in row 1"),
        ({"propensity": np.array([0.5, np.nan, 0.5])}, "propensity: expected chances"),
        ({"reward": np.array([0.0, np.inf, 0.0])}, "reward: expected finite numbers"),
        ({"user": np.array(["a", None, "b"], object)}, "user: expected an id in every row"),
        ({"reward": np.zeros(2)}, "log: expected one user, propensity and reward per row"),
    ],
)
def test_a_log_that_cannot_be_weighted_is_refused(change, words):
    parts = {"user": np.arange(3), "propensity": np.full(3, 0.5), "reward": np.zeros(3)}
    with pytest.raises(ValueError, match=words):
        LoggedBandit(**{**parts, **change})


def test_policies_that_do_not_fit_the_log_are_refused():
    log, policies = drawn_log(n_users=10)
    with pytest.raises(ValueError, match="expected 30 probabilities of 'short'"):
        estimate(log, [Policy("short", np.ones(3))])
    with pytest.raises(ValueError, match="policies: expected one or two, got 3"):
        estimate(log, [*policies, policies[0]])
    with pytest.raises(ValueError, match=r"probability: expected chances in \[0, 1\] for 'b', got 1"):
        Policy("b", np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="model_value: expected it together with model_logged"):
        Policy("b", np.array([0.5]), np.array([0.5]))
    for bad, words in (({"level": 1.0}, "level"), ({"clip": 0.0}, "clip")):
        with pytest.raises(ValueError, match=words):
            OffPolicyConfig(**bad)


def test_the_mode_says_why():
    assert evidence_mode([0.5, 0.2])[0] == "R"
    for chances, why in (
        (None, "no propensities"),
        ([1.0, 1.0], "deterministic"),
        ([0.5, np.nan], "1 of 2 rows"),
    ):
        mode, words = evidence_mode(chances)
        assert mode == "D" and why in words


# real logs


def test_each_policy_of_open_bandit_is_found_from_the_log_of_the_other(shared_data):
    folder = shared_data / "open_bandit"
    if not folder.is_dir():
        pytest.skip(f"the Open Bandit Dataset: expected a folder at {folder}, got none")
    rows = [row for row in cross_check(folder) if row["is_headline"]]
    assert [(row["logged_by"], row["policy"]) for row in rows] == [("bts", "random"), ("random", "bts")]
    for row in rows:
        assert row["is_inside"] and row["n_rows"] == 10_000
        assert 0.8 < row["mean_weight"] < 1.25
        assert row["low"] > -0.001 and row["high"] < 0.02, "an interval that holds everything says nothing"
    uniform = read_open_bandit(folder, "random")
    assert uniform.frequencies().groupby(level="position").sum().to_numpy() == pytest.approx(1.0)
    assert uniform.log.propensity == pytest.approx(1 / 34)


def test_an_open_bandit_log_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="behaviour: expected one of random, bts"):
        read_open_bandit(tmp_path, "greedy")
    with pytest.raises(FileNotFoundError, match=r"expected bts_men\.csv\.gz or bts_men\.csv"):
        read_open_bandit(tmp_path, "bts")
    pd.DataFrame({"item_id": [1], "position": [1], "click": [0]}).to_csv(tmp_path / "bts_men.csv")
    with pytest.raises(ValueError, match=r"got none of propensity_score"):
        read_open_bandit(tmp_path, "bts")
