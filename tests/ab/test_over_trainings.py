"""The interval over several trainings: by hand, by an oracle of readers and cases, and its properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.ab.evidence_worlds import HeavyUsers
from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.ab.statistics.power import minimal_effect, power_at
from learn_rank.ab.statistics.retraining import mean_world, over_trainings


def flat(delta, error):
    """Treatment against a control of 1, users without end."""
    return Contrast(1.0, 1.0 + delta, error, 1e9, error, 1e9)


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
