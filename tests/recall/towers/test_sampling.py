"""Two-stage sampling: the weights of the paper, and draws that follow them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.train.sampling import recency_weights, sample_recent, sample_uniform

lengths_strategy = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def test_the_oldest_of_ten_weighs_a_quarter_and_the_newest_one():
    weight = recency_weights(10)
    expected = [math.log(10 + i * 9990 / 9) / math.log(10_000) for i in range(10)]
    np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-12)
    assert weight[0] == pytest.approx(0.25, abs=1e-12)
    assert weight[-1] == 1.0
    rounded = [0.25, 0.762, 0.837, 0.881, 0.912, 0.936, 0.956, 0.973, 0.987, 1.0]
    np.testing.assert_allclose(weight, rounded, rtol=0, atol=5e-4)


@given(n=st.integers(2, 500))
def test_weights_rise_from_a_quarter_to_one_whatever_the_length(n):
    weight = recency_weights(n)
    assert weight[0] == pytest.approx(0.25, abs=1e-12)
    assert weight[-1] == 1.0
    assert (np.diff(weight) > 0).all()


def test_a_sequence_of_one_has_weight_one():
    assert recency_weights(1).tolist() == [1.0]


@pytest.mark.parametrize(("length", "alpha", "beta"), [(0, 10, 100), (5, 1, 100), (5, 10, 9)])
def test_impossible_weights_are_refused(length, alpha, beta):
    with pytest.raises(ValueError, match="expected"):
        recency_weights(length, alpha, beta)


@settings(max_examples=60, deadline=None)
@given(
    lengths=lengths_strategy, size=st.integers(1, 12), seed=st.integers(0, 99), stage=st.sampled_from([1, 2])
)
def test_a_draw_without_replacement_is_ascending_distinct_and_inside_the_sequence(lengths, size, seed, stage):
    draw = sample_uniform if stage == 1 else sample_recent
    position, n_kept = draw(np.array(lengths), size, np.random.default_rng(seed))
    assert n_kept.tolist() == [min(size, n) for n in lengths]
    for row, n, kept in zip(position, lengths, n_kept, strict=True):
        real = row[:kept]
        assert (row[kept:] == -1).all()
        assert (real >= 0).all() and (real < n).all()
        assert (np.diff(real) > 0).all()


@settings(max_examples=40, deadline=None)
@given(lengths=lengths_strategy, size=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_draw_with_replacement_gives_exactly_the_size_for_every_non_empty_sequence(lengths, size, seed):
    position, n_drawn = sample_recent(
        np.array(lengths), size, np.random.default_rng(seed), with_replacement=True
    )
    for row, n, drawn in zip(position, lengths, n_drawn, strict=True):
        assert drawn == (size if n else 0)
        assert (row[:drawn] >= 0).all() and (row[:drawn] < n).all()
        assert (row[drawn:] == -1).all()


def frequencies(n, size, n_rows=60_000, **options):
    position, _ = sample_recent(np.full(n_rows, n), size, np.random.default_rng(0), **options)
    return np.bincount(position.ravel(), minlength=n) / n_rows


def test_single_draws_follow_the_weights_with_and_without_replacement():
    expected = recency_weights(5) / recency_weights(5).sum()
    for with_replacement in (False, True):
        got = frequencies(5, 1, with_replacement=with_replacement)
        np.testing.assert_allclose(got, expected, atol=4 * np.sqrt(0.25 / 60_000))


def test_two_draws_without_replacement_follow_the_successive_scheme():
    weight = recency_weights(4)
    share = weight / weight.sum()
    # P(i among two) = p_i + sum over j != i of p_j p_i / (1 - p_j)
    expected = [
        share[i] + sum(share[j] * share[i] / (1 - share[j]) for j in range(4) if j != i) for i in range(4)
    ]
    np.testing.assert_allclose(frequencies(4, 2), expected, atol=4 * np.sqrt(0.25 / 60_000))


def test_unweighted_draws_and_stage_one_are_uniform():
    np.testing.assert_allclose(frequencies(5, 2, weighted=False), 0.4, atol=4 * np.sqrt(0.25 / 60_000))
    position, _ = sample_uniform(np.full(60_000, 5), 2, np.random.default_rng(1))
    np.testing.assert_allclose(np.bincount(position.ravel()) / 60_000, 0.4, atol=4 * np.sqrt(0.25 / 60_000))


def test_rows_of_other_lengths_do_not_change_a_rows_weights():
    position, _ = sample_recent(np.tile([3, 30], 40_000), 1, np.random.default_rng(2))
    got = np.bincount(position[::2].ravel(), minlength=3) / 40_000
    np.testing.assert_allclose(
        got, recency_weights(3) / recency_weights(3).sum(), atol=4 * np.sqrt(0.25 / 40_000)
    )


def test_equal_generators_give_equal_draws():
    lengths = np.array([3, 0, 17])
    one, other = (sample_recent(lengths, 4, np.random.default_rng(5))[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)
