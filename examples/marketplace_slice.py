"""What the examples run on: a small generated marketplace, and the vectors that LEARN makes of it.

Run: python examples/marketplace_slice.py FOLDER (the other examples do it by themselves, and find it again)
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from learn_rank import FrozenEmbedding, RankingDataset
from learn_rank.datasets.generated import read_marketplace
from learn_rank.datasets.marketplace import MarketplaceConfig
from learn_recall.encode import encode_items
from learn_recall.export import export_embeddings
from learn_recall.presets import preset
from learn_recall.store import EmbeddingStore
from learn_recall.train import train_towers

MARKET = MarketplaceConfig(n_users=800, n_items=500, n_impressions=40_000)


class Slice(NamedTuple):
    """The rows, and the frozen vectors of user contexts and items."""

    dataset: RankingDataset
    users: FrozenEmbedding
    items: FrozenEmbedding


def marketplace_slice(folder: Path) -> Slice:
    """Generate the tables; encode the items, train the towers and export both, unless the folder has them."""
    dataset = read_marketplace(MARKET)
    users, items = folder / "users", folder / "items"
    if not (users.is_dir() and items.is_dir()):
        content = encode_items(dataset.items, folder / "content", template="short")
        default = preset("default")
        towers = train_towers(
            dataset.interactions,
            content,
            folder / "towers",
            replace(default, train=replace(default.train, n_epochs=6)),
        )
        export_embeddings(towers, content, items_out=items, users_out=users, contexts=dataset.contexts, content_dimension=128)
    tables = (FrozenEmbedding.from_store(EmbeddingStore.open(path)) for path in (users, items))
    return Slice(dataset, *tables)


def folder_from(arguments: list[str]) -> Path:
    """The FOLDER of a command line; without one, examples_run beside you."""
    return Path(arguments[1] if len(arguments) > 1 else "examples_run")


if __name__ == "__main__":
    made = marketplace_slice(folder_from(sys.argv))
    print(f"{len(made.dataset.train)} training rows\n{made.users}\n{made.items}")
