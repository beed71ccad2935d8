"""Frozen vectors: looked up by id, never moved, never a zero in disguise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.rows import row_of
from learn_rank.testing import assert_frozen


def test_a_vector_is_found_by_its_id_whatever_the_order_of_the_table():
    table = FrozenEmbedding(torch.tensor([30, -5, 12]), torch.tensor([[3.0, 0.0], [5.0, 5.0], [1.0, 2.0]]))
    vector, has_vector = table(torch.tensor([[12, 30], [-5, 12]]))
    assert vector.tolist() == [[[1, 2], [3, 0]], [[5, 5], [1, 2]]]
    assert has_vector.all()


def test_an_unknown_id_and_an_id_without_vector_are_reported_and_not_invented():
    table = FrozenEmbedding(torch.tensor([1, 2]), torch.ones(2, 3), has_vector=torch.tensor([True, False]))
    _, has_vector = table(torch.tensor([1, 2, 3, -9, 2**62]))
    assert has_vector.tolist() == [True, False, False, False, False]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30, unique=True), st.randoms())
def test_every_known_id_finds_its_own_vector(ids, random):
    vectors = torch.arange(len(ids), dtype=torch.float32)[:, None]
    table = FrozenEmbedding(torch.tensor(ids), vectors)
    asked = list(range(len(ids)))
    random.shuffle(asked)
    found, has_vector = table(torch.tensor([ids[row] for row in asked]))
    assert found[:, 0].tolist() == asked
    assert has_vector.all()


def test_training_around_the_table_leaves_its_bytes_unchanged():
    table = FrozenEmbedding(
        torch.arange(5), torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).half()
    )
    head = nn.Linear(4, 1)
    optimizer = torch.optim.AdamW([*table.parameters(), *head.parameters()], lr=0.1, weight_decay=0.1)
    with assert_frozen(table, optimizer):
        for _ in range(5):
            head(table(torch.tensor([0, 3, 9]))[0]).sum().backward()
            optimizer.step()


def test_the_guard_names_a_byte_that_moved():
    model = nn.ModuleDict({"users": FrozenEmbedding(torch.arange(3), torch.ones(3, 2))})
    with pytest.raises(AssertionError, match="users: expected the bytes of before"), assert_frozen(model):
        model["users"].vectors[1, 0] += 2**-20


def test_the_guard_names_a_gradient_and_an_optimizer_that_hold_the_vectors():
    table = FrozenEmbedding(torch.arange(3), torch.ones(3, 2))
    optimizer = torch.optim.SGD([table.vectors.requires_grad_()], lr=0.1)
    with pytest.raises(AssertionError, match=r"vectors: expected no gradient.*in no optimizer"):
        assert_frozen(table, optimizer).__enter__()


def test_the_guard_names_vectors_that_became_a_parameter():
    table = FrozenEmbedding(torch.arange(3), torch.ones(3, 2))
    vectors = nn.Parameter(table.vectors)
    del table.vectors
    table.vectors = vectors
    with pytest.raises(AssertionError, match=r"expected no parameters, got \['vectors'\]"):
        assert_frozen(table).__enter__()


def test_the_guard_refuses_a_model_in_which_there_is_nothing_to_guard():
    with pytest.raises(ValueError, match="at least one FrozenEmbedding"):
        assert_frozen(nn.Linear(1, 1)).__enter__()


def test_casting_the_model_moves_no_byte_of_the_table():
    model = nn.Sequential(FrozenEmbedding(torch.arange(3), torch.full((3, 2), 0.1)), nn.Linear(2, 1))
    with assert_frozen(model):
        model.half()
        assert model[1].weight.dtype == torch.float16
        model.double().bfloat16()


def test_a_state_dict_holds_the_identity_of_the_vectors_and_not_the_vectors():
    table = FrozenEmbedding(torch.arange(3), torch.ones(3, 2))
    assert {name: value.shape for name, value in table.state_dict().items()} == {"identity": (32,)}
    FrozenEmbedding(torch.arange(3).flip(0), torch.ones(3, 2)).load_state_dict(table.state_dict())


def test_a_checkpoint_of_other_vectors_is_refused_and_can_be_wanted():
    saved = FrozenEmbedding(torch.arange(3), torch.ones(3, 2)).state_dict()
    other = FrozenEmbedding(torch.arange(3), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="trained with"):
        other.load_state_dict(saved)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({})
    other.load_state_dict({}, strict=False)


def test_half_precision_vectors_come_out_as_float32_of_the_same_value():
    vectors = torch.tensor([[0.1, 0.2]]).half()
    found, _ = FrozenEmbedding(torch.tensor([1]), vectors)(torch.tensor([1]))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), vectors.float().numpy())


@pytest.mark.parametrize(
    ("keys", "vectors", "has_vector", "word"),
    [
        (torch.tensor([1, 1]), torch.ones(2, 2), None, "unique"),
        (torch.tensor([1.0, 2.0]), torch.ones(2, 2), None, "int64"),
        (torch.tensor([1, 2]), torch.ones(3, 2), None, r"\(2, D\)"),
        (torch.tensor([1, 2]), torch.tensor([[1.0], [float("nan")]]), None, "finite"),
        (torch.tensor([1, 2]), torch.ones(2, 2), torch.tensor([1, 1]), "bool"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(keys, vectors, has_vector, word):
    with pytest.raises(ValueError, match=word):
        FrozenEmbedding(keys, vectors, has_vector)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("slots_at_once", [1, 7, 4096])
def test_cosines_by_pieces_are_those_of_the_vectors_looked_up_one_by_one(dtype, slots_at_once, monkeypatch):
    monkeypatch.setattr("learn_rank.frozen.cosines.SLOTS_AT_ONCE", slots_at_once)
    generator = torch.Generator().manual_seed(2)
    vectors = torch.randn(40, 6, generator=generator)
    vectors[3, :2] = 0  # a block of zeros is near to nothing
    has_vector = torch.rand(40, generator=generator) < 0.8
    blocks = [(0, 2), (2, 6)]
    table = FrozenEmbedding(torch.arange(40) * 5 - 60, vectors, has_vector, blocks=blocks, dtype=dtype)
    ids = torch.randint(-13, 29, (9, 4), generator=generator) * 5  # some of them unknown
    has_id = torch.arange(4) < torch.tensor([4, 0, 2, 1, 4, 3, 0, 0, 1])[:, None]
    targets = torch.randn(9, 6, generator=generator)
    targets[4, 2:] = 0
    cosine, has = table.cosines(ids, has_id, targets)
    assert cosine.shape == (9, 2, 4)
    for row in range(9):
        for slot in range(4):
            vector, is_known = table(ids[row, slot])
            assert has[row, slot] == (is_known & has_id[row, slot])
            for at, (start, stop) in enumerate(blocks):
                one, other = vector[start:stop].double(), targets[row, start:stop].double()
                lengths = one.norm() * other.norm()
                expected = (one @ other) / lengths if has[row, slot] and lengths > 0 else 0.0
                assert cosine[row, at, slot].item() == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_rows_of_one_request_share_their_ids_and_get_the_cosines_of_rows_taken_alone(dtype):
    generator = torch.Generator().manual_seed(3)
    blocks = [(0, 2), (2, 6)]
    vectors = torch.randn(40, 6, generator=generator)
    vectors[3, :2] = 0
    table = FrozenEmbedding(torch.arange(40), vectors, blocks=blocks, dtype=dtype)
    lengths = torch.tensor([4, 4, 2, 0, 3])
    requests = torch.where(torch.arange(4) < lengths[:, None], torch.randint(0, 45, (5, 4)), -1)
    requests[1] = requests[0]  # two requests of one user, one after the other
    n_candidates = torch.tensor([9, 1, 12, 5, 7])
    ids = requests.repeat_interleave(n_candidates, dim=0)
    has_id = ids >= 0
    targets = torch.randn(len(ids), 6, generator=generator)
    targets[11, 2:] = 0
    cosine, has = table.cosines(ids, has_id, targets)
    for row in range(len(ids)):
        alone, has_alone = table.cosines(ids[row : row + 1], has_id[row : row + 1], targets[row : row + 1])
        torch.testing.assert_close(cosine[row], alone[0], rtol=0, atol=1e-6)
        assert torch.equal(has[row], has_alone[0])
    shared, has_shared = table.cosines(ids[:1], has_id[:1], targets[:10])
    torch.testing.assert_close(shared, cosine[:10], rtol=0, atol=1e-6)
    assert torch.equal(has_shared, has[:1])


def test_equal_ids_with_other_slots_in_use_are_no_run():
    table = FrozenEmbedding(torch.arange(3), torch.eye(3))
    ids = torch.zeros(8, 2, dtype=torch.int64)
    has_id = torch.ones(8, 2, dtype=torch.bool)
    has_id[4:, 1] = False
    cosine, has = table.cosines(ids, has_id, torch.ones(8, 3))
    assert torch.equal(has, has_id)
    assert torch.equal(cosine[:, 0] > 0, has_id)


def test_cosines_of_an_empty_batch_and_of_no_slots_are_empty():
    table = FrozenEmbedding(torch.arange(3), torch.eye(3))
    for n_rows, n_slots in ((0, 4), (2, 0)):
        ids = torch.zeros(n_rows, n_slots, dtype=torch.int64)
        cosine, has = table.cosines(ids, ids > 0, torch.ones(n_rows, 3))
        assert cosine.shape == (n_rows, 1, n_slots)
        assert has.shape == (n_rows, n_slots)


def test_small_ids_are_kept_in_four_bytes_and_no_larger_id_is_mistaken_for_one_of_them():
    ends = torch.tensor([-(2**31), -1, 5, 2**31 - 1])
    table = FrozenEmbedding(ends, torch.eye(4))
    assert table.keys.dtype == torch.int32
    beyond = torch.tensor([5 + 2**32, 5 - 2**32, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63), 6])
    assert not table(beyond)[1].any()
    found, has_vector = table(ends)
    assert has_vector.all()
    assert torch.equal(found, torch.eye(4))


def test_one_id_beyond_four_bytes_keeps_the_others_findable():
    ids = torch.tensor([2**31, 7, -3])
    table = FrozenEmbedding(ids, torch.eye(3))
    assert table.keys.dtype == torch.int64
    assert torch.equal(table(ids)[0], torch.eye(3))


@pytest.mark.parametrize(("dtype", "share"), [("float16", 0.51), ("int8", 0.26)])
def test_all_that_a_small_table_of_counted_ids_holds_is_its_promised_share_of_fp32(dtype, share):
    vectors = torch.ones(2000, 192)

    def held(name: str) -> int:
        rows = FrozenEmbedding(torch.arange(2000), vectors, dtype=name).rows
        return sum(tensor.nbytes for tensor in rows if tensor is not None)

    assert held(dtype) <= share * held("float32")


@given(st.integers(-(2**63), 2**63 - 6), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9))
def test_ids_counted_without_a_gap_are_found_as_a_table_with_gaps_finds_them(first, asked):
    counted = torch.tensor([first + number for number in range(5)])
    asked = torch.tensor([*asked, *counted.tolist(), max(first - 1, -(2**63)), first + 5])
    expected = [row.tolist().index(True) if row.any() else 5 for row in asked[:, None] == counted]
    assert row_of(counted, asked).tolist() == expected
