"""Trainings and exports of towers in processes of their own, which a test kills."""

import time
from pathlib import Path

import pandas as pd
import torch

from learn_recall.export import vectors
from learn_recall.store import EmbeddingStore
from learn_recall.towers.config import RecallConfig
from learn_recall.train.loop import train_towers


def train(table: pd.DataFrame, content: Path, out: Path, config: RecallConfig) -> None:
    """An undisturbed training."""
    torch.set_num_threads(1)  # as the tests
    train_towers(table, EmbeddingStore.open(content), out, config, progress=False)


def export_and_wait(table: pd.DataFrame, content: Path, towers: Path, out: Path, reached: Path) -> None:
    """An export that waits for its death behind the last user vector, where it makes the file `reached`."""
    torch.set_num_threads(1)  # as the tests
    whole = vectors._Vectors.user_chunks

    def slow(self, histories):
        yield from whole(self, histories)
        reached.touch()
        time.sleep(240)

    vectors._Vectors.user_chunks = slow
    vectors.export_embeddings(
        towers,
        EmbeddingStore.open(content),
        items_out=out / "items",
        users_out=out / "users",
        interactions=table,
        content_dimension=4,
        dtype="float32",
    )
