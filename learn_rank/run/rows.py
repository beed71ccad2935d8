"""The rows of a run as its host sees them, for every stage and command that opens the run."""

from __future__ import annotations

from pathlib import Path

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.ease_rows import host_rows
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.run.config import RunConfig
from learn_recall.store import EmbeddingStore


def rows_of_run(
    dataset: RankingDataset,
    items: EmbeddingStore,
    config: RunConfig,
    *,
    ease: str | None = None,
    save: Path | None = None,
) -> EncodedDataset:
    """`host_rows` by the settings of a run.

    Args:
        dataset: tables of the run.
        items: its item store.
        config: its settings.
        ease: of `learn_rank.data.ease_rows.HOSTS`, in place of that of the settings.
        save: as in `host_rows`.
    """
    return host_rows(
        dataset,
        items,
        config.ease if ease is None else ease,
        history_length=config.fusion.history_length,
        has_item_history=config.ranker.has_history,
        recent_popularity=config.recent_popularity,
        user_snapshot_days=config.user_snapshot_days,
        save=save,
    )
