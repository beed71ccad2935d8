"""New items get their frozen vectors from towers that are already trained: a new version of the item store.

The old rows keep their bytes and their place, the new ones come after them. The folder is replaced as a
whole, so a reader that has the store open goes on with the version that it opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from learn_recall.export.text_blocks import TextBlocks
from learn_recall.export.vectors import IS_CENTRED, text_vectors
from learn_recall.store import Block, EmbeddingStore, StoreError, write_store
from learn_recall.store.layout import VECTORS
from learn_recall.towers.checkpoint import TowerCheckpoint, load_checkpoint
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.inference import item_vectors

_ROWS_AT_ONCE = 1 << 14


def add_items(
    checkpoint: str | os.PathLike[str],
    content: EmbeddingStore,
    items: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
) -> EmbeddingStore:
    """Append to an item store what a content store has and it has not, without training anything.

    Definition: each item of `content` that the store does not know is appended, in the order of `content`, as
    ``[tower(item) | r(x)]`` of `learn_recall.export.export_embeddings`; one that it knows without a vector
    gets its vector. Every other row keeps its bytes, also where the item's text has changed since. Where
    there is nothing to add, nothing is written.

    Args:
        checkpoint: the folder of the very towers that the store was exported with.
        content: content vectors; may hold the old items as well. Made as the training's were.
        items: the item store's folder.
        device: where to compute.

    Returns:
        The new version, opened; its card says which version it is, how many rows came with it, and the hash
        of the vectors that it was appended to.

    Raises:
        StoreError: other towers, another encoder, prompt or pooling than the store's; blocks that an export
            would not give; or not an item store.

    Source: LEARN (arXiv 2405.03988), 3.4: item embeddings are inferred offline and served by id.
    """
    trained = load_checkpoint(checkpoint, device)
    trained.check_content(content)
    store = EmbeddingStore.open(items, expect={"kind": "item", "tower": trained.sha256, **_of_text(content)})
    place = store.positions(content.ids)
    new = np.flatnonzero(place < 0)
    filled = np.flatnonzero((place >= 0) & content.present & ~store.present[place])
    if len(new) + len(filled) == 0:
        return store
    card = store.card
    maker = _Maker(
        trained, content, _text_of(store, trained, content), device, bool(card.extra.get(IS_CENTRED))
    )
    present = np.concatenate([store.present, content.present[new]])
    present[place[filled]] = True
    return write_store(
        items,
        ids=np.concatenate([store.ids, content.ids[new]]),
        vectors=_vectors(maker, store, new, filled),
        present=present,
        kind="item",
        encoder=card.encoder,
        dtype=card.dtype,
        blocks=card.blocks,
        tower=card.tower,
        as_of=card.as_of,
        extra={
            **card.extra,
            "version": version_of(store) + 1,
            "n_appended": len(new),
            "n_filled": len(filled),
            "appended_to": card.files[VECTORS],
        },
        overwrite=True,
        **_of_text(content),
    )


def version_of(store: EmbeddingStore) -> int:
    """The version of an item store: 1 as exported, one more with each addition."""
    return int(store.card.extra.get("version", 1))


def _text_of(store: EmbeddingStore, trained: TowerCheckpoint, content: EmbeddingStore) -> TextBlocks:
    """The frozen text's blocks as the store has them."""
    tower, *own = store.card.blocks
    dimension = max((block.stop - block.start for block in own), default=0)
    text = TextBlocks(trained.towers.whitening, content.card.blocks, dimension)
    expected = text.after(tower.stop)
    if expected != tuple(own):
        raise StoreError(
            f"{store.path}: expected the text's blocks {_told(expected)}, as an export of the content store "
            f"{content.path} gives them, got {_told(own)}. Remedy: export again."
        )
    return text


def _told(blocks: Sequence[Block]) -> str:
    return ", ".join(f"{block.name} {block.start}:{block.stop}" for block in blocks) or "none"


def _of_text(content: EmbeddingStore) -> dict[str, Any]:
    """The card fields that decide what space the content vectors lie in."""
    return {
        name: getattr(content.card, name) for name in ("encoder_sha256", "prompt", "pooling", "max_tokens")
    }


@dataclass(frozen=True)
class _Maker:
    """Makes rows of the item store for rows of a content store."""

    trained: TowerCheckpoint
    content: EmbeddingStore
    text: TextBlocks
    device: str | torch.device
    is_centred: bool

    @cached_property
    def _table(self) -> ContentTable:
        return ContentTable(self.content, self.trained.towers.whitening, self.device)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Content rows (n,) that have a vector -> (n, D) float32."""
        known = self.trained.known_rows(self.content.ids[rows])
        tower_ND = item_vectors(self.trained.towers, self._table, rows, known)[0]
        if self.is_centred:
            tower_ND = self.trained.centred(tower_ND)
        text_NK = text_vectors(self.text, self.content, rows, self.device)
        return torch.cat([tower_ND, text_NK], dim=1).cpu().numpy()


def _vectors(
    maker: _Maker, store: EmbeddingStore, new: np.ndarray, filled: np.ndarray
) -> Iterator[np.ndarray]:
    """The new version's rows: old ones as they are, filled ones put in their place, then the new ones."""
    place = store.positions(maker.content.ids[filled])
    for start in range(0, len(store), _ROWS_AT_ONCE):
        chunk = np.array(store.vectors[start : start + _ROWS_AT_ONCE])
        is_here = (place >= start) & (place < start + len(chunk))
        if is_here.any():
            chunk[place[is_here] - start] = maker.rows(filled[is_here])
        yield chunk
    for start in range(0, len(new), _ROWS_AT_ONCE):
        rows = new[start : start + _ROWS_AT_ONCE]
        has_vector = maker.content.present[rows]
        chunk = np.zeros((len(rows), store.card.dimension), dtype=np.float32)
        if has_vector.any():
            chunk[has_vector] = maker.rows(rows[has_vector])
        yield chunk


__all__ = ["add_items", "version_of"]
