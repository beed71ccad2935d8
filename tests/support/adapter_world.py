"""A user and an item store with every kind of id that a row can name, and rows that name them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_recall.store import Block, EmbeddingStore, write_store

BLOCKS = (Block("tower", 0, 4), Block("content", 4, 7))
AS_OF = 1_000.0
CARD = {
    "encoder": "any",
    "encoder_sha256": "e",
    "prompt": "short",
    "pooling": "mean",
    "max_tokens": 8,
    "tower": "t",
    "as_of": AS_OF,
    "blocks": BLOCKS,
}
N_USERS, N_ITEMS = 6, 9
LONER, BLANK_ITEM = "u5", 3  # known ids without a vector


def unit_blocks(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 7)).astype(np.float32)
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def stores(folder: Path, **card) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Users u0 to u5 (u4 without a tower block, u5 without any), items 0 to 8 (3 without)."""
    users, items = unit_blocks(N_USERS, 1), unit_blocks(N_ITEMS, 2)
    users[4, :4] = 0
    names = [f"u{number}" for number in range(N_USERS)]
    return (
        write_store(
            folder / "users",
            ids=names,
            vectors=users,
            present=np.array(names) != LONER,
            kind="user",
            **{**CARD, **card},
        ),
        write_store(
            folder / "items",
            ids=np.arange(N_ITEMS),
            vectors=items,
            present=np.arange(N_ITEMS) != BLANK_ITEM,
            kind="item",
            **CARD,
        ),
    )


def row_table(n_rows: int = 40, seed: int = 0) -> pa.Table:
    """Rows with known, unknown and null ids, histories that are long, short, empty and null."""
    rng = np.random.default_rng(seed)
    names = [*(f"u{number}" for number in range(N_USERS)), "stranger", None]
    shown = [*range(N_ITEMS), 77, None]
    histories = [
        None if rng.random() < 0.1 else rng.integers(0, N_ITEMS + 1, rng.integers(0, 8)).tolist()
        for _ in range(n_rows)
    ]
    flags = [None if items is None else (rng.random(len(items)) < 0.4).tolist() for items in histories]
    return pa.table(
        {
            "user_id": pa.array([names[at] for at in rng.integers(0, len(names), n_rows)]),
            "item_id": pa.array([shown[at] for at in rng.integers(0, len(shown), n_rows)], pa.int64()),
            "history": pa.array(histories, pa.list_(pa.int64())),
            "timestamp": AS_OF + np.arange(n_rows),
            "price": rng.random(n_rows),
            "history_converted": pa.array(flags, pa.list_(pa.bool_())),
        }
    )


def write_rows(path: Path, table: pa.Table, row_group_size: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)
    return path
