"""Export: item and user vectors into stores, each vector = [tower block | the frozen text's blocks]."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from learn_recall.export.histories import Histories, from_contexts, from_interactions
from learn_recall.export.text_blocks import TextBlocks
from learn_recall.store import Block, EmbeddingStore, write_store
from learn_recall.terminal.progress import track_steps
from learn_recall.towers.checkpoint import TowerCheckpoint, load_checkpoint
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.inference import item_vectors, user_vectors

IS_CENTRED = "is_centred"  # of a card's `extra`: the mean was taken out of the tower block
_ROWS_AT_ONCE = 1 << 14


def export_embeddings(
    checkpoint: str | os.PathLike[str],
    content: EmbeddingStore,
    *,
    items_out: str | os.PathLike[str],
    users_out: str | os.PathLike[str],
    contexts: pd.DataFrame | None = None,
    interactions: pd.DataFrame | None = None,
    content_dimension: int = 64,
    centers: bool = True,
    dtype: str = "float16",
    as_of: float | None = None,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Write an item store and a user store that a ranker can look up by id.

    Definition: an item is ``[tower(item) - m | r(x)]``, a user context ``[tower(history) - m | mean of r(x)
    over history]``, each block L2-normalised for itself. m is the mean tower vector of the training items
    (`TowerCheckpoint.centred`). r(x) are the first ``content_dimension`` principal
    coordinates of each block of the frozen content vector (the language model's, and the words' where
    there is one), whitened as in the towers and fitted on the same training
    items: what the text knew stays available for new items, whatever the towers learned. Only the newest
    ``history_length`` items of a history are read. A context without any item that has a vector is kept
    with ``present`` False.

    Args:
        checkpoint: folder from `train_towers`.
        content: content vectors of *all* items to export, new ones included; made as the training's were.
        items_out, users_out: folders of the stores to write; one that exists is replaced as a whole.
        contexts: context_id, history (lists of item ids, oldest first), optionally is_learned: True where the
            towers were trained on the rows that refer to the context; its tower block is then left out
            (zeros), since a tower's cosine is too good on its own training rows. None = one context per user
            of ``interactions``, with the user's id as context id.
        interactions: see above; ignored when contexts are given.
        content_dimension: width of a block of r(x), one for each block of the content store; 0 = none,
            at most the widest one's own; a narrower one is taken whole.
        centers: False leaves m where it is: a user's dot products with the items then rank exactly as the
            towers do, and two items' cosine says less.
        dtype: "float16" or "float32" of the stored vectors.
        as_of: unix seconds of the newest event in the histories. None = the newest of training and
            interactions, or of the training alone for contexts: these differ in time, and that none is
            newer than the rows which refer to it is for their maker to see to. The card never shows less
            than the training's own time.
        device: where to compute.
        progress: tell on standard error how many users have their vector.

    Returns:
        The two stores, opened: items (ids in the order of ``content``) and users (in the order of contexts).

    Raises:
        StoreError: ``content`` was made by another encoder, prompt or pooling than the towers were trained
            on.
        ValueError: tables that do not fit.
    """
    trained = load_checkpoint(checkpoint, device)
    trained.check_content(content)
    if contexts is None and interactions is None:
        raise ValueError(
            "contexts, interactions: expected one of the two, to know the users' histories; got neither"
        )
    text = TextBlocks(trained.towers.whitening, content.card.blocks, content_dimension)
    if contexts is not None:
        histories = from_contexts(contexts, content)
    elif interactions is not None:
        histories = from_interactions(interactions, content)
    vectors = _Vectors(trained, content, text, device, centers=centers)
    fields = _card_fields(trained, content, text, dtype)
    fields["extra"][IS_CENTRED] = centers
    item_store = write_store(
        items_out,
        ids=content.ids,
        vectors=vectors.item_chunks(),
        present=content.present,
        kind="item",
        as_of=as_of if trained.as_of is None else trained.as_of,
        overwrite=True,
        **fields,
    )
    user_store = write_store(
        users_out,
        ids=histories.ids,
        vectors=track_steps(
            vectors.user_chunks(histories),
            f"users, {_ROWS_AT_ONCE:,} a step",
            -(-len(histories.ids) // _ROWS_AT_ONCE),
            is_shown=progress,
        ),
        present=histories.has_items & ~vectors.are_left_empty(histories),
        kind="user",
        as_of=_newest(as_of, trained.as_of, histories),
        overwrite=True,
        **{**fields, "extra": {**fields["extra"], **histories.counts()}},
    )
    return item_store, user_store


@torch.inference_mode()
def text_vectors(
    text: TextBlocks, content: EmbeddingStore, rows: np.ndarray, device: str | torch.device
) -> Tensor:
    """r(x) of the items in `rows` (n,) of the store: (n, K), K may be 0."""
    if not text.dimension:
        return torch.zeros(len(rows), 0, device=device)
    chunks = [torch.zeros(0, text.dimension, device=device)]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = content.vectors[rows[start : start + _ROWS_AT_ONCE]].astype(np.float32)
        chunks.append(text(torch.from_numpy(part).to(device)))
    return torch.cat(chunks)


class _Vectors:
    """Item vectors, once, and user vectors made of them, chunk by chunk."""

    def __init__(
        self,
        trained: TowerCheckpoint,
        content: EmbeddingStore,
        text: TextBlocks,
        device: str | torch.device,
        *,
        centers: bool,
    ):
        self.trained, self.content, self.text, self.centers = trained, content, text, centers
        config = trained.config
        self.history_length = config.sampling.history_length
        self.catalogue = np.flatnonzero(content.present)
        self.place = np.where(content.present, np.cumsum(content.present) - 1, -1)
        table = ContentTable(content, trained.towers.whitening, device)
        known = trained.known_rows(content.ids)[self.catalogue]
        tower_ND, self.embedded_NH = item_vectors(trained.towers, table, self.catalogue, known)
        self.tower_ND = trained.centred(tower_ND) if centers else tower_ND
        self.text_NK = text_vectors(text, content, self.catalogue, device)

    def item_chunks(self) -> Iterator[np.ndarray]:
        """Rows of the item store, in the order of the content store."""
        blocks = [self.tower_ND, self.text_NK]
        width = sum(block.shape[1] for block in blocks)
        for start in range(0, len(self.content), _ROWS_AT_ONCE):
            present = self.content.present[start : start + _ROWS_AT_ONCE]
            chunk = np.zeros((len(present), width), dtype=np.float32)
            index = torch.from_numpy(self.place[start : start + _ROWS_AT_ONCE][present])
            chunk[present] = (
                torch.cat([block[index.to(block.device)] for block in blocks], dim=1).cpu().numpy()
            )
            yield chunk

    def user_chunks(self, histories: Histories) -> Iterator[np.ndarray]:
        """Rows of the user store; contexts with equal histories are computed once per chunk."""
        for start in range(0, len(histories.ids), _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, len(histories.ids)))
            rows = histories.newest(part, self.history_length)
            index = np.where(rows >= 0, self.place[np.maximum(rows, 0)], -1)
            distinct, inverse = np.unique(index, axis=0, return_inverse=True)
            vectors = user_vectors(self.trained.towers, self.embedded_NH, distinct)
            if self.centers:
                vectors = self.trained.centred(vectors)
            vectors = torch.cat([vectors, self.text.mean_over(distinct, self.text_NK)], dim=1)
            chunk = vectors.cpu().numpy()[inverse.reshape(-1)]
            if histories.is_learned is not None and self.text.dimension:
                # a tower's own cosine is too good on the rows that it was trained on, so a ranker must not
                # learn from them how far to trust it
                chunk[histories.is_learned[part], : self.trained.towers.dimension] = 0.0
            yield chunk

    def are_left_empty(self, histories: Histories) -> np.ndarray:
        """(n,) bool: contexts that the towers learned from, and whose texts are none or cancel each other."""
        if histories.is_learned is None:
            return np.zeros(len(histories.ids), dtype=bool)
        empty = np.array(histories.is_learned)
        for start in range(0, len(histories.ids) if self.text.dimension else 0, _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, len(histories.ids)))
            rows = histories.newest(part, self.history_length)
            distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
            index = np.where(distinct >= 0, self.place[np.maximum(distinct, 0)], -1)
            says_something = self.text.mean_over(index, self.text_NK).any(dim=1).cpu().numpy()
            empty[part] &= ~says_something[inverse.reshape(-1)]
        return empty


def _newest(as_of: float | None, trained: float | None, histories: Histories) -> float | None:
    if as_of is not None:
        return as_of if trained is None else max(as_of, trained)
    if histories.is_timeless:
        return trained
    return None if trained is None or histories.as_of is None else max(trained, histories.as_of)


def _card_fields(
    trained: TowerCheckpoint, content: EmbeddingStore, text: TextBlocks, dtype: str
) -> dict[str, Any]:
    card = content.card
    dimension = trained.towers.dimension
    return {
        **card.of_text,
        "dtype": dtype,
        "blocks": (Block("tower", 0, dimension), *text.after(dimension)),
        "tower": trained.sha256,
        "extra": {
            "item_tower": trained.config.tower.item_tower,
            "n_training_items": len(trained.item_keys),
            "tower_epoch": trained.extra.get("epoch"),
        },
    }
