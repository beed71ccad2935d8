"""Intervals over users: exact leave-one-out, DeLong, brute-force resampling, and coverage on known truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_metrics import delong_variance, holm_adjusted, leave_one_user_out, user_bootstrap
from scipy import stats

from learn_rank.metrics.auc import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, Metric, NormalizedEntropy
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.intervals import Bootstrap, ClosedForm, holm, interval, paired_delta
from learn_rank.uncertainty.student_t import t_quantile, t_upper_tail

AUCS = [AUC(), UAUC(), WUAUC()]
ALL = [*AUCS, WUAUC(weight="positives"), PCOC(), LogLoss(), NormalizedEntropy(), ECE(bins=3)]


def clustered(rng, n_users, mean_rows=8):
    """Users differ in click rate, in how well they are understood and in how many rows they have."""
    n_rows = np.minimum(2 + rng.geometric(1 / mean_rows, n_users) * rng.integers(1, 4, n_users), 150)
    users = np.repeat(np.arange(n_users), n_rows)
    taste, skill = rng.normal(-1, 1, n_users)[users], rng.normal(1, 0.7, n_users)[users]
    labels = (rng.random(users.size) < 1 / (1 + np.exp(-taste))).astype(int)
    first = labels * skill + 0.7 * taste + rng.normal(size=users.size)
    second = first + 0.5 * labels * rng.normal(0.4, 0.3, n_users)[users] + 0.5 * rng.normal(size=users.size)
    return labels, users, first, second


def as_probability(scores):
    return 1 / (1 + np.exp(-scores))


# closed form


@pytest.mark.parametrize("metric", AUCS, ids=str)
def test_a_difference_reaches_no_further_than_the_metric_can(metric):
    labels, users = np.tile([1, 0], 3), np.repeat([1, 2, 3], 2)
    few = [[0.1, 0.9, 0.8, 0.3, 0.2, 0.2], [0.9, 0.1, 0.1, 0.9, 0.3, 0.2]]
    for a, b in (few, few[::-1]):
        base = interval(labels, users, a, metric=metric).value
        found = paired_delta(labels, users, a, b, metric=metric)
        assert 4 * found.std_error > 1  # unbounded, it would be wider than all that is possible
        assert -base <= found.low <= found.delta <= found.high <= 1 - base


@pytest.mark.parametrize("metric", ALL, ids=str)
def test_influence_is_exactly_the_change_when_the_user_leaves(metric):
    labels, users, scores, _ = clustered(np.random.default_rng(0), 25)
    prob = np.round(as_probability(scores), 2)
    found = ClosedForm().evidence([metric], LabelledRows.of(labels, users), prob)[0]
    oracle = leave_one_user_out(lambda y, s, u: metric(y, s, u).value, labels, prob, users)
    if metric == ECE(bins=3):  # its bins are those of all rows and do not move when a user leaves
        assert found.change.size == 25
        return
    np.testing.assert_allclose(found.change, list(oracle.values()), atol=1e-13)


@pytest.mark.parametrize("metric", [*AUCS, PCOC()], ids=str)
def test_weighted_influence_is_that_of_repeated_rows(metric):
    labels, users, scores, _ = clustered(np.random.default_rng(1), 20)
    prob = np.round(as_probability(scores), 1)
    weights = np.random.default_rng(2).integers(1, 4, labels.size)
    again = np.repeat(np.arange(labels.size), weights)
    one = ClosedForm().evidence([metric], LabelledRows.of(labels, users, weights), prob)[0]
    two = ClosedForm().evidence([metric], LabelledRows.of(labels[again], users[again]), prob[again])[0]
    np.testing.assert_allclose(one.change, two.change, atol=1e-13)
    assert one.variance == pytest.approx(two.variance)


def test_evidence_carries_the_metric_s_own_result():
    labels, users, scores, _ = clustered(np.random.default_rng(3), 40)
    rows = LabelledRows.of(labels, users)
    for how in (ClosedForm(), Bootstrap(n_resamples=2)):
        for metric, found in zip(AUCS, how.evidence(AUCS, rows, scores), strict=True):
            assert found.counts == metric(labels, scores, users)


def test_uauc_interval_is_the_t_interval_of_the_mean():
    labels, users, scores, _ = clustered(np.random.default_rng(4), 12)
    aucs = np.array([AUC()(labels[users == u], scores[users == u]).value for u in range(12)])
    aucs = aucs[~np.isnan(aucs)]
    found = interval(labels, users, scores)
    reach = stats.t.ppf(0.975, aucs.size - 1) * aucs.std(ddof=1) / math.sqrt(aucs.size)
    assert found.std_error == pytest.approx(stats.sem(aucs))
    assert (found.low, found.high) == pytest.approx((aucs.mean() - reach, aucs.mean() + reach))


def test_pooled_auc_with_one_row_per_user_has_delong_s_variance():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 300)
    scores = np.round(rng.normal(size=300) + labels, 1)
    found = interval(labels, np.arange(300), scores, metric=AUC())
    assert found.std_error**2 == pytest.approx(delong_variance(labels, scores), rel=0.02)


@pytest.mark.parametrize("metric", AUCS, ids=str)
def test_closed_form_agrees_with_a_brute_force_bootstrap_of_users(metric):
    rng = np.random.default_rng(6)
    labels, users, first, second = clustered(rng, 150, mean_rows=4)

    def value(y, s, u):
        return metric(y, s, u).value

    def difference(y, s, u):
        return value(y, s[:, 1], u) - value(y, s[:, 0], u)

    both = np.stack([first, second], axis=1)
    drawn = user_bootstrap(value, labels, first, users, n_resamples=400, rng=rng)
    paired = user_bootstrap(difference, labels, both, users, n_resamples=400, rng=rng)
    assert interval(labels, users, first, metric=metric).std_error == pytest.approx(drawn.std(), rel=0.12)
    found = paired_delta(labels, users, first, second, metric=metric)
    assert found.std_error == pytest.approx(paired.std(), rel=0.12)
    # unpaired, the difference would seem far less certain
    apart = math.hypot(*(interval(labels, users, s, metric=metric).std_error for s in (first, second)))
    assert found.std_error < 0.7 * apart


@pytest.mark.parametrize("metric", AUCS, ids=str)
def test_order_of_rows_does_not_matter(metric):
    labels, users, first, second = clustered(np.random.default_rng(7), 30)
    order = np.random.default_rng(8).permutation(labels.size)
    here = paired_delta(labels, users, first, second, metric=metric)
    there = paired_delta(labels[order], users[order], first[order], second[order], metric=metric)
    assert (here.delta, here.low, here.p) == pytest.approx((there.delta, there.low, there.p))


# coverage


def test_intervals_cover_the_truth_and_intervals_over_rows_do_not():
    labels, users, first, second = clustered(np.random.default_rng(9), 60_000)
    rows = LabelledRows.of(labels, users)
    how = ClosedForm()
    truth = [e.value for e in how.evidence(AUCS, rows, first)]
    gain = [e.value - t for e, t in zip(how.evidence(AUCS, rows, second), truth, strict=True)]
    n_worlds, covered, covered_gain, covered_by_rows = 200, np.zeros(3), np.zeros(3), 0
    for world in range(n_worlds):
        labels, users, first, second = clustered(np.random.default_rng(100 + world), 25)
        rows = LabelledRows.of(labels, users)
        old, new = how.evidence(AUCS, rows, first), how.evidence(AUCS, rows, second)
        for at in range(3):
            value, delta = how.interval([old[at]]), how.delta([new[at]], [old[at]])
            covered[at] += value.low <= truth[at] <= value.high
            covered_gain[at] += delta.low <= gain[at] <= delta.high
        by_rows = interval(labels, np.arange(labels.size), first, metric=AUC())
        covered_by_rows += by_rows.low <= truth[0] <= by_rows.high
    # 95 % of 200 is 190 with a standard deviation of 3.1
    assert (covered >= 180).all(), covered
    assert (covered_gain >= 180).all(), covered_gain
    assert (covered <= 199).all(), covered
    assert covered_by_rows < 170


def test_intervals_over_seeds_cover_the_mean_over_seeds_and_one_seed_does_not():
    rng = np.random.default_rng(10)

    def world(n_users, luck):
        """`luck`: how each seed happens to mix its two features."""
        users = np.repeat(np.arange(n_users), 12)
        labels = rng.integers(0, 2, users.size)
        useful, useless = labels + rng.normal(size=users.size), rng.normal(size=users.size)
        return labels, users, [useful + (0.5 + a) * useless for a in luck]

    labels, users, many = world(20_000, 0.2 * stats.norm.ppf((np.arange(20) + 0.5) / 20))
    truth = np.mean([UAUC()(labels, scores, users).value for scores in many])
    n_worlds, covered, covered_by_one = 120, 0, 0
    for _ in range(n_worlds):
        labels, users, seeds = world(500, 0.2 * rng.normal(size=5))
        found, one = interval(labels, users, seeds), interval(labels, users, seeds[0])
        covered += found.low <= truth <= found.high
        covered_by_one += one.low <= truth <= one.high
    assert 0.89 * n_worlds <= covered < n_worlds
    assert covered_by_one < 0.8 * n_worlds


# seeds


def test_several_seeds_add_their_variance_to_that_of_the_users():
    rng = np.random.default_rng(11)
    labels, users, first, _ = clustered(rng, 60)
    seeds = [first + rng.normal(0, 0.8, first.size) for _ in range(3)]
    found = interval(labels, users, seeds)
    values = [UAUC()(labels, s, users).value for s in seeds]
    evidence = [ClosedForm().evidence([UAUC()], LabelledRows.of(labels, users), s)[0] for s in seeds]
    change = np.mean([e.change for e in evidence], axis=0)
    n_users = evidence[0].n_varying
    from_users = (n_users - 1) / n_users * (change**2).sum()
    assert found.value == pytest.approx(np.mean(values))
    assert found.std_error**2 == pytest.approx(from_users + np.var(values, ddof=1) / 3)
    assert found.n_seeds == 3


def test_seeds_may_differ_in_number_between_candidate_and_baseline():
    rng = np.random.default_rng(12)
    labels, users, first, second = clustered(rng, 60)
    old = [first + rng.normal(0, 0.5, first.size) for _ in range(2)]
    new = [second + rng.normal(0, 0.5, first.size) for _ in range(4)]
    found = paired_delta(labels, users, old, new, metric=WUAUC())
    means = [np.mean([WUAUC()(labels, s, users).value for s in seeds]) for seeds in (new, old)]
    assert found.delta == pytest.approx(means[0] - means[1])
    assert found.low < found.delta < found.high


def test_equal_seeds_change_nothing_but_the_count():
    labels, users, first, second = clustered(np.random.default_rng(13), 40)
    one = paired_delta(labels, users, first, second)
    two = paired_delta(labels, users, [first, first], [second, second])
    assert (two.delta, two.std_error) == pytest.approx((one.delta, one.std_error))
    assert two.n_seeds == 2


# where nothing can be said


def test_a_column_against_itself_differs_by_exactly_nothing():
    labels, users, first, _ = clustered(np.random.default_rng(14), 30)
    for how in (ClosedForm(), Bootstrap(n_resamples=50)):
        for metric in AUCS:
            found = paired_delta(labels, users, first, first.copy(), metric=metric, uncertainty=how)
            assert (found.delta, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("how", [ClosedForm(), Bootstrap(n_resamples=50)], ids=["closed", "bootstrap"])
@pytest.mark.parametrize(
    ("labels", "users", "scores"),
    [
        ([], [], []),
        ([1, 1, 0], [1, 1, 2], [1, 2, 3]),
        ([1, 0, 1], [1, 1, 1], [1, 2, 3]),
        ([1, 0, 1, 0], [1, 1, 2, 2], [2, 1, 2, 1]),
    ],
    ids=["no rows", "one-class users", "one user", "no variation"],
)
def test_no_interval_is_made_up(how, labels, users, scores):
    for metric in (UAUC(), WUAUC()):
        found = interval(labels, users, scores, metric=metric, uncertainty=how)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        delta = paired_delta(labels, users, scores, scores[::-1], metric=metric, uncertainty=how)
        assert delta.delta == 0 or math.isnan(delta.p)


def test_one_user_with_all_positives_leaves_the_pooled_auc_without_interval():
    found = interval([1, 1, 0, 0, 0], [1, 1, 2, 3, 4], [3, 1, 2, 1, 0], metric=AUC())
    assert not math.isnan(found.value)
    assert math.isnan(found.low)


def test_intervals_stay_within_the_metric_s_range():
    labels, users, scores = [1, 0, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3], [2, 1, 2, 1, 1, 1]
    found = interval(labels, users, scores)
    assert found.high == 1.0
    assert found.low < found.value


def test_settings_and_metrics_without_interval_are_refused():
    with pytest.raises(ValueError, match="level: expected a number between 0 and 1, got 95"):
        ClosedForm(level=95)
    with pytest.raises(ValueError, match="n_resamples: expected at least 2"):
        Bootstrap(n_resamples=1)
    with pytest.raises(ValueError, match="the bootstrap answers for one seed of a model, got 2"):
        interval([1, 0], [1, 1], [[1, 2], [1, 2]], uncertainty=Bootstrap())

    class Odd(Metric):
        def compute(self, rows, scores):
            raise NotImplementedError

    for how, said in ((ClosedForm(), "no closed-form interval"), (Bootstrap(), "cannot be resampled")):
        with pytest.raises(ValueError, match=said):
            interval([1, 0], [1, 1], [1, 2], metric=Odd(), uncertainty=how)
    with pytest.raises(ValueError, match="users: an interval over users needs the user id"):
        interval([1, 0], None, [1, 2])


def test_evidence_of_other_users_is_not_averaged():
    one = ClosedForm().evidence([UAUC()], LabelledRows.of([1, 0], [1, 1]), [1, 2])
    two = ClosedForm().evidence([UAUC()], LabelledRows.of([1, 0, 1], [1, 1, 2]), [1, 2, 3])
    with pytest.raises(ValueError, match=r"seeds: expected the same users in each, got \[1, 2\] users"):
        ClosedForm().interval([*one, *two])


# bootstrap


@pytest.mark.parametrize("metric", [*AUCS, PCOC()], ids=str)
def test_resamples_are_the_metric_on_repeated_users(metric):
    labels, users, scores, _ = clustered(np.random.default_rng(15), 12)
    prob = np.round(as_probability(scores), 2)
    is_scored = np.array([0 < labels[users == u].mean() < 1 for u in range(12)])
    who = np.flatnonzero(is_scored) if isinstance(metric, UAUC | WUAUC) else np.arange(12)
    found = (
        Bootstrap(n_resamples=20, seed=3).evidence([metric], LabelledRows.of(labels, users), prob)[0].values
    )
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, who.size, (20, who.size), dtype=np.int64)
    for value, draw in zip(found, drawn, strict=True):
        rows = np.concatenate([np.flatnonzero(users == user) for user in who[draw]])
        renamed = np.repeat(np.arange(who.size), [(users == user).sum() for user in who[draw]])
        assert value == pytest.approx(metric(labels[rows], prob[rows], renamed).value, nan_ok=True)


def test_bootstrap_and_closed_form_agree_and_the_seed_fixes_the_draws():
    labels, users, first, second = clustered(np.random.default_rng(16), 400, mean_rows=4)
    for metric in AUCS:
        closed = paired_delta(labels, users, first, second, metric=metric)
        drawn, again, other = (
            paired_delta(
                labels, users, first, second, metric=metric, uncertainty=Bootstrap(n_resamples=400, seed=seed)
            )
            for seed in (1, 1, 2)
        )
        assert drawn == again != other
        assert drawn.std_error == pytest.approx(closed.std_error, rel=0.12)
        assert (drawn.low, drawn.high) == pytest.approx((closed.low, closed.high), abs=0.5 * closed.std_error)


def test_shuffling_many_users_into_groups_keeps_the_variance():
    labels, users, scores, _ = clustered(np.random.default_rng(17), 3000, mean_rows=3)
    for metric in AUCS:
        exact = interval(labels, users, scores, metric=metric).std_error
        for seed in range(3):
            grouped = Bootstrap(n_resamples=300, max_groups=1000, seed=seed)
            found = interval(labels, users, scores, metric=metric, uncertainty=grouped)
            assert found.std_error == pytest.approx(exact, rel=0.15)


def test_a_bootstrap_p_value_counts_the_resamples_beyond_zero():
    labels, users, first, _ = clustered(np.random.default_rng(18), 60)
    how = Bootstrap(n_resamples=200)
    worse = first - 2 * labels
    found = paired_delta(labels, users, first, worse, uncertainty=how)
    assert found.delta < 0
    assert found.p == pytest.approx(2 / 201)


# the t distribution and Holm


@pytest.mark.parametrize("df", [0.5, 1, 2, 3.7, 30, 1000, 1e6, 1e8])
def test_student_s_t_agrees_with_scipy(df):
    for t in (0, 1e-12, 1e-3, 0.5, 1, 2, 5):
        assert t_upper_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-6)
    for level in (0.5, 0.95, 0.999):
        assert t_quantile(level, df) == pytest.approx(stats.t.ppf((1 + level) / 2, df), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_its_definition(p_values):
    np.testing.assert_allclose(holm(p_values), holm_adjusted(p_values), rtol=1e-12)


def test_holm_leaves_out_what_was_not_tested():
    assert holm([0.02, math.nan, 0.03]).tolist()[::2] == [0.04, 0.04]
    assert math.isnan(holm([0.02, math.nan])[1])
    assert holm([]).size == 0
