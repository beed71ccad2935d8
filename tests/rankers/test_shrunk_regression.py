"""The regression that a ranker begins at: its weights drawn toward given ones, and its evidence."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from learn_rank.rankers.grid import beyond_edge, widening_scores
from learn_rank.rankers.start.shrunk_regression import shrunk_regression


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(3)
    dense = generator.normal(size=(400, 3))
    prob = 1 / (1 + np.exp(-(dense @ np.array([0.8, -0.4, 0.0]) - 1)))
    return dense, (generator.random(400) < prob).astype(float)


@pytest.mark.parametrize("strength", [0.1, 10.0, 1000.0])
def test_toward_nothing_it_is_the_ridge_regression_of_a_library(rows, strength):
    dense, labels = rows
    found = shrunk_regression(dense, labels, np.zeros(3), strength)
    oracle = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=1000).fit(dense, labels)
    np.testing.assert_allclose(found.weight, oracle.coef_[0], atol=1e-4)
    assert found.bias == pytest.approx(oracle.intercept_[0], abs=1e-4)


def test_a_strong_one_is_what_it_is_drawn_to_with_the_rate_of_the_labels(rows):
    dense, labels = rows
    toward = np.array([1.0, 0.5, -2.0])
    found = shrunk_regression(dense, labels, toward, 1e9)
    np.testing.assert_allclose(found.weight, toward, atol=1e-5)
    assert np.array_equal(np.argsort(found.logit(dense)), np.argsort(dense @ toward))
    assert (1 / (1 + np.exp(-found.logit(dense)))).mean() == pytest.approx(labels.mean())


def test_what_it_is_drawn_to_is_what_zero_is_to_the_rest_of_the_weights(rows):
    """Of rows that are two of a kind with labels 0 and 1 likelihood draws to 0, the penalty to 2."""
    dense, toward = np.repeat([[1.0], [-1.0]], 2, axis=0), np.array([2.0])
    found = shrunk_regression(dense, np.array([0, 1, 0, 1]), toward, 0.5).weight[0]
    # the gradient by hand: 2 rows of each kind, d/dw = -4 (sigmoid(w) - 1/2) - 0.5 (w - 2)
    assert -4 * (1 / (1 + np.exp(-found)) - 0.5) - 0.5 * (found - 2) == pytest.approx(0, abs=1e-6)


def test_it_is_the_same_wherever_it_begins_and_however_many_rows_are_read_at_a_time(rows, monkeypatch):
    dense, labels = rows
    toward = np.array([0.5, 0.0, 0.0])
    alone = shrunk_regression(dense, labels, toward, 10.0)
    other = shrunk_regression(dense, labels, toward, 1e4)
    monkeypatch.setattr("learn_rank.rankers.start.shrunk_regression._BLOCK", 37)
    again = shrunk_regression(dense, labels, toward, 10.0, other)
    np.testing.assert_allclose(again.weight, alone.weight, atol=1e-5)
    assert again.log_evidence == pytest.approx(alone.log_evidence, abs=1e-4)


def test_rows_that_a_plane_parts_have_finite_weights(rows):
    dense = rows[0] * 50
    found = shrunk_regression(dense, (dense[:, 0] > 0).astype(float), np.zeros(3), 1e-3)
    assert np.isfinite(found.weight).all() and np.isfinite(found.log_evidence)


def test_the_evidence_of_two_strengths_differs_as_the_integrals_over_the_weight_do():
    generator = np.random.default_rng(0)
    dense = generator.normal(size=(60, 1))
    labels = (generator.random(60) < 1 / (1 + np.exp(-dense[:, 0]))).astype(float)

    def integral(strength):
        weight, bias = np.linspace(-3, 4, 300)[:, None, None], np.linspace(-3, 3, 200)[None, :, None]
        logit = dense[:, 0] * weight + bias
        likelihood = np.exp((labels * logit - np.logaddexp(0, logit)).sum(axis=2) + 40)
        prior = np.sqrt(strength) * np.exp(-0.5 * strength * (weight[..., 0] - 0.5) ** 2)
        return np.log((likelihood * prior).sum())

    found = [shrunk_regression(dense, labels, np.array([0.5]), at).log_evidence for at in (2.0, 50.0)]
    assert found[0] - found[1] == pytest.approx(integral(2.0) - integral(50.0), abs=0.05)


def test_labels_of_one_kind_and_no_strength_are_refused(rows):
    with pytest.raises(ValueError, match="labels: expected 0 and 1"):
        shrunk_regression(rows[0], np.zeros(400), np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="strength: expected a number above 0, got 0"):
        shrunk_regression(*rows, np.zeros(3), 0.0)


def test_a_grid_follows_its_best_edge_to_both_sides_and_ends():
    assert list(widening_scores((1.0, 10.0), lambda at: -at, most_wider=2)) == [1.0, 10.0, 0.1, 0.01]
    assert list(
        widening_scores((10.0, 1.0), lambda at: at, most_wider=9, is_allowed=lambda at: at < 2e3)
    ) == [
        10.0,
        1.0,
        100.0,
        1000.0,
    ]
    assert widening_scores((3.0,), lambda at: at, most_wider=2) == {3.0: 3.0}
    assert beyond_edge({0.0: 2.0, 1.0: 1.0}) is None
