"""The statistics of the experiment, against statsmodels, scipy and tea-tasting, and on known truths."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.ab.evidence_worlds import HeavyUsers
from benchmarks.ab_evidence import coverage_table
from learn_rank.ab.report.result import ROW_KEYS
from learn_rank.ab.simulation.totals import SUMS, UserTotals
from learn_rank.ab.statistics.analysis import AnalysisConfig, analyse, variance_reductions
from learn_rank.ab.statistics.cuped import adjusted_contrast
from learn_rank.ab.statistics.daily import daily_rows
from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.score_inflation import calibration_rows
from learn_rank.ab.statistics.sensitivity import pooled
from learn_rank.ab.statistics.skewness import flag

EXACT = {"rtol": 1e-12, "atol": 1e-14}


def clustered(rng, n_users, lift=1.0):
    """(clicks, impressions) of users who differ in both."""
    shown = 1 + rng.poisson(rng.lognormal(1, 1, n_users))
    return rng.binomial(shown, np.minimum(lift * rng.beta(1, 4, n_users), 1)).astype(float), shown.astype(
        float
    )


def draw(n_users=4000, seed=0, share=0.3, **settings):
    return HeavyUsers(n_users, **settings).draw(np.random.default_rng(seed), share)


# agreement with others


def test_a_mean_is_welch_s_test_by_scipy():
    rng = np.random.default_rng(0)
    control, treatment = rng.exponential(2, 130), rng.exponential(3, 41)
    found, oracle = (
        contrast(PerUser(control), PerUser(treatment)),
        stats.ttest_ind(treatment, control, equal_var=False),
    )
    interval = oracle.confidence_interval(0.95)
    np.testing.assert_allclose(
        [found.p, found.df, found.low, found.high],
        [oracle.pvalue, oracle.df, interval.low, interval.high],
        **EXACT,
    )


def test_a_ratio_is_weighted_least_squares_with_hc0_times_the_root_of_n_over_n_minus_1():
    rng = np.random.default_rng(1)
    (y_a, n_a), (y_b, n_b) = clustered(rng, 300), clustered(rng, 300, 1.2)
    found = contrast(PerUser(y_a, n_a), PerUser(y_b, n_b))
    y, n, arm = np.r_[y_a, y_b], np.r_[n_a, n_b], np.r_[np.zeros(300), np.ones(300)]
    oracle = sm.WLS(y / n, sm.add_constant(arm), weights=n).fit(cov_type="HC0")
    np.testing.assert_allclose(
        [found.control, found.delta, found.std_error],
        [oracle.params[0], oracle.params[1], oracle.bse[1] * math.sqrt(300 / 299)],
        **EXACT,
    )


def test_a_ratio_is_least_squares_over_impressions_clustered_by_user():
    rng = np.random.default_rng(2)
    (y_a, n_a), (y_b, n_b) = clustered(rng, 80), clustered(rng, 80)
    found = contrast(PerUser(y_a, n_a), PerUser(y_b, n_b))
    n = np.r_[n_a, n_b].astype(int)
    users = np.repeat(np.arange(160), n)
    clicks = np.concatenate([np.arange(size) < y for size, y in zip(n, np.r_[y_a, y_b], strict=True)]).astype(
        float
    )
    model = sm.OLS(clicks, sm.add_constant((users >= 80).astype(float)))
    oracle = model.fit(cov_type="cluster", cov_kwds={"groups": users, "use_correction": False})
    np.testing.assert_allclose(
        [found.delta, found.std_error], [oracle.params[1], oracle.bse[1] * math.sqrt(80 / 79)], **EXACT
    )


# tea-tasting 1.14.0 on these arrays: control, treatment, difference and relative lift with intervals, p.
# Convention: Student's t, unequal variances with ddof 1 over users, relative interval by the logarithm.
# To make them again: Experiment(Mean("revenue"), RatioOfMeans("clicks", "n"), and both with covariates).
_USER = np.arange(60)
ARM = (_USER % 3 == 0).astype(int)
SHOWN = 1.0 + (7 * _USER) % 11
CLICKS = np.minimum(SHOWN, (5 * _USER + _USER // 7) % 6 + ARM * (_USER % 2))
REVENUE = np.where(_USER % 4 == 0, ((_USER * _USER) % 17) * 1.25 + ARM * 0.8, 0.0)
SHOWN_BEFORE = 1.0 + (3 * _USER) % 7
CLICKS_BEFORE = np.minimum(SHOWN_BEFORE, (5 * _USER) % 6 + (_USER % 2))
REVENUE_BEFORE = np.where(_USER % 4 == 0, ((_USER * _USER) % 13) * 1.1, 0.0)
TEA_TASTING = {
    "mean": [
        *(2.21875, 2.45, 0.23125000000000018, -2.7496934392783436, 3.212193439278344),
        *(0.10422535211267614, -0.6852970656530923, 2.8744908139441527, 0.8759722207234433),
    ],
    "ratio": [
        *(
            0.3247863247863248,
            0.3779527559055118,
            0.05316643111918701,
            -0.11723675275641368,
            0.2235696149947877,
        ),
        *(0.16369664318276, -0.27596628997245876, 0.8703409228049788, 0.5313893504952321),
    ],
    "mean, CUPED": [
        *(
            1.9330201321366243,
            3.0214597357267516,
            1.0884396035901274,
            -1.2136813643108155,
            3.3905605714910703,
        ),
        *(0.5630772207152561, -0.3465042857952936, 2.738678532715821, 0.3424691237202056),
    ],
    "ratio, CUPED": [
        *(0.31837914821787117, 0.39117782548911484, 0.07279867727124367, -0.0924925321553706),
        *(
            0.23808988669785794,
            0.22865403616642177,
            -0.22224223415989852,
            0.9409523207491757,
            0.37874488714740706,
        ),
    ],
}


@pytest.mark.parametrize("name", TEA_TASTING)
def test_tea_tasting_finds_the_same(name):
    def arms(*columns):
        return [PerUser(*(column[arm == ARM] for column in columns)) for arm in (0, 1)]

    during, before = {
        "mean": ((REVENUE,), (REVENUE_BEFORE,)),
        "ratio": ((CLICKS, SHOWN), (CLICKS_BEFORE, SHOWN_BEFORE)),
    }[name.split(",", maxsplit=1)[0]]
    if "CUPED" in name:
        found = adjusted_contrast(*arms(*during), *arms(*before)).contrast
    else:
        found = contrast(*arms(*during))
    names = ("control", "treatment", "delta", "low", "high", "relative", "relative_low", "relative_high", "p")
    np.testing.assert_allclose([getattr(found, each) for each in names], TEA_TASTING[name], rtol=1e-9)


def test_power_and_mde_are_those_of_the_normal_test():
    z = stats.norm.ppf(0.975)
    for effect in (0.1, 1.0, -2.5):
        assert power_at(effect, 0.7) == pytest.approx(
            stats.norm.sf(z - abs(effect) / 0.7) + stats.norm.cdf(-z - abs(effect) / 0.7), rel=1e-9
        )
    assert power_at(minimal_effect(0.7), 0.7) == pytest.approx(0.8, abs=1e-7)  # statsmodels' root finder
    assert math.isnan(power_at(1.0, math.nan)) and math.isnan(minimal_effect(math.nan))


# the difference


def test_a_ratio_by_hand():
    # control 3 clicks of 6; scores .5 + (y - .5 n) / 3: .5 - 1/6 and .5 + 1/6: variance 2 (1/6)^2 = 1/18
    control = PerUser(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    np.testing.assert_allclose(control.scores(), [1 / 3, 2 / 3])
    found = contrast(control, control)
    assert found.std_error == pytest.approx(math.sqrt(2 * (1 / 18) / 2))
    assert (found.delta, found.p) == (0.0, 1.0)


def test_what_cannot_be_had_is_nan_and_says_so():
    some, none = PerUser(np.array([1.0, 2.0])), PerUser(np.array([]))
    alone, flat = PerUser(np.array([3.0])), PerUser(np.zeros(4))
    for found in (contrast(some, none), contrast(some, alone), contrast(flat, flat)):
        assert all(math.isnan(value) for value in (found.low, found.high, found.p, found.relative_low))
    assert contrast(flat, some).delta == 1.5 and math.isnan(contrast(flat, some).relative)
    never_shown = PerUser(np.zeros(3), np.zeros(3))
    assert math.isnan(contrast(never_shown, never_shown).delta)


def test_bad_sums_are_refused():
    with pytest.raises(ValueError, match="denominator: expected shape"):
        PerUser(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="numerator: expected finite"):
        PerUser(np.array([1.0, math.nan]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1000), st.booleans())
def test_swapped_arms_change_the_sign_and_the_unit_of_money_changes_no_p(seed, factor, is_ratio):
    rng = np.random.default_rng(seed)
    arms = [PerUser(*(clustered(rng, 30) if is_ratio else clustered(rng, 30)[:1])) for _ in range(2)]
    one, other = contrast(*arms), contrast(*arms[::-1])
    assert one.delta == -other.delta and one.low == pytest.approx(-other.high, rel=1e-9)
    scaled = contrast(*(PerUser(arm.numerator * factor, arm.denominator) for arm in arms))
    assert scaled.p == pytest.approx(one.p, rel=1e-6)
    assert scaled.relative_low == pytest.approx(one.relative_low, rel=1e-6, nan_ok=True)


@pytest.mark.long
@pytest.mark.parametrize("lift", [0.0, 0.1])
def test_intervals_hold_the_truth_as_often_as_they_say(lift):
    low, high = stats.binom.ppf([0.0005, 0.9995], 300, 0.95) / 300
    for row in coverage_table(lift, n_users=8000, n_worlds=300):
        assert low <= row["relative"] <= high and low <= row["difference"] <= high, row


# CUPED


def test_the_past_takes_noise_away_and_moves_nothing_on_average():
    rng, found = np.random.default_rng(3), []
    for _ in range(200):
        taste = rng.lognormal(0, 1, 400)
        before, during = rng.poisson(3 * taste), rng.poisson(3 * taste)
        is_treated = rng.random(400) < 0.4
        during = during + is_treated * 1.0
        cut = [
            PerUser(values[side] * 1.0) for values in (during, before) for side in (~is_treated, is_treated)
        ]
        found.append(adjusted_contrast(*cut))
    deltas = np.array([each.contrast.delta for each in found])
    assert abs(deltas.mean() - 1) < 3.3 * deltas.std() / math.sqrt(200)
    assert min(each.variance_reduction for each in found) > 0.6
    held = np.mean([each.contrast.low <= 1 <= each.contrast.high for each in found])
    assert held > 0.89  # a theta that used the arms, or an interval of the raw values, falls out


def test_a_past_that_says_nothing_changes_nothing():
    control, treatment = PerUser(np.arange(5.0)), PerUser(np.arange(4.0))
    for past in (PerUser(np.zeros(5)), PerUser(np.full(5, 2.0))):
        found = adjusted_contrast(control, treatment, past, past.of(np.arange(4)))
        assert (found.theta, found.variance_reduction) == (0.0, 0.0)
        assert found.contrast == contrast(control, treatment)
    with pytest.raises(ValueError, match="control_before: expected the 5 users"):
        adjusted_contrast(control, treatment, treatment, treatment)


def test_the_past_is_joined_by_user_id_and_a_new_user_has_none():
    ab, pre = draw(seed=5), draw(seed=6, share=0.0)
    order = np.random.default_rng(0).permutation(4000)[:3000]
    shuffled = dataclasses.replace(
        pre,
        user_ids=pre.user_ids[order],
        user_bucket=pre.user_bucket[order],
        arm=pre.arm[order],
        n_requests=pre.n_requests[order],
        sums={name: values[order] for name, values in pre.sums.items()},
    )
    is_known = np.isin(pre.user_ids, shuffled.user_ids)[:, None, None]
    zeroed = dataclasses.replace(pre, sums={name: values * is_known for name, values in pre.sums.items()})
    assert analyse(ab, pre=shuffled) == analyse(ab, pre=zeroed) != analyse(ab)
    assert set(variance_reductions(ab, pre)) == {"revenue", "CTR", "CVR", "conversions"}


# the table


def test_the_table_has_a_row_per_metric_and_bucket_and_buckets_add_up():
    ab = draw()
    rows = analyse(ab)
    assert len(rows) == 4 * (1 + 3 + 2) and all(set(row) == set(ROW_KEYS) for row in rows)
    every = {(row["metric"], row["bucket_kind"], row["bucket"]): row for row in rows}
    for metric, arm in itertools.product(("revenue", "CTR"), ("control", "treatment")):
        whole = every[metric, "all", "all"]
        users = [row for key, row in every.items() if key[:2] == (metric, "user")]
        items = [row for key, row in every.items() if key[:2] == (metric, "item")]
        assert sum(row[f"n_users_{arm}"] for row in users) == whole[f"n_users_{arm}"]
        assert {row[f"n_users_{arm}"] for row in items} == {whole[f"n_users_{arm}"]}
        for rows_of_kind in (users, items):
            assert sum(row[f"clicks_{arm}"] for row in rows_of_kind) == whole[f"clicks_{arm}"]
    revenue = [every["revenue", "item", name]["control"] for name in ab.item_buckets]
    assert sum(revenue) == pytest.approx(every["revenue", "all", "all"]["control"])


def test_users_without_a_request_are_outside_the_population():
    ab = draw(300)
    n_requests = ab.n_requests.copy()
    n_requests[:100] = 0
    fewer = analyse(dataclasses.replace(ab, n_requests=n_requests))[0]
    assert fewer["n_users_control"] + fewer["n_users_treatment"] == 200
    assert fewer["control"] == pytest.approx(ab.total("revenue")[100:][ab.arm[100:] == 0].mean())


def test_holm_is_over_the_rows_that_are_not_flagged():
    rows = analyse(draw(click_lift=0.2))
    (primary,) = [row for row in rows if row["role"] == "primary"]
    assert (primary["metric"], primary["p_adjusted"]) == ("revenue", primary["p"])
    for role, n_all in (("secondary", 3), ("bucket", 20)):
        family = [row for row in rows if row["role"] == role and row["flag"] is None]
        assert 0 < len(family) <= n_all
        adjusted = multipletests([row["p"] for row in family], method="holm")[1]
        np.testing.assert_allclose([row["p_family"] for row in family], adjusted, **EXACT)
    assert any(row["flag"] is not None for row in rows)
    assert all(
        row["p_adjusted"] is None and row["low"] is not None for row in rows if row["flag"] is not None
    )


def test_a_heavy_tailed_bucket_of_200_users_is_flagged():
    for seed in range(20):
        row = analyse(draw(200, seed=seed, share=0.3), AnalysisConfig(metrics=("revenue",)))[0]
        assert row["flag"].startswith(("skewed", "too few users")) and row["p_adjusted"] is None


def test_many_even_users_are_not_flagged():
    rng = np.random.default_rng(0)
    assert flag(rng.normal(5, 1, 800), rng.normal(5, 1, 200)) is None
    assert flag(np.zeros(800), np.zeros(200)).startswith("nothing varies")
    assert flag(rng.normal(size=800), rng.normal(size=20)).startswith("too few users: 20")


def test_the_launch_effect_stands_beside_the_estimate():
    control, treatment = draw(seed=1, share=0.0), draw(seed=2, share=1.0, click_lift=0.5)
    row = analyse(draw(seed=3), launch=(control, treatment))[0]
    assert row["launch"] == pytest.approx(
        treatment.total("revenue").sum() / control.total("revenue").sum() - 1
    )
    with pytest.raises(ValueError, match="launch: expected the users"):
        analyse(draw(200), launch=(control, treatment))


def test_an_experiment_of_no_one_has_rows_without_numbers():
    ab = draw(30)
    rows = analyse(dataclasses.replace(ab, n_requests=np.zeros_like(ab.n_requests)))
    for row in rows:
        assert row["n_users_control"] == 0 and row["flag"].startswith("too few users: 0")
        assert row["control"] is row["p"] is row["mde"] is row["power"] is None


def test_a_bad_declaration_is_refused():
    for settings_, match in (
        ({"level": 1.0}, "level"),
        ({"metrics": ("AUC",)}, "metrics"),
        ({"declared_lift": 0}, "lift"),
    ):
        with pytest.raises(ValueError, match=match):
            AnalysisConfig(**settings_)


# several truths


def test_truths_that_disagree_widen_the_interval_however_many_users_there_are():
    one, other = draw(8000, seed=7), draw(8000, seed=7, click_lift=0.3)
    alone, both = analyse(one), analyse(one, replicas=[other])
    assert both[1]["high"] - both[1]["low"] > 2 * (alone[1]["high"] - alone[1]["low"])
    assert both[1]["delta"] == pytest.approx((alone[1]["delta"] + analyse(other)[1]["delta"]) / 2)


def test_rubin_by_hand():
    # deltas 1 and 3: between (1 + 1/2) x 2 = 3, within 1: the variance is 4, df = 1 x (1 + 1/3)^2 = 16/9
    found = pooled([Contrast(1, 2, 1.0, 50, 0.1, 50), Contrast(1, 4, 1.0, 50, 0.1, 50)])
    assert (found.delta, found.std_error, found.df) == (2.0, 2.0, pytest.approx(16 / 9))
    same = Contrast(1, 2, 1.0, 50, 0.1, 50)
    assert pooled([same, same, same]) == same
    with pytest.raises(ValueError, match="contrasts"):
        pooled([])


# days and scores


def test_the_last_cumulative_day_is_the_table_and_the_first_is_its_own_day():
    ab = draw(n_days=4)
    whole = {row["metric"]: row for row in analyse(ab) if row["bucket_kind"] == "all"}
    for metric, rows in itertools.groupby(daily_rows(ab), key=lambda row: row["metric"]):
        first, *_, last = rows
        assert (first["day"], last["day"]) == (1, 4)
        assert first["cumulative"] == first["relative"]
        for name in ("", "_low", "_high"):
            assert last[f"cumulative{name}"] == whole[metric][f"relative{name}"]


def test_score_inflation_by_hand():
    def cell(**values):
        return {name: np.full((2, 1, 1), values.get(name, 0.0)) for name in SUMS}

    sums = cell(
        clicks=10,
        predicted_clicks=8,
        conversions=3,
        immature=1,
        predicted_conversions=5,
        revenue=60,
        target_cost=80,
    )
    arms = np.array([0, 1], np.uint8)
    world = UserTotals(
        np.arange(2), np.zeros(2, int), ("other",), ("other",), arms, np.ones((2, 1)), sums, (1,)
    )
    rows = calibration_rows(world)
    assert [(row["arm"], row["bucket_kind"]) for row in rows] == list(itertools.product("ab", ())) + [
        (arm, kind) for kind in ("all", "user", "item") for arm in "ab"
    ]
    row = rows[0]
    assert (row["clicks_ratio"], row["conversions_ratio"]) == (10 / 8, 4 / 5)
    assert (row["cost_per_conversion"], row["target_cpa"], row["cost_ratio"]) == (15, 20, 0.75)
    empty = calibration_rows(dataclasses.replace(world, sums=cell()))[0]
    assert empty["clicks_ratio"] is empty["cost_ratio"] is None
