"""PCOC, log loss, normalised entropy, ECE: hand-derived, by scikit-learn, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from learn_rank.metrics.auc import ECE, PCOC, LogLoss, NormalizedEntropy

METRICS = [PCOC(), LogLoss(), NormalizedEntropy(), ECE(bins=4)]
probability_rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), st.integers(0, 3)),
    min_size=1,
    max_size=30,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


def test_pcoc_is_predicted_over_observed():
    assert PCOC()([1, 0, 1], [0.9, 0.3, 0.6]).value == pytest.approx((0.9 + 0.3 + 0.6) / 2)


def test_log_loss_is_the_mean_of_minus_log_and_agrees_with_scikit_learn():
    assert LogLoss()([1, 0], [0.8, 0.1]).value == pytest.approx(-(math.log(0.8) + math.log(0.9)) / 2)
    rng = np.random.default_rng(0)
    labels, prob = rng.integers(0, 2, 500), rng.random(500)
    assert LogLoss()(labels, prob).value == pytest.approx(log_loss(labels, prob))


def test_a_saturated_probability_costs_the_clip_and_not_infinity():
    assert LogLoss(clip=1e-6)([0], np.array([1], np.float32)).value == pytest.approx(-math.log(1e-6))


def test_predicting_the_rate_has_normalised_entropy_one():
    assert NormalizedEntropy()([1, 0, 0, 0, 0], [0.2] * 5).value == pytest.approx(1)
    halves = -(math.log(0.8) + 4 * math.log(0.9)) / 5
    entropy = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert NormalizedEntropy()([1, 0, 0, 0, 0], [0.8, 0.1, 0.1, 0.1, 0.1]).value == pytest.approx(
        halves / entropy
    )


def test_ece_is_the_mean_gap_of_bins_of_equal_mass():
    labels, prob = [0, 1, 0, 0, 1, 1], [0.1, 0.1, 0.2, 0.4, 0.9, 0.7]
    low = abs((0.1 + 0.1 + 0.2) - 1)
    high = abs((0.4 + 0.7 + 0.9) - 2)
    assert ECE(bins=2)(labels, prob).value == pytest.approx((low + high) / 6)
    assert ECE(bins=1)(labels, prob).value == pytest.approx(abs(sum(prob) - 3) / 6)


def test_equal_probabilities_share_a_bin_in_any_order():
    labels = [1, 1, 1, 0, 0, 0]
    assert ECE(bins=6)(labels, [0.5] * 6).value == 0
    assert ECE(bins=6)(labels[::-1], [0.5] * 6).value == 0


@settings(max_examples=40, deadline=None)
@given(probability_rows)
def test_whole_weights_count_like_repeated_rows(rows):
    labels, prob, weights = rows
    again = np.repeat(np.arange(labels.size), weights)
    for metric in METRICS:
        weighted = metric(labels, prob, weights=weights).value
        assert weighted == pytest.approx(metric(labels[again], prob[again]).value, nan_ok=True, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(probability_rows)
def test_users_are_counted_and_do_not_change_the_value(rows):
    labels, prob, users = rows
    for metric in METRICS:
        alone, with_users = metric(labels, prob), metric(labels, prob, users)
        assert with_users.value == pytest.approx(alone.value, nan_ok=True)
        assert (alone.n_users, with_users.n_users) == (None, np.unique(users).size)
        per_user = metric.from_sums(metric.user_sums(_rows(labels, users), prob).sums.sum(axis=1))
        assert float(per_user) == pytest.approx(alone.value, nan_ok=True, abs=1e-12)


def _rows(labels, users):
    from learn_rank.metrics.labelled_rows import LabelledRows

    return LabelledRows.of(labels, users)


def test_undefined_values_are_nan():
    assert math.isnan(PCOC()([0, 0], [0.1, 0.2]).value)
    assert math.isnan(NormalizedEntropy()([1, 1], [0.1, 0.2]).value)
    for metric in METRICS:
        assert math.isnan(metric([], [], []).value)


def test_logits_are_refused_with_a_remedy():
    for metric in METRICS:
        with pytest.raises(
            ValueError, match=r"scores: expected probabilities within 0\.\.1, got 1\.5 in row 1"
        ):
            metric([1, 0], [0.5, 1.5])


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="bins: expected an integer of at least 1, got 0"):
        ECE(bins=0)
    with pytest.raises(ValueError, match="clip: expected a number above 0"):
        LogLoss(clip=0)
