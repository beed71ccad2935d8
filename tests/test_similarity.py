"""Similarity of a target to the user and to the recent items: counted by hand."""

import torch

from learn_rank.similarity import N_BINS, PER_BLOCK_HISTORY, n_similarity_features, similarity_features


def test_the_histogram_the_maximum_and_the_mean_are_those_counted_by_hand():
    item = torch.tensor([[1.0, 0.0]])
    user = torch.tensor([[0.6, 0.8]])
    # cosines 1, 0, -1, and one slot that does not count
    history = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 0.0]]])
    has_history = torch.tensor([[True, True, True, False]])
    found = similarity_features(user, item, torch.tensor([True]), [(0, 2)], history, has_history)[0]
    cosine, histogram, largest, mean, n_log = (
        found[0],
        found[1 : 1 + N_BINS],
        found[1 + N_BINS],
        found[2 + N_BINS],
        found[3 + N_BINS],
    )
    torch.testing.assert_close(cosine, torch.tensor(0.6))
    expected = torch.zeros(N_BINS)
    expected[[0, 5, 9]] = 1 / 3
    torch.testing.assert_close(histogram, expected)
    torch.testing.assert_close(torch.stack([largest, mean]), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(n_log, torch.log(torch.tensor(4.0)) / 3)


def test_each_block_is_compared_for_itself():
    user = torch.tensor([[1.0, 0.0, 0.0, 5.0]])
    item = torch.tensor([[1.0, 0.0, 7.0, 0.0]])
    found = similarity_features(user, item, torch.tensor([True]), [(0, 2), (2, 4)])
    assert found.tolist() == [[1.0, 0.0]]


def test_without_history_or_vector_the_features_are_zero_and_finite():
    zeros = torch.zeros(1, 4)
    found = similarity_features(
        zeros,
        zeros,
        torch.tensor([False]),
        [(0, 4)],
        torch.zeros(1, 3, 4),
        torch.zeros(1, 3, dtype=torch.bool),
    )
    assert found.shape == (1, n_similarity_features(1, has_history=True)) == (1, 1 + PER_BLOCK_HISTORY)
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
