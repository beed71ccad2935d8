"""Export of the frozen text alone: what towers' stores hold behind the tower block, of any content store."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from learn_recall.export.histories import from_contexts
from learn_recall.export.text_blocks import TextBlocks
from learn_recall.export.vectors import text_vectors
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.whitening import Whitening

_ROWS_AT_ONCE = 1 << 14


def export_text(
    checkpoint: str | os.PathLike[str],
    content: EmbeddingStore,
    contexts: pd.DataFrame,
    *,
    items_out: str | os.PathLike[str],
    users_out: str | os.PathLike[str],
    content_dimension: int = 64,
    device: str | torch.device = "cpu",
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Write an item store and a user store without a tower block: as if the towers had read this content.

    Definition: r(x) and its mean over a history as in `learn_recall.export.vectors.export_embeddings`. The
    whitening is of the towers' kind and fitted anew on their training items; so is the length of a history
    theirs. Nothing is trained, so encoders can be compared before any tower is.

    Args:
        checkpoint: folder from `train_towers`, on whichever content.
        content: content vectors of all items to export.
        contexts: context_id and history, as in `export_embeddings`.
        items_out, users_out: folders of the stores to write; one that exists is replaced as a whole.
        content_dimension: width of a block of r(x), at least 1.
        device: where to compute.

    Returns:
        The two stores, opened: items (ids in the order of `content`), users (in the order of contexts).

    Raises:
        ValueError: no training item of the towers has a vector, or a dimension below 1.
    """
    if content_dimension < 1:
        raise ValueError(f"content_dimension: expected at least 1; got {content_dimension}")
    trained = load_checkpoint(checkpoint, "cpu")
    tower = trained.config.tower
    fitted_on = np.flatnonzero(content.present & (trained.known_rows(content.ids) >= 0))
    if len(fitted_on) == 0:
        raise ValueError(
            f"content: expected vectors of items that the towers {checkpoint} were trained on; got none in "
            f"{content.path}. Remedy: encode the items of that training"
        )
    whitening = Whitening(
        content.card.dimension, tower.whitening, tower.whitening_ridge, tower.whitening_strength
    ).fit(content.vectors, fitted_on)
    text = TextBlocks(whitening.to(device), content.card.blocks, content_dimension)
    rows = np.flatnonzero(content.present)
    text_NK = text_vectors(text, content, rows, device)
    item_NK = np.zeros((len(content), text.dimension), dtype=np.float32)
    item_NK[rows] = text_NK.cpu().numpy()
    histories = from_contexts(contexts, content)
    length = trained.config.sampling.history_length
    place = np.where(content.present, np.cumsum(content.present) - 1, -1)

    def user_chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(histories.ids), _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, len(histories.ids)))
            history = histories.newest(part, length)
            index = np.where(history >= 0, place[np.maximum(history, 0)], -1)
            yield text.mean_over(index, text_NK).cpu().numpy()

    user_UK = np.concatenate([np.zeros((0, text.dimension), np.float32), *user_chunks()])
    fields = {**content.card.of_text, "dtype": "float16", "blocks": text.after(0), "overwrite": True}
    return (
        write_store(
            items_out, ids=content.ids, vectors=item_NK, present=item_NK.any(axis=1), kind="item", **fields
        ),
        write_store(
            users_out, ids=histories.ids, vectors=user_UK, present=user_UK.any(axis=1), kind="user", **fields
        ),
    )


__all__ = ["export_text"]
