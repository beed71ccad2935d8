"""A batch that does not fit the memory is halved until it does."""

import numpy as np
import pytest
import torch

from learn_recall.encoder.memory import encode_within_memory
from learn_recall.encoder.text_encoder import EncoderError

ROWS = [[number] * 3 for number in range(11)]


def machine_for(n_rows: int, error: Exception, calls: list[int]):
    """An encoder whose memory holds n_rows; the vector of a row is its first token."""

    def encode(rows):
        calls.append(len(rows))
        if len(rows) > n_rows:
            raise error
        return np.array([[row[0], -row[0]] for row in rows], dtype=np.float32)

    return encode


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
@pytest.mark.parametrize("n_rows", [1, 2, 5, 11])
def test_a_batch_is_halved_until_it_fits_and_keeps_its_order(n_rows, error):
    calls: list[int] = []
    vectors = encode_within_memory(machine_for(n_rows, error, calls), ROWS)
    np.testing.assert_array_equal(vectors[:, 0], np.arange(11))
    assert calls[0] == 11
    assert sum(size for size in calls if size <= n_rows) == 11  # nothing that fitted is done twice


def test_one_text_that_does_not_fit_is_an_error_with_its_length():
    with pytest.raises(EncoderError, match=r"one text of 3 tokens, got 'CUDA out of memory'.*max_tokens"):
        encode_within_memory(machine_for(0, torch.OutOfMemoryError("CUDA out of memory"), []), ROWS)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    calls: list[int] = []
    with pytest.raises(RuntimeError, match="shapes"):
        encode_within_memory(machine_for(5, RuntimeError("shapes do not fit"), calls), ROWS)
    assert calls == [11]


def test_a_real_allocation_that_cannot_be_met_is_recognised():
    def greedy(rows):
        torch.empty(len(rows), 1 << 50 if len(rows) > 1 else 1)
        return np.ones((len(rows), 1), dtype=np.float32)

    assert encode_within_memory(greedy, ROWS[:3]).shape == (3, 1)
