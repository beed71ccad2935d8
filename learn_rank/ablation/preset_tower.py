"""The vectors of a run anew, with towers of another preset: everything else stays as it was."""

from __future__ import annotations

from pathlib import Path

from learn_rank.data.dataset_files import read_dataset
from learn_rank.run.config import read_config
from learn_rank.run.folder import RunFolder
from learn_recall.export.vectors import export_embeddings
from learn_recall.store import EmbeddingStore
from learn_recall.towers.presets import preset
from learn_recall.train.loop import train_towers


def preset_tower_vectors(
    run: Path, work: Path, name: str, *, device: str | None = None
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Make user and item stores of a run as an export of other towers gives them.

    Args:
        run: folder of a finished run.
        work: folder for the towers and the stores; kept, so that the next call only opens them.
        name: of `learn_recall.towers.presets.preset`.
        device: of the towers.
    """
    users, items = work / "users", work / "items"
    if not (users / "card.json").is_file():
        place = RunFolder(run)
        dataset, content = read_dataset(place.tables), EmbeddingStore.open(place.content)
        towers = train_towers(
            dataset.interactions, content, work / "towers", preset(name), progress=False, device=device
        )
        export_embeddings(
            towers,
            content,
            items_out=items,
            users_out=users,
            contexts=dataset.contexts,
            device=device or "cpu",
            content_dimension=read_config(run)[0].content_dimension,
        )
    return EmbeddingStore.open(users), EmbeddingStore.open(items)


__all__ = ["preset_tower_vectors"]
