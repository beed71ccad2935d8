"""Newer vectors of the same tower in an export: new items are scored, and nothing is trained or exported."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.load import identity_of_store
from learn_rank.run.arms import Arm, frozen_table
from learn_rank.serving.manifest import MANIFEST, ExportError, read_manifest, space_of
from learn_rank.serving.table_files import write_table
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore


@dataclass(frozen=True)
class VectorSource:
    """Where a frozen table came from.

    Attributes:
        store: with the identity card.
        blocks: names of the store's blocks that the table has; None is all of them.
    """

    store: EmbeddingStore
    blocks: tuple[str, ...] | None = None

    @property
    def block_names(self) -> tuple[str, ...]:
        """The blocks by name."""
        named = tuple(block.name for block in self.store.card.blocks)
        return named if self.blocks is None else self.blocks

    @property
    def space(self) -> dict[str, Any]:
        """What made the vectors."""
        return space_of(self.store.card, self.block_names)

    def table(self) -> FrozenEmbedding:
        """The vectors, looked up by id."""
        if self.blocks is None:
            return FrozenEmbedding.from_store(self.store)
        return frozen_table(self.store, Arm("serving", self.blocks), np.random.default_rng(0))

    def check_same(self, name: str, table: FrozenEmbedding) -> None:
        """Refuse a source that holds other vectors than a table.

        Raises:
            ExportError: they differ.
        """
        own = identity_of_store(self.store) if self.blocks is None else self.table().identity
        if own != table.identity:
            raise ExportError(
                f"{name}: expected the store that the ranker was trained with, {table.identity[:12]}, got "
                f"{self.store.path} with {own[:12]}. Remedy: name the store and the blocks of that training."
            )


def swap_vectors(folder: str | os.PathLike[str], name: str, source: VectorSource) -> None:
    """Put newer vectors under an export; processes that have it open keep what they have read.

    Args:
        folder: of `export_ranker`.
        name: of the table in the manifest, such as "fusion.item_vectors".
        source: a store of the same encoder, prompt, tower and blocks, with any number of ids.

    Raises:
        ExportError: no such table, or vectors that something else made. Vectors of another tower lie in
            another space: the ranker would read them as noise.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if name not in manifest.tables:
        raise ExportError(f"name: expected one of {list(manifest.tables)}, got {name!r}.")
    old = manifest.tables[name]
    if old.space is None:
        raise ExportError(
            f"{name}: expected an export that knows what made its vectors, got none. Remedy: pass sources= "
            "to export_ranker."
        )
    found = source.space
    differing = [
        f"{key}: expected {old.space[key]!r}, got {found[key]!r}"
        for key in found
        if found[key] != old.space[key]
    ]
    if differing:
        raise ExportError(
            f"{name}: {'; '.join(differing)}. Remedy: export the new vectors with the tower of the old ones, "
            "or train and export a ranker for the new tower."
        )
    table = write_table(
        folder,
        name,
        source.table(),
        old.dtype,
        block_names=source.block_names,
        trained_with=old.trained_with,
        space=found,
    )
    write_json(folder / MANIFEST, replace(manifest, tables={**manifest.tables, name: table}))
    for path in folder.glob(f"{name}-*.safetensors"):
        if path.name not in (table.file, old.file):  # the old one may be being opened by someone right now
            path.unlink()
