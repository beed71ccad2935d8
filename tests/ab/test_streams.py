"""Random numbers that belong to events, and the hash that assigns users."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from learn_rank.ab.simulation.assignment import assign
from learn_rank.ab.simulation.random_streams import tie_keys, uniforms

WORDS = st.integers(0, 2**64 - 1)


def numpys(seed, day, request, item):
    """numpy's own generator; lists of large integers would reach it as floats."""
    key, counter = np.array([seed, day], np.uint64), np.array([request, item, 0, 0], np.uint64)
    raw = np.random.Philox(key=key, counter=counter).random_raw(4)
    return ((raw >> np.uint64(11)) * 2.0**-53).tolist()


@settings(max_examples=60)
@given(seed=WORDS, day=WORDS, request=WORDS, item=WORDS)
def test_every_draw_is_numpys_philox_bit_for_bit(seed, day, request, item):
    drawn = uniforms(seed, day, np.array([request], np.uint64), np.array([item], np.uint64))
    assert drawn[:, 0].tolist() == numpys(seed, day, request, item)


@pytest.mark.parametrize("item", [0, 2**64 - 1])
def test_the_counter_carries_like_numpys(item):
    last = 2**64 - 1
    drawn = uniforms(1, 2, np.array([last], np.uint64), np.array([item], np.uint64))
    assert drawn[:, 0].tolist() == numpys(1, 2, last, item)


def test_draws_depend_on_no_neighbour():
    generator = np.random.default_rng(0)
    request, item = generator.integers(0, 2**63, (2, 1000)).astype(np.uint64)
    whole = uniforms(3, 4, request, item)
    order = generator.permutation(1000)
    assert np.array_equal(uniforms(3, 4, request[order], item[order]), whole[:, order])
    assert np.array_equal(uniforms(3, 4, request[500:], item[500:]), whole[:, 500:])


def test_draws_are_uniform_and_the_events_independent():
    keys = np.arange(20_000, dtype=np.uint64)
    drawn = uniforms(0, 0, keys, keys % np.uint64(7))
    assert all(stats.kstest(event, "uniform").pvalue > 1e-3 for event in drawn)
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 4 / np.sqrt(20_000)
    other_day = uniforms(0, 1, keys, keys % np.uint64(7))
    assert abs(np.corrcoef(drawn[0], other_day[0])[0, 1]) < 4 / np.sqrt(20_000)


def test_ties_are_broken_fairly_and_anew_in_every_request():
    request = np.repeat(np.arange(20_000, dtype=np.uint64), 2)
    item = np.tile(np.array([5, 6], np.uint64), 20_000)
    keys = tie_keys(request, item).reshape(-1, 2)
    assert abs((keys[:, 0] > keys[:, 1]).mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)


def test_a_seed_outside_the_range_is_refused():
    with pytest.raises(ValueError, match=r"seed: expected .* got -1"):
        uniforms(-1, 0, np.zeros(1, np.uint64), np.zeros(1, np.uint64))


def test_assignment_has_the_share_and_salts_are_independent():
    users, share = np.arange(50_000), 0.2
    spring, summer = assign(users, share, "spring"), assign(users, share, "summer")
    assert abs(spring.mean() - share) < 4 * np.sqrt(share * (1 - share) / users.size)
    table = np.histogram2d(spring, summer, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert np.array_equal(spring, assign(users, share, "spring"))


def test_a_larger_share_keeps_who_was_treated():
    users = np.arange(5000)
    assert np.all(assign(users, 0.5, "s") >= assign(users, 0.2, "s"))


def test_an_id_has_one_arm_as_a_number_and_as_a_text():
    assert np.array_equal(assign([7, 8, 99], 0.5, "s"), assign(["7", "8", "99"], 0.5, "s"))


def test_neighbouring_salts_do_not_run_into_the_id():
    users = [str(user) for user in range(2000)]
    assert not np.array_equal(assign(["1" + user for user in users], 0.5, "x"), assign(users, 0.5, "x1"))


def test_float_ids_are_refused():
    with pytest.raises(ValueError, match="user_ids: expected integers or strings"):
        assign(np.array([7.0]), 0.5, "s")
