"""A control of LEARN: the same arm with towers that never read the text, ids and behaviour alone.

What is left of LEARN's lift over raw text when the tower block comes from such towers is what behaviour adds;
what is lost is what the towers' reading of the text adds. An item that they never met has no tower block.
One vector for all of them would tell a ranker that an item is new, which is another question.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from learn_rank.data.dataset_files import read_dataset
from learn_rank.run.folder import RunFolder
from learn_recall.export.vectors import export_embeddings
from learn_recall.store import Block, EmbeddingStore, write_store
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.config import RecallConfig
from learn_recall.train.loop import train_towers


def ids_tower_vectors(
    run: Path, work: Path, *, device: str | None = None
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Make user and item stores of a run with the tower block of towers on ids alone, the text's blocks kept.

    Args:
        run: folder of a finished run; its towers' settings are used, with an id embedding and no text.
        work: folder for the towers and the stores; kept, so that the next call only opens them.
        device: of the towers.
    """
    users, items = work / "users", work / "items"
    if not (users / "card.json").is_file():
        place = RunFolder(run)
        dataset, content = read_dataset(place.tables), EmbeddingStore.open(place.content)
        config = load_checkpoint(place.towers, "cpu").config
        nothing = _constant(content, work / "constant")
        towers = train_towers(
            dataset.interactions, nothing, work / "towers", _on_ids(config), progress=False, device=device
        )
        bare = work / "bare"
        export_embeddings(
            towers,
            nothing,
            items_out=bare / "items",
            users_out=bare / "users",
            contexts=dataset.contexts,
            device=device or "cpu",
            content_dimension=0,
        )
        met = dataset.interactions["item_id"].unique()
        for own, path in ((place.items, items), (place.users, users)):
            towers_own, whole = EmbeddingStore.open(bare / path.name), EmbeddingStore.open(own)
            has_block = np.isin(whole.ids, met) if path is items else np.ones(len(whole.ids), bool)
            _with_content(towers_own, whole, has_block, path)
    return EmbeddingStore.open(users), EmbeddingStore.open(items)


def _on_ids(config: RecallConfig) -> RecallConfig:
    values = config.to_dict()
    values["tower"] |= {"whitening": "none", "id_residual": True, "id_shrinkage": 0.0}
    return RecallConfig.from_dict(values)


def _constant(content: EmbeddingStore, path: Path) -> EmbeddingStore:
    """Every item has the same text."""
    if (path / "card.json").is_file():
        return EmbeddingStore.open(path)
    card = content.card
    return write_store(
        path,
        ids=content.ids,
        vectors=np.ones((len(content.ids), 1), np.float32),
        present=content.present,
        kind="content",
        encoder="none",
        encoder_sha256="none",
        prompt=card.prompt,
        pooling=card.pooling,
        max_tokens=card.max_tokens,
    )


def _with_content(
    towers: EmbeddingStore, whole: EmbeddingStore, has_block: np.ndarray, path: Path
) -> EmbeddingStore:
    """The tower block of one store, zeros where it has none, beside the text's blocks of another."""
    if not np.array_equal(towers.ids, whole.ids):
        raise ValueError(f"{towers.path}: expected the ids of {whole.path} in their order, got others.")
    kept = [block for block in whole.card.blocks if block.name != "tower"]
    own, width = [np.where(has_block[:, None], towers.vectors, 0)], towers.card.dimension
    blocks = [Block("tower", 0, width)]
    for block in kept:
        own.append(np.asarray(whole.vectors[:, block.start : block.stop]))
        blocks.append(Block(block.name, width, width + block.stop - block.start))
        width = blocks[-1].stop
    card = whole.card
    return write_store(
        path,
        ids=whole.ids,
        vectors=np.concatenate(own, axis=1),
        present=whole.present,
        kind=card.kind,
        **card.of_text,
        dtype=card.dtype,
        blocks=tuple(blocks),
        tower=towers.card.tower,
        as_of=card.as_of,
        extra=dict(card.extra),
        overwrite=True,
    )


__all__ = ["ids_tower_vectors"]
