"""Small rankers on a small random batch: ids of 0..8, vectors for users 100..105 and items 200..205."""

import torch
from small_fusions import tables
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import fusion_of_kind
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig

N_CODES = {"user_id": 7, "item_id": 9, "tags": 4}
N_DENSE = 3


def batch(n: int = 50, seed: int = 0) -> Batch:
    """Rows with unknown users and items, empty bags and empty histories among them."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, size):
        return torch.randint(low, high, (size,), generator=generator)

    bag, history = draw(0, 4, n), draw(0, 6, n)
    click = draw(0, 2, n).float()
    ids = [draw(0, 7, n), draw(0, 9, n), draw(0, 4, int(bag.sum()))]
    keys = [draw(100, 108, n), draw(200, 208, n), draw(200, 208, int(history.sum()))]
    return Batch(
        KeyedJaggedTensor(
            keys=["user_id", "item_id", "tags", "learn_user", "learn_item", "learn_history"],
            values=torch.cat([*ids, *keys]),
            lengths=torch.cat([torch.ones(2 * n), bag, torch.ones(2 * n), history]).long(),
        ),
        torch.randn(n, N_DENSE, generator=generator),
        click,
        torch.where(click > 0, draw(0, 2, n).float(), torch.nan),
    )


def config(entry: str = "concat", **settings) -> RankerConfig:
    """A small shape."""
    return RankerConfig(embedding_dim=5, bottom_dims=(24, 12), tower_dim=8, fusion_entry=entry, **settings)


def host_alone(**settings) -> MultiTaskRanker:
    """The ranker without the plugin."""
    torch.manual_seed(0)
    return MultiTaskRanker(N_CODES, N_DENSE, config(**settings))


def fused_ranker(
    entry: str,
    *,
    kind: str = "learn",
    layers: str = "shared_bottom",
    host_dropout: float = 0.1,
    **settings,
) -> MultiTaskRanker:
    """The ranker with the plugin, from other random numbers than the host's."""
    torch.manual_seed(1)
    shape = config(entry, layers=layers, dropout=host_dropout)
    width = MultiTaskRanker.host_dim(N_CODES, shape)
    plugin = fusion_of_kind(kind, *tables(), FusionConfig(dropout=0.0, **settings), host_dim=width)
    return MultiTaskRanker(N_CODES, N_DENSE, shape, plugin)
