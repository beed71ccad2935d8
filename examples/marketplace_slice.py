"""What the examples share: a small generated marketplace, LEARN's vectors of it, and how clicks are told.

Run: python examples/marketplace_slice.py FOLDER, which writes its tables there as a team's own would lie.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from learn_rank import FrozenEmbedding, RankingDataset, RankTrainConfig, encode_dataset
from learn_rank.datasets.marketplace import MarketplaceConfig, generate_marketplace
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_rank.report import Report
from learn_recall.encode import encode_items
from learn_recall.export import export_embeddings
from learn_recall.terminal import WholeTable
from learn_recall.towers.presets import preset
from learn_recall.train import train_towers

MARKET = MarketplaceConfig(
    n_users=1500, n_items=600, n_impressions=90_000, interaction_days=18, train_days=24, valid_days=2
)
#: hosts as teams have them know their user's history
ENCODE = partial(encode_dataset, has_item_history=True)
BUDGET: dict[str, Any] = {
    "seeds": [0],
    "training": RankTrainConfig(n_epochs=1, batch_size=256),
    "encode": ENCODE,
}


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
        settings = preset("default")
        settings = replace(settings, train=replace(settings.train, n_epochs=6))
        towers = train_towers(dataset.interactions, content, folder / "towers", settings)
        stores = {"items_out": items, "users_out": users, "content_dimension": 128}
        export_embeddings(towers, content, contexts=dataset.contexts, **stores)
    return Slice(dataset, FrozenEmbedding.from_store(users), FrozenEmbedding.from_store(items))


def print_clicks(report: Report, host: str) -> None:
    """AUC and UAUC of clicks on all, cold and warm items: the host, with the plugin, the difference."""
    value = {
        (row["bucket"], row["metric"], row["model"]): row["value"]
        for row in report.rows
        if row["task"] == "CTR" and row["bucket_kind"] != "user"
    }
    table = WholeTable("items", "metric", host, "with LEARN", "difference in points", title="Clicks")
    for row in report.deltas:
        place = (row["bucket"], row["metric"])
        is_told = row["task"] == "CTR" and row["bucket_kind"] != "user" and row["metric"] != "WUAUC"
        if is_told and row["model"] == "learn":
            difference = "{:+.2f} [{:+.2f}, {:+.2f}]".format(
                *(100 * row[key] for key in ("delta", "low", "high"))
            )
            both = (f"{value[(*place, model)]:.4f}" for model in ("baseline", "learn"))
            table.add_row(*place, *both, difference)
    Console().print(table)


def folder_from(arguments: list[str]) -> Path:
    """The FOLDER of a command line; without one, examples_run beside you."""
    return Path(arguments[1] if len(arguments) > 1 else "examples_run")


def write_tables(folder: Path) -> None:
    """The five tables that docs/tables.md describes, as parquet."""
    market = generate_marketplace(MARKET)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("items", "interactions", "train", "valid", "test"):
        getattr(market, name).to_parquet(folder / f"{name}.parquet")
        print(f"{folder / name}.parquet: {len(getattr(market, name)):,} rows")


if __name__ == "__main__":
    write_tables(folder_from(sys.argv))
