"""Small planted worlds for the ranking tests: the vectors decide, so what must come out is known."""

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.own import link_tables


def planted_dataset(
    *, n_users: int = 120, n_items: int = 80, n_rows: int = 6000, seed: int = 0, ids: str = "integer"
) -> tuple[RankingDataset, np.ndarray, np.ndarray]:
    """Clicks and conversions that follow the cosine of hidden user and item vectors, nothing else.

    Returns:
        The dataset (chronological, with host features), user vectors (n_users, 8), item vectors (n_items, 8).
    """
    generator = np.random.default_rng(seed)
    users = generator.normal(size=(n_users, 8))
    items = generator.normal(size=(n_items, 8))
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    user = generator.integers(0, n_users, n_rows)
    item = generator.integers(0, n_items, n_rows)
    # the last items are shown in the judged periods alone
    early = np.arange(n_rows) < int(0.8 * n_rows)
    item = np.where(early & (item >= int(0.85 * n_items)), item - int(0.5 * n_items), item)
    logit = 4 * (users[user] * items[item]).sum(1)
    click = generator.random(n_rows) < 1 / (1 + np.exp(-logit))
    converts = generator.random(n_rows) < 1 / (1 + np.exp(-logit))
    rows = pd.DataFrame(
        {
            "user_id": user,
            "item_id": item,
            "click": click.astype(int),
            "conversion": np.where(click, converts, np.nan),
            "timestamp": 1_700_000_000 + np.arange(n_rows),
        }
    )
    table = pd.DataFrame(
        {
            "item_id": np.arange(n_items),
            "title": [f"item {number}" for number in range(n_items)],
            "price_number": generator.random(n_items),
            "tags": [["red", "blue"][: 1 + number % 2] for number in range(n_items)],
        }
    )
    if ids == "string":
        rows["user_id"], rows["item_id"] = (
            "u" + rows["user_id"].astype(str),
            "i" + rows["item_id"].astype(str),
        )
        table["item_id"] = "i" + table["item_id"].astype(str)
    edges = [int(0.8 * n_rows), int(0.9 * n_rows)]
    parts = {
        "train": rows[: edges[0]].reset_index(drop=True),
        "valid": rows[edges[0] : edges[1]].reset_index(drop=True),
        "test": rows[edges[1] :].reset_index(drop=True),
    }
    train = parts["train"]
    interactions = train.loc[train["click"] == 1, ["user_id", "item_id", "timestamp"]].iloc[: len(train) // 4]
    dataset = link_tables(
        "planted",
        table,
        interactions.reset_index(drop=True),
        parts,
        dense=("price_number",),
        categorical=("tags",),
    )
    return dataset, users.astype(np.float32), items.astype(np.float32)
