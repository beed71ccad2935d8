"""What a type checker sees of names that packages load late: read by mypy, run by nobody."""

from pathlib import Path
from typing import assert_type

import learn_rank
import learn_recall
from learn_rank.data.batch import Batch
from learn_rank.rankers.base import Ranker
from learn_recall.store import EmbeddingStore
from learn_recall.towers.config import RecallConfig


def see(ranker: Ranker, folder: Path) -> None:
    """A name that were Any would not have these types."""
    assert_type(learn_rank.Batch, type[Batch])
    assert_type(learn_rank.load_ranker(ranker, folder), Ranker)
    assert_type(learn_recall.preset("beauty"), RecallConfig)
    assert_type(learn_recall.EmbeddingStore.open(folder), EmbeddingStore)
    assert_type(learn_recall.encode_items(folder, folder), EmbeddingStore)
