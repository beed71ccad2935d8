"""A small planted world: items of a group follow each other, and content vectors tell the group."""

import numpy as np
import pandas as pd

from learn_recall.store import write_store
from learn_recall.towers.config import LossConfig, RecallConfig, SamplingConfig, TowerConfig, TrainConfig

N_GROUPS, GROUP_SIZE, CONTENT = 6, 10, 12
CARD = {"encoder": "planted", "encoder_sha256": "abc", "prompt": "short", "pooling": "mean", "max_tokens": 16}


def content_store(path, n_items=N_GROUPS * GROUP_SIZE, seed=0, **changes):
    """Items "i0", "i1", ..; item k belongs to group k % 6."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(N_GROUPS, CONTENT))
    vectors = centre[np.arange(n_items) % N_GROUPS] + 0.3 * rng.normal(size=(n_items, CONTENT))
    ids = [f"i{k}" for k in range(n_items)]
    return write_store(path, ids=ids, vectors=vectors, kind="content", **{**CARD, **changes})


def interactions(n_users=80, n_items=N_GROUPS * GROUP_SIZE, seed=0):
    """Every user stays in one group; lengths 1 to 12; timestamps are distinct and rise within a user."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        group = rng.integers(N_GROUPS)
        for step in range(rng.integers(1, 13)):
            item = rng.integers(n_items // N_GROUPS) * N_GROUPS + group
            rows.append((user, f"i{item}", 1_700_000_000 + step * 86_400 + user))
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return table.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def small_config(loss="sampled_softmax", sampling=None, train=None, **tower):
    shape = {
        "hidden": 16,
        "n_layers": 1,
        "n_heads": 2,
        "dimension": 8,
        "max_length": 20,
        "id_residual": False,
    }
    budget = {"batch_users": 16, "n_epochs": 4, "learning_rate": 3e-3, "max_validation_users": 40}
    limits = {"history_length": 20, "target_length": 8, "n_history": 4, "n_target": 3}
    return RecallConfig(
        tower=TowerConfig(**{**shape, **tower}),
        loss=LossConfig(kind=loss, n_uniform=20),
        sampling=SamplingConfig(**{**limits, **(sampling or {})}),
        train=TrainConfig(**{**budget, **(train or {})}),
    )
