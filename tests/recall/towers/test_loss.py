"""The two losses: hand-derived cases, nested loops with gradients, masks, and what must not change them."""

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from learn_recall.towers.loss import dense_all_action_loss, sampled_softmax_loss


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def random_batch(n_users=4, n_positions=3, n_targets=2, seed=0):
    rng = np.random.default_rng(seed)
    user = unit(n_users, n_positions, 5, seed=seed).requires_grad_()
    target = unit(n_users, n_targets, 5, seed=seed + 1).requires_grad_()
    ids = torch.from_numpy(rng.integers(0, 5, (n_users, n_targets)))  # few ids, so that users share some
    has_user = torch.from_numpy(rng.random((n_users, n_positions)) < 0.7)
    has_target = torch.from_numpy(rng.random((n_users, n_targets)) < 0.7)
    return user, target, ids, has_user, has_target


def test_two_users_with_one_pair_each_give_the_formula_by_hand():
    # user 1 = (1, 0) with target (1, 0); user 2 = (0, 1) with target (0, 1); temperature 1:
    # each pair: -log(e^1 / (e^1 + e^0)) = log(1 + e^-1)
    eye = torch.eye(2, dtype=torch.float64)[:, None]
    loss = dense_all_action_loss(eye, eye, torch.tensor([[1], [2]]), temperature=1.0, reduction="sum")
    assert loss.item() == pytest.approx(2 * math.log(1 + math.exp(-1)), abs=1e-12)


@pytest.mark.parametrize("mask_equal_ids", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_dense_all_action_equals_nested_loops_with_gradients(seed, mask_equal_ids):
    user, target, ids, has_user, has_target = random_batch(seed=seed)
    fast = dense_all_action_loss(
        user, target, ids, has_user=has_user, has_target=has_target, temperature=0.3,
        mask_equal_ids=mask_equal_ids, reduction="sum",
    )  # fmt: skip
    slow, n_pairs = reference.dense_all_action(
        user, target, ids, has_user, has_target, temperature=0.3, mask_equal_ids=mask_equal_ids
    )
    assert n_pairs > 0
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(fast, (user, target)), torch.autograd.grad(slow, (user, target)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    mean = dense_all_action_loss(
        user,
        target,
        ids,
        has_user=has_user,
        has_target=has_target,
        temperature=0.3,
        mask_equal_ids=mask_equal_ids,
    )
    torch.testing.assert_close(mean, fast / n_pairs)


def test_the_gradient_reaches_a_learned_temperature():
    user, target, ids, _, _ = random_batch()
    log_temperature = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda t: dense_all_action_loss(user.detach(), target.detach(), ids, temperature=t.exp()),
        (log_temperature,),
    )


def test_own_other_positives_are_not_in_the_denominator():
    user, target, _, _, _ = random_batch(n_targets=2)
    ids = torch.arange(8).reshape(4, 2)
    has_target = torch.zeros(4, 2, dtype=torch.bool)
    has_target[0], has_target[1, 0] = True, True
    has_user = torch.zeros(4, 3, dtype=torch.bool)
    has_user[0, 0] = True
    loss = dense_all_action_loss(user, target, ids, has_user=has_user, has_target=has_target, reduction="sum")
    own = user[0, 0] @ target[0].T / 0.05
    negative = user[0, 0] @ target[1, 0] / 0.05
    torch.testing.assert_close(loss, F.softplus(negative - own).sum())


def test_an_item_shared_by_two_users_is_no_negative_unless_asked_for():
    user, target, _, _, _ = random_batch(n_users=2, n_targets=1)
    same = torch.tensor([[7], [7]])
    assert dense_all_action_loss(user, target, same).item() == 0.0
    assert dense_all_action_loss(user, target, same, mask_equal_ids=False).item() > 0.0


def test_a_single_user_has_no_negatives_so_loss_and_gradient_are_zero_and_finite():
    user, target, ids, _, _ = random_batch(n_users=1)
    loss = dense_all_action_loss(user, target, ids)
    gradient = torch.autograd.grad(loss, (user, target))
    assert loss.item() == 0.0
    assert all((g == 0).all() for g in gradient)


def test_a_batch_without_any_pair_gives_zero_and_not_nan():
    user, target, ids, has_user, _ = random_batch()
    none = torch.zeros_like(ids, dtype=torch.bool)
    loss = dense_all_action_loss(user, target, ids, has_user=has_user, has_target=none)
    gradient = torch.autograd.grad(loss, user)[0]
    assert loss.item() == 0.0
    assert (gradient == 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.02, 2.0))
def test_dense_all_action_does_not_depend_on_the_order_of_users_or_on_padding(seed, temperature):
    user, target, ids, has_user, has_target = random_batch(seed=seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(4))
    plain = dense_all_action_loss(
        user, target, ids, has_user=has_user, has_target=has_target, temperature=temperature
    )
    shuffled = dense_all_action_loss(
        user[order], target[order], ids[order], has_user=has_user[order], has_target=has_target[order],
        temperature=temperature,
    )  # fmt: skip
    wide_ids = F.pad(ids, (0, 2), value=3)
    padded = dense_all_action_loss(
        F.pad(user, (0, 0, 0, 1), value=9.0), F.pad(target, (0, 0, 0, 2), value=9.0), wide_ids,
        has_user=F.pad(has_user, (0, 1)), has_target=F.pad(has_target, (0, 2)), temperature=temperature,
    )  # fmt: skip
    assert plain.item() >= 0
    torch.testing.assert_close(shuffled, plain)
    torch.testing.assert_close(padded, plain)


@pytest.mark.parametrize("seed", range(3))
def test_sampled_softmax_equals_nested_loops_with_gradients(seed):
    rng = np.random.default_rng(seed)
    user, positive = unit(5, 4, seed=seed).requires_grad_(), unit(5, 4, seed=seed + 1).requires_grad_()
    candidate = unit(7, 4, seed=seed + 2).requires_grad_()
    positive_ids, candidate_ids = (
        torch.from_numpy(rng.integers(0, 6, 5)),
        torch.from_numpy(rng.integers(0, 6, 7)),
    )
    log_expected = torch.from_numpy(rng.normal(size=7))
    everything = (user, positive, candidate)
    fast = sampled_softmax_loss(
        user,
        positive,
        positive_ids,
        candidate,
        candidate_ids,
        candidate_log_expected=log_expected,
        temperature=0.3,
    )
    slow = reference.sampled_softmax(
        user, positive, positive_ids, candidate, candidate_ids, log_expected=log_expected, temperature=0.3
    )
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(fast, everything), torch.autograd.grad(slow, everything), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_with_every_item_as_candidate_the_sampled_softmax_is_cross_entropy():
    user, item, ids = unit(6, 4), unit(9, 4, seed=1), torch.arange(9)
    positive_ids = torch.tensor([0, 3, 3, 8, 1, 5])
    loss = sampled_softmax_loss(
        user,
        item[positive_ids],
        positive_ids,
        item,
        ids,
        candidate_log_expected=torch.zeros(9),
        temperature=0.2,
    )
    torch.testing.assert_close(loss, F.cross_entropy(user @ item.T / 0.2, positive_ids))


def test_biases_are_added_to_the_logits_of_positive_and_candidates():
    user, item, ids = unit(6, 4), unit(9, 4, seed=1), torch.arange(9)
    positive_ids, bias = torch.tensor([0, 3, 3, 8, 1, 5]), torch.linspace(-2, 1, 9, dtype=torch.float64)
    loss = sampled_softmax_loss(
        user, item[positive_ids], positive_ids, item, ids, candidate_log_expected=torch.zeros(9),
        positive_bias=bias[positive_ids], candidate_bias=bias, temperature=0.2,
    )  # fmt: skip
    torch.testing.assert_close(loss, F.cross_entropy(user @ item.T / 0.2 + bias, positive_ids))


def test_corrected_samples_estimate_the_full_sum_of_negatives():
    # the inner sum over candidates / expected count is unbiased for the sum over all items
    rng, item, user = np.random.default_rng(0), unit(50, 4, seed=1), unit(1, 4)
    full = (user @ item[1:].T).exp().sum().item()
    sums = []
    for _ in range(3000):
        drawn = torch.from_numpy(rng.choice(50, 10, replace=False))
        log_expected = torch.full((10,), math.log(10 / 50), dtype=torch.float64)
        loss = sampled_softmax_loss(
            user,
            item[:1],
            torch.tensor([0]),
            item[drawn],
            drawn,
            candidate_log_expected=log_expected,
            temperature=1.0,
        )
        sums.append((math.exp(loss.item()) - 1) * math.exp((user @ item[:1].T).item()))
    assert np.mean(sums) == pytest.approx(full, abs=4 * np.std(sums) / math.sqrt(3000))


def test_no_prediction_gives_zero_loss():
    empty = torch.zeros(0, 4)
    loss = sampled_softmax_loss(
        empty, empty, torch.zeros(0, dtype=torch.long), torch.ones(3, 4), torch.arange(3),
        candidate_log_expected=torch.zeros(3),
    )  # fmt: skip
    assert loss.item() == 0.0


def test_shapes_that_do_not_fit_are_refused_by_name():
    user, target, ids, _, _ = random_batch()
    with pytest.raises(ValueError, match="user, target: expected shapes"):
        dense_all_action_loss(user[:2], target, ids)
    with pytest.raises(ValueError, match="target_ids: expected shape"):
        dense_all_action_loss(user, target, ids[:, :1])
    with pytest.raises(ValueError, match="reduction"):
        dense_all_action_loss(user, target, ids, reduction="none")
