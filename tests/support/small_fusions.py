"""Small frozen tables, rows of ids and a fusion over them."""

import torch
from torch.nn import functional
from torchrec import KeyedJaggedTensor

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion


def tables(dimension: int = 4, n: int = 6) -> tuple[FrozenEmbedding, FrozenEmbedding]:
    generator = torch.Generator().manual_seed(0)
    users = functional.normalize(torch.randn(n, dimension, generator=generator), dim=1)
    items = functional.normalize(torch.randn(n, dimension, generator=generator), dim=1)
    return FrozenEmbedding(torch.arange(n) + 100, users), FrozenEmbedding(torch.arange(n) + 200, items)


def rows(users: list[int], items: list[int], histories: list[list[int]]) -> KeyedJaggedTensor:
    flat = [item for history in histories for item in history]
    lengths = [1] * len(users) + [1] * len(items) + [len(history) for history in histories]
    return KeyedJaggedTensor(
        keys=["learn_user", "learn_item", "learn_history"],
        values=torch.tensor([*users, *items, *flat]),
        lengths=torch.tensor(lengths),
    )


def fusion(**settings) -> LearnFeatureFusion:
    torch.manual_seed(0)
    return LearnFeatureFusion(*tables(), FusionConfig(**settings)).eval()


THREE = rows([100, 101, 999], [200, 999, 203], [[200, 201], [], [203, 999]])
