"""The candidates of a request share what is made of their user, and are scored as if each stood alone."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchrec import KeyedJaggedTensor

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.fusion.user_runs import MIN_ROWS_OF_RUN, user_runs

BLOCKS = ((0, 4), (4, 10))


def fusion(kind: type[LearnFeatureFusion] = LearnFeatureFusion, **settings) -> LearnFeatureFusion:
    """Users 0 to 5, items 0 to 39; user 1 lacks the first block, user 2 and item 3 a vector."""
    torch.manual_seed(0)
    sides = []
    for n in (6, 40):
        vectors = torch.cat([functional.normalize(torch.randn(n, b - a), dim=1) for a, b in BLOCKS], dim=1)
        has_vector = torch.ones(n, dtype=torch.bool)
        if n == 6:
            vectors[1, :4] = 0
        has_vector[2 if n == 6 else 3] = False
        sides.append(FrozenEmbedding(torch.arange(n), vectors, has_vector, blocks=BLOCKS))
    module = kind(*sides, FusionConfig(**settings)).eval()
    with torch.no_grad():  # a fallback of zeros would hide a wrong row
        module.user_fallback.normal_()
        module.item_fallback.normal_()
    return module


def requests(users: list[int], n_candidates: int) -> KeyedJaggedTensor:
    generator = torch.Generator().manual_seed(1)
    n_rows = len(users) * n_candidates
    items = torch.randint(0, 42, (n_rows,), generator=generator)  # 40 and 41 are unknown
    histories = [torch.randint(0, 42, (3 + user,), generator=generator) for user in users]
    flat = torch.cat([history.repeat(n_candidates) for history in histories])
    lengths = torch.tensor([len(history) for history in histories]).repeat_interleave(n_candidates)
    return KeyedJaggedTensor(
        ["learn_user", "learn_item", "learn_history"],
        torch.cat([torch.tensor(users).repeat_interleave(n_candidates), items, flat]),
        lengths=torch.cat([torch.ones(2 * n_rows, dtype=torch.int64), lengths]),
    )


@pytest.mark.parametrize("users", [[0], [0, 4, 5], [1, 0], [2, 1, 0, 99], [3, 3, 4]])
@pytest.mark.parametrize("settings", [{}, {"passes_vectors": True}, {"history_feature": None}])
def test_shared_users_give_the_features_of_rows_taken_one_by_one(users, settings):
    module, batch = fusion(**settings), requests(users, MIN_ROWS_OF_RUN)
    alone = module(batch)  # with gradients nothing is shared
    with torch.no_grad():
        together = module(batch)
    for one, other in zip(together.columns.values(), alone.columns.values(), strict=True):
        torch.testing.assert_close(one, other.detach())


def test_a_user_is_looked_up_and_projected_once_a_run():
    module, seen = fusion(), []
    module.user_vectors.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    module.user_projection.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with torch.no_grad():
        module(requests([0, 4, 0], MIN_ROWS_OF_RUN))
    assert seen == [3, 3]


def test_short_runs_and_training_rows_are_taken_one_by_one():
    ids = torch.arange(3).repeat_interleave(MIN_ROWS_OF_RUN)
    assert user_runs(ids, len(ids)) is None  # gradients are on
    with torch.no_grad():
        assert user_runs(ids[1:], len(ids) - 1) is None
        assert user_runs(ids[:0], 0) is None
        assert user_runs(ids[:1], MIN_ROWS_OF_RUN - 1) is None
        assert user_runs(ids[:1], MIN_ROWS_OF_RUN).to_rows(ids[:1]).tolist() == [0] * MIN_ROWS_OF_RUN
        runs = user_runs(ids, len(ids))
    assert runs.first.tolist() == [0, MIN_ROWS_OF_RUN, 2 * MIN_ROWS_OF_RUN]
    assert torch.equal(runs.to_rows(runs.distinct(ids)), ids)


class Doubled(LearnFeatureFusion):
    """A user's subclass with a `fuse` of its own, for rows."""

    def fuse(self, user: Tensor, item: Tensor, evidence: Tensor) -> Tensor:
        assert len(user) == len(item)
        return 2 * super().fuse(user, item, evidence)


def test_a_subclass_that_fuses_itself_is_given_the_user_of_every_row():
    batch = requests([0, 4], MIN_ROWS_OF_RUN)
    with torch.no_grad():
        doubled, plain = fusion(Doubled)(batch).fusion, fusion()(batch).fusion
    torch.testing.assert_close(doubled, 2 * plain)


def test_a_fuse_that_one_module_was_given_is_called():
    module, batch = fusion(), requests([0, 4], MIN_ROWS_OF_RUN)
    module.fuse = lambda user, item, evidence: torch.full((len(user), 32), 7.0)
    with torch.no_grad():
        assert bool((module(batch).fusion == 7).all())


def test_another_first_layer_is_called_and_not_taken_apart():
    module, batch = fusion(), requests([0, 4], MIN_ROWS_OF_RUN)
    module.mlp[0] = torch.nn.Sequential(module.mlp[0], torch.nn.Tanh())
    alone = module(batch).fusion.detach()
    with torch.no_grad():
        torch.testing.assert_close(module(batch).fusion, alone)
