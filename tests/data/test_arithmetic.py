"""exp, log and power of the generated marketplace are right to a few last bits, and the same everywhere."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn_rank.datasets.arithmetic import draw_lognormal, exp, log, power


def ulps(found, true):
    """Distance from the true number in units of the last place of it."""
    with mpmath.workprec(200):
        return float(abs(mpmath.mpf(float(found)) - true) / mpmath.mpf(math.ulp(float(true))))


def true_of(function, *values):
    with mpmath.workprec(200):
        return function(*(mpmath.mpf(value) for value in values))


@given(st.floats(-745.0, 709.7) | st.floats(-1.0, 1.0))
def test_exp_is_within_two_units_in_the_last_place(x):
    assert ulps(exp(np.array([x]))[0], true_of(mpmath.exp, x)) <= 2


@given(st.floats(0.0, exclude_min=True, allow_infinity=False) | st.floats(0.5, 2.0))
def test_log_is_within_three_units_in_the_last_place(x):
    if x == 1.0:
        assert log(np.array([x]))[0] == 0.0
    else:
        assert ulps(log(np.array([x]))[0], true_of(mpmath.log, x)) <= 3


@given(st.floats(1e-6, 1e6), st.floats(-3.0, 3.0))
def test_the_error_of_a_power_grows_with_the_logarithm_of_the_result(base, exponent):
    true = true_of(mpmath.power, base, exponent)
    allowed = 2.0**-52 * (2 + 2 * abs(exponent * math.log(base)))
    assert abs(power(np.array([base]), exponent)[0] - true) <= allowed * true


def test_exp_of_0_log_of_1_and_powers_of_1_or_to_0_are_exact():
    assert exp(np.array([0.0, -0.0])).tolist() == [1.0, 1.0]
    assert log(np.array([1.0])).tolist() == [0.0]
    assert power(np.array([1.0, 1.0]), -0.9).tolist() == [1.0, 1.0]
    assert power(np.array([0.25, 7.0, 1e300]), 0.0).tolist() == [1.0, 1.0, 1.0]


def test_beyond_the_range_of_float64_the_results_are_those_of_numpy_without_a_warning():
    far = np.array([-np.inf, -1e300, -800.0, -745.2, 709.79, 800.0, 1e300, np.inf, np.nan])
    with np.errstate(all="raise"):
        found_exp = exp(far)
        found_log = log(np.array([0.0, -0.0, -1.0, -np.inf, np.inf, np.nan]))
        assert power(np.array([0.0, 10.0]), 400.0).tolist() == [0.0, np.inf]
    np.testing.assert_array_equal(found_exp, [0.0, 0.0, 0.0, 0.0, np.inf, np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(found_log, [-np.inf, -np.inf, np.nan, np.nan, np.inf, np.nan])


@pytest.mark.parametrize("exponent", [-0.9, -0.6, 0.75, 1.0])
def test_powers_of_the_ranks_of_a_zipf_curve_have_the_order_of_the_ranks(exponent):
    steps = np.diff(power(np.arange(1.0, 50_000.0), exponent))
    assert (np.sign(steps) == np.sign(exponent)).all()


def test_exp_and_log_never_fall_where_their_pieces_meet():
    for k in range(-20, 21):
        border = np.nextafter((k + 0.5) * math.log(2), [-np.inf, np.inf])
        assert (np.diff(exp(np.array([border[0], *border]))) >= 0).all()
        fold = math.ldexp(math.sqrt(0.5), k)
        assert (np.diff(log(np.array([np.nextafter(fold, 0), fold, np.nextafter(fold, np.inf)]))) >= 0).all()


@pytest.mark.parametrize("shape", [(0,), (), (1,), (3, 5), (20_001,), (2, 9_000)])
def test_any_shape_and_any_place_in_it_gives_the_number_that_stands_alone(shape):
    x = np.random.default_rng(0).normal(0.0, 3.0, shape)
    for function, values in ((exp, x), (log, np.abs(x) + 0.1)):
        found = function(values)
        assert found.shape == shape and found.dtype == np.float64
        for at in list(np.ndindex(*shape))[:: max(1, x.size // 50)]:
            assert found[at] == function(np.array([values[at]]))[0]
        np.testing.assert_array_equal(function(np.asarray(values).T), np.asarray(found).T)


def test_what_is_given_is_left_as_it_was():
    x = np.array([0.3, 2.0])
    for result in (exp(x), log(x), power(x, 2.0)):
        result[:] = 0.0
    assert x.tolist() == [0.3, 2.0]


def test_a_lognormal_draw_is_that_of_numpy_and_leaves_the_generator_where_numpy_does():
    ours, theirs = np.random.default_rng(4), np.random.default_rng(4)
    found = draw_lognormal(-0.05, 0.3, (50, 7), ours)
    np.testing.assert_allclose(found, theirs.lognormal(-0.05, 0.3, (50, 7)), rtol=1e-15)
    assert ours.random() == theirs.random()
