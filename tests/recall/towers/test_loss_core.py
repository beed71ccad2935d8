"""The loss core: weights, exclusions and corrections against nested loops, and how much it ever holds."""

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from learn_recall.towers import contrastive_core as contrast
from learn_recall.towers.contrastive_core import Exclusion
from learn_recall.towers.loss import catalogue_softmax_loss, dense_all_action_loss, sampled_softmax_loss


def vectors(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def assert_same_with_gradients(one, other, inputs):
    torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
    for a, b in zip(torch.autograd.grad(one, inputs), torch.autograd.grad(other, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


class LargestTensor(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation gave."""

    def __init__(self):
        super().__init__()
        self.n_elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **({} if kwargs is None else kwargs))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.n_elements = max(self.n_elements, tensor.numel())
        return out


# ------------------------------------------------------------------------------------------ dense all action


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 4),
    n_positions=st.integers(1, 3),
    n_targets=st.integers(1, 3),
    temperature=st.floats(0.1, 2.0),
    masks=st.booleans(),
    similarity=st.sampled_from(["dot", "cosine"]),
)
def test_weighted_all_action_equals_nested_loops(  # noqa: PLR0917
    seed, n_users, n_positions, n_targets, temperature, masks, similarity
):
    rng = np.random.default_rng(seed)
    user, target = vectors(n_users, n_positions, 3, seed=seed), vectors(n_users, n_targets, 3, seed=seed + 1)
    ids = torch.from_numpy(rng.integers(0, 4, (n_users, n_targets)))
    has_user = torch.from_numpy(rng.random((n_users, n_positions)) < 0.8)
    has_target = torch.from_numpy(rng.random((n_users, n_targets)) < 0.8)
    weights = [torch.from_numpy(rng.random(has.shape)) for has in (has_user, has_target)]
    fast = dense_all_action_loss(
        user, target, ids, has_user=has_user, has_target=has_target, user_weight=weights[0],
        target_weight=weights[1], temperature=temperature, similarity=similarity, mask_equal_ids=masks,
    )  # fmt: skip
    sides = (
        (user, target) if similarity == "dot" else (F.normalize(user, dim=-1), F.normalize(target, dim=-1))
    )
    slow, total_weight = reference.dense_all_action(
        *sides, ids, has_user, has_target, temperature=temperature, mask_equal_ids=masks, weights=weights
    )
    if total_weight == 0:
        assert fast.item() == 0.0
    elif not torch.is_tensor(slow) or not slow.requires_grad:
        assert fast.item() == pytest.approx(float(slow), abs=1e-12)
    else:
        assert_same_with_gradients(fast, slow / total_weight, (user, target))


def test_a_pair_of_double_weight_counts_as_the_pair_twice():
    user, target, ids = vectors(3, 2, 4), vectors(3, 1, 4, seed=1), torch.arange(3)[:, None]
    weight = torch.ones(3, 2)
    weight[1, 0] = 2.0
    heavy = dense_all_action_loss(user, target, ids, user_weight=weight, reduction="sum")
    only = torch.zeros(3, 2)
    only[1, 0] = 1.0
    plain = dense_all_action_loss(user, target, ids, reduction="sum")
    again = dense_all_action_loss(user, target, ids, user_weight=only, reduction="sum")
    torch.testing.assert_close(heavy, plain + again)


# -------------------------------------------------------------------------------------------- sampled softmax


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(1, 5),
    n_candidates=st.integers(0, 6),
    n_excluded=st.integers(0, 3),
    is_standard=st.booleans(),
)
def test_sampled_softmax_with_exclusions_weights_and_either_correction_equals_loops(
    seed, n_rows, n_candidates, n_excluded, is_standard
):
    rng = np.random.default_rng(seed)
    inputs = (
        vectors(n_rows, 3, seed=seed),
        vectors(n_rows, 3, seed=seed + 1),
        vectors(n_candidates, 3, seed=seed + 2),
    )
    positive_ids = torch.from_numpy(rng.integers(0, 6, n_rows))
    candidate_ids = torch.from_numpy(rng.integers(0, 6, n_candidates))
    excluded = torch.from_numpy(rng.integers(0, 6, (n_rows, n_excluded)))
    has_excluded = torch.from_numpy(rng.random((n_rows, n_excluded)) < 0.7)
    log_expected, own_log_expected = torch.from_numpy(rng.normal(size=n_candidates)), None
    if is_standard:
        own_log_expected = torch.from_numpy(rng.normal(size=n_rows))
    weight = torch.from_numpy(rng.random(n_rows))
    fast = sampled_softmax_loss(
        inputs[0], inputs[1], positive_ids, inputs[2], candidate_ids, candidate_log_expected=log_expected,
        positive_log_expected=own_log_expected, excluded_ids=excluded, has_excluded=has_excluded,
        weight=weight, temperature=0.4,
    )  # fmt: skip
    sets = [
        {int(i) for i, has in zip(*row, strict=True) if has}
        for row in zip(excluded, has_excluded, strict=True)
    ]
    slow = reference.sampled_softmax(
        inputs[0], inputs[1], positive_ids, inputs[2], candidate_ids, log_expected=log_expected,
        positive_log_expected=own_log_expected, excluded=sets, weight=weight, temperature=0.4,
    )  # fmt: skip
    used = inputs if n_candidates else inputs[:2]
    assert_same_with_gradients(fast, slow + 0.0 * sum(x.sum() for x in used), used)


def test_standard_logq_by_hand():
    # positive: score 1, expected e^-1 times; negative: 0 and e^-2: log(1 + e^(0 + 2) / e^(1 + 1)) = log 2
    one, zero = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    loss = sampled_softmax_loss(
        one, one, torch.tensor([1]), zero, torch.tensor([2]), candidate_log_expected=torch.tensor([-2.0]),
        positive_log_expected=torch.tensor([-1.0]), temperature=1.0,
    )  # fmt: skip
    assert loss.item() == pytest.approx(math.log(2))


def test_the_gradient_reaches_a_learned_temperature_and_biases():
    user, positive, candidate = (vectors(4, 3, seed=s).detach() for s in range(3))
    ids = torch.arange(4)

    def loss(log_temperature, positive_bias, candidate_bias):
        return sampled_softmax_loss(
            user, positive, ids, candidate, ids + 2, candidate_log_expected=torch.zeros(4),
            positive_bias=positive_bias, candidate_bias=candidate_bias, temperature=log_temperature.exp(),
        )  # fmt: skip

    assert torch.autograd.gradcheck(
        loss,
        (torch.tensor(-0.5, dtype=torch.float64, requires_grad=True), vectors(4, seed=3), vectors(4, seed=4)),
    )


# --------------------------------------------------------------------------------------------- full catalogue


def test_the_catalogue_softmax_is_cross_entropy_with_the_same_gradients():
    user, item, bias = vectors(6, 4), vectors(9, 4, seed=1), vectors(9, seed=2)
    target = torch.tensor([0, 3, 3, 8, 1, 5])
    ours = catalogue_softmax_loss(user, item, target, item_bias=bias, temperature=0.3)
    assert_same_with_gradients(ours, F.cross_entropy(user @ item.T / 0.3 + bias, target), (user, item, bias))


def test_an_excluded_item_has_no_part_in_the_catalogue_softmax():
    user, item, target = vectors(2, 4), vectors(5, 4, seed=1), torch.tensor([0, 3])
    excluded, has = torch.tensor([[4, 1], [2, 0]]), torch.tensor([[True, True], [True, False]])
    ours = catalogue_softmax_loss(user, item, target, excluded=excluded, has_excluded=has, temperature=0.3)
    logit = user @ item.T / 0.3
    out = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=torch.bool)
    assert_same_with_gradients(
        ours, F.cross_entropy(logit.masked_fill(out, -torch.inf), target), (user, item)
    )


def test_a_target_outside_of_the_catalogue_is_refused():
    with pytest.raises(ValueError, match=r"target: expected rows 0\.\.4 of item; got 0\.\.5"):
        catalogue_softmax_loss(vectors(2, 4), vectors(5, 4), torch.tensor([0, 5]))


# ------------------------------------------------------------------------------------------------ the core


@pytest.mark.parametrize("at_once", [1, 40, 100])
def test_the_size_of_a_step_changes_nothing(monkeypatch, at_once):
    user, target = vectors(7, 3, 5), vectors(7, 2, 5, seed=1)
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (7, 2)))
    whole = dense_all_action_loss(user, target, ids, temperature=0.3)
    expected = torch.autograd.grad(whole, (user, target))
    monkeypatch.setattr(contrast, "_LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(contrast, "_LEAST_ROWS", 1)
    stepwise = dense_all_action_loss(user, target, ids, temperature=0.3)
    torch.testing.assert_close(stepwise, whole, rtol=1e-13, atol=0)
    for one, other in zip(torch.autograd.grad(stepwise, (user, target)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("loss", ["all action", "catalogue"])
def test_no_tensor_ever_grows_with_the_number_of_logits(monkeypatch, loss):
    monkeypatch.setattr(contrast, "_LOGITS_AT_ONCE", 4096)
    n_users, n_pairs, dimension = 128, 4, 8  # 512 x 512 logits, inputs of 4,096 numbers
    with LargestTensor() as largest:
        if loss == "all action":
            user, target = vectors(n_users, n_pairs, dimension), vectors(n_users, n_pairs, dimension, seed=1)
            ids = torch.arange(n_users * n_pairs).reshape(n_users, n_pairs)
            value = dense_all_action_loss(user, target, ids)
        else:
            user, target = vectors(512, dimension), vectors(512, dimension, seed=1)
            value = catalogue_softmax_loss(user, target, torch.arange(512))
        torch.autograd.grad(value, (user, target))
    assert 4096 <= largest.n_elements <= 512 * 16  # 16 rows at least go through a matrix product at once


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n_groups=st.integers(1, 5), n_candidates=st.integers(0, 8))
def test_excluded_cells_are_those_whose_key_is_among_the_groups_own(seed, n_groups, n_candidates):
    rng = np.random.default_rng(seed)
    key, own = rng.integers(-2, 4, n_candidates), rng.integers(-2, 4, (n_groups, 3))
    has = rng.random((n_groups, 3)) < 0.6
    exclusion = Exclusion(torch.from_numpy(key), torch.from_numpy(own), torch.from_numpy(has))
    start = int(rng.integers(n_groups))
    group, column = exclusion.cells(slice(start, n_groups))
    found = set(zip(group.tolist(), column.tolist(), strict=True))
    assert found == {
        (g - start, m)
        for g in range(start, n_groups)
        for m in range(n_candidates)
        if key[m] in own[g][has[g]]
    }


def test_without_gradients_the_value_is_the_same_bits():
    user, target, ids = vectors(4, 3, 5), vectors(4, 2, 5, seed=1), torch.arange(8).reshape(4, 2)
    with torch.no_grad():
        quiet = dense_all_action_loss(user, target, ids)
    assert quiet.item() == dense_all_action_loss(user, target, ids).item()
    assert not quiet.requires_grad


def test_scores_far_apart_neither_overflow_nor_vanish():
    # float32, scores of +-5,000: the loss is the gap itself
    user = torch.tensor([[50.0, 0.0]], requires_grad=True)
    low, high = torch.tensor([[-50.0, 0.0]]), torch.tensor([[50.0, 0.0]])
    ids = torch.tensor([1])
    loss = sampled_softmax_loss(
        user, low, ids, high, ids + 1, candidate_log_expected=torch.zeros(1), temperature=0.5
    )
    assert loss.item() == pytest.approx(10_000.0)
    assert torch.isfinite(torch.autograd.grad(loss, user)[0]).all()


def test_half_precision_vectors_are_summed_in_float32():
    user, item = vectors(64, 8).detach().half(), vectors(300, 8, seed=1).detach().half()
    target = torch.arange(64)
    loss = catalogue_softmax_loss(user, item, target, temperature=1.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(user.float() @ item.float().T, target))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"similarity": "euclid"}, "similarity: expected one of dot, cosine; got 'euclid'"),
        ({"user_weight": torch.full((2, 3), -1.0)}, "user_weight: expected numbers of at least 0; got -1.0"),
        ({"target_weight": torch.ones(2, 3)}, r"target_weight: expected shape \(2, 1\); got \(2, 3\)"),
        ({"has_user": torch.ones(3, dtype=torch.bool)}, r"user_weight: expected shape \(2, 3\); got \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        dense_all_action_loss(vectors(2, 3, 4), vectors(2, 1, 4), torch.tensor([[1], [2]]), **changes)


def test_shapes_of_the_sampled_softmax_are_refused_by_name():
    user, candidate, ids = vectors(2, 4), vectors(3, 4), torch.arange(3)
    none = torch.zeros(3)
    with pytest.raises(ValueError, match=r"expected shapes \(P, D\), \(P, D\), \(M, D\)"):
        sampled_softmax_loss(user, vectors(3, 4), ids[:2], candidate, ids, candidate_log_expected=none)
    with pytest.raises(ValueError, match=r"expected shapes \(2,\), \(3,\); got \(3,\), \(3,\)"):
        sampled_softmax_loss(user, user, ids, candidate, ids, candidate_log_expected=none)
