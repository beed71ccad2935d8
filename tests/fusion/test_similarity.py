"""Similarity of a target to the user and to the recent items: counted by hand, and by slow loops."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learn_rank.fusion.similarity import (
    N_NEAREST,
    compared_blocks,
    nearest,
    similarity_features,
    similarity_names,
)

NAMES = similarity_names(has_history=True, has_histogram=True)
ALL_NAMES = similarity_names(has_history=True, has_conversions=True, has_histogram=True)
EDGES = (-math.inf, -1, 0, 1, 2, 3, 4.5, 6, math.inf)


def slow_summary(z: list[float]) -> dict[str, float]:
    """The definition of a summary, one number after the other."""
    z = sorted(z, reverse=True)
    bins = [sum(low < one <= high for one in z) for low, high in itertools.pairwise(EDGES)]
    found = {f"bin_{at}": n / max(len(z), 1) for at, n in enumerate(bins)}
    found |= {f"nearest_{at}": (z[at] / 3 if at < len(z) else 0.0) for at in range(3)}
    found["mean"] = sum(z) / len(z) / 2 if z else 0.0
    found["soft_max"] = math.log(sum(math.exp(one) for one in z)) / 3 if z else 0.0
    found["log_count"] = math.log(1 + len(z)) / 3
    return found


def test_the_summary_is_the_one_counted_by_hand():
    item = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    user = torch.tensor([[0.6, 0.8, 0.0, 0.0]])
    # cosines 1, 0.6, -1 and one slot that does not count; times sqrt(4): 2, 1.2, -2
    history = torch.tensor([[[2.0, 0, 0, 0], [0.6, 0.8, 0, 0], [-1.0, 0, 0, 0], [1.0, 0, 0, 0]]])
    has_history = torch.tensor([[True, True, True, False]])
    both = torch.tensor([True])
    found = similarity_features(user, item, both, [(0, 4)], history, has_history, has_histogram=True)[0]
    by_name = dict(zip(NAMES, found.tolist(), strict=True))
    assert by_name["cosine"] == pytest.approx(0.6 * 2 / 3)
    # (1, 2] holds 2 and 1.2, the lowest bin -2
    assert {name: share for name, share in by_name.items() if name.startswith("bin") and share} == {
        "bin_0": pytest.approx(1 / 3),
        "bin_3": pytest.approx(2 / 3),
    }
    assert [by_name[f"nearest_{at}"] for at in range(3)] == pytest.approx([2 / 3, 1.2 / 3, -2 / 3])
    assert by_name["mean"] == pytest.approx((2 + 1.2 - 2) / 3 / 2)
    assert by_name["soft_max"] == pytest.approx(math.log(math.exp(2) + math.exp(1.2) + math.exp(-2)) / 3)
    assert by_name["log_count"] == pytest.approx(math.log(4) / 3)


@given(st.integers(0, 10_000), st.integers(0, 6))
def test_every_feature_equals_slow_loops(seed, length):
    generator = torch.Generator().manual_seed(seed)
    item, user = torch.randn(2, 5, generator=generator), torch.randn(2, 5, generator=generator)
    history = torch.randn(2, length, 5, generator=generator)
    has_history = torch.rand(2, length, generator=generator) < 0.8
    converted = torch.rand(2, length, generator=generator) < 0.5
    both = torch.ones(2, dtype=torch.bool)
    found = similarity_features(
        user, item, both, [(0, 5)], history, has_history, converted, has_histogram=True
    )
    plain = similarity_features(user, item, both, [(0, 5)], history, has_history, converted)
    names = similarity_names(has_history=True, has_conversions=True)
    torch.testing.assert_close(plain, found[:, [ALL_NAMES.index(name) for name in names]])
    for row in range(2):
        z = [
            5**0.5 * float(torch.cosine_similarity(history[row, at], item[row], dim=0))
            for at in range(length)
        ]
        held = [at for at in range(length) if has_history[row, at]]
        of = [z[at] for at in held if converted[row, at]]
        other = [z[at] for at in held if not converted[row, at]]
        expected = {"cosine": 5**0.5 * float(torch.cosine_similarity(user[row], item[row], dim=0)) / 3}
        expected |= slow_summary([z[at] for at in held])
        expected |= {f"converted_{name}": value for name, value in slow_summary(of).items()}
        expected["converted_excess"] = sum(of) / len(of) - sum(other) / len(other) if of and other else 0.0
        assert dict(zip(ALL_NAMES, found[row].tolist(), strict=True)) == pytest.approx(expected, abs=2e-5)


def test_each_block_is_compared_for_itself():
    user = torch.tensor([[1.0, 0.0, 0.0, 5.0]])
    item = torch.tensor([[1.0, 0.0, 7.0, 0.0]])
    found = similarity_features(user, item, torch.tensor([True]), [(0, 2), (2, 4)])
    torch.testing.assert_close(found, torch.tensor([[2**0.5 / 3, 0.0]]))


def test_without_history_or_vector_the_features_are_zero_and_finite():
    zeros = torch.zeros(1, 4)
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    found = similarity_features(
        zeros, zeros, torch.tensor([False]), [(0, 4)], torch.zeros(1, 3, 4), nothing, nothing
    )
    assert found.shape == (1, len(similarity_names(has_history=True, has_conversions=True))) == (1, 14)
    assert (found == 0).all()


def test_the_order_and_the_length_of_a_padded_history_do_not_matter():
    generator = torch.Generator().manual_seed(1)
    item, user = torch.randn(3, 6, generator=generator), torch.randn(3, 6, generator=generator)
    history = torch.randn(3, 5, 6, generator=generator)
    has_history = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [False] * 5])
    both = torch.ones(3, dtype=torch.bool)
    plain = similarity_features(user, item, both, [(0, 6)], history, has_history)
    order = torch.tensor([4, 2, 0, 3, 1])
    shuffled = similarity_features(user, item, both, [(0, 6)], history[:, order], has_history[:, order])
    longer = similarity_features(
        user,
        item,
        both,
        [(0, 6)],
        torch.cat([history, torch.randn(3, 2, 6, generator=generator)], dim=1),
        torch.cat([has_history, torch.zeros(3, 2, dtype=torch.bool)], dim=1),
    )
    torch.testing.assert_close(plain, shuffled)
    torch.testing.assert_close(plain, longer)


def test_independent_directions_are_about_standard_normal_whatever_the_dimension():
    generator = torch.Generator().manual_seed(2)
    for dimension in (16, 256):
        item, user = (torch.randn(4000, dimension, generator=generator) for _ in range(2))
        found = similarity_features(user, item, torch.ones(4000, dtype=torch.bool), [(0, dimension)])
        assert 3 * float(found.std()) == pytest.approx(1, abs=0.05)


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_the_nearest_are_those_of_topk(seed, length):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randint(-3, 9, (length, 4, 2), generator=generator).float()  # with ties
    held = torch.where(torch.rand(length, 4, 2, generator=generator) < 0.6, z, -torch.inf)
    padded = torch.cat([held, torch.full((N_NEAREST, 4, 2), -torch.inf)])
    assert torch.equal(torch.stack(nearest(held)), padded.topk(N_NEAREST, dim=0).values)


def test_an_item_loses_the_blocks_that_a_known_user_lacks():
    item = torch.ones(3, 4)
    user = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 2], [0.0, 0, 0, 0]])
    has_user = torch.tensor([True, True, False])
    blocks = [(0, 2), (2, 4)]
    expected = torch.tensor([[1.0, 1, 0, 0], [1.0, 1, 1, 1], [1.0, 1, 1, 1]])
    assert torch.equal(compared_blocks(item, user, has_user, blocks), expected)
    assert torch.equal(compared_blocks(item[1:], user[1:], has_user[1:], blocks), expected[1:])
