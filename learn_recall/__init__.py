"""learn_recall: item texts and behaviour become user and item vectors (LEARN, AAAI 2025, the recall half).

Names are loaded on first use, so that importing the package stays light and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from learn_recall.old_doors import MOVED, open_old_doors

if TYPE_CHECKING:
    from learn_recall.encode.config import EncodeConfig
    from learn_recall.encode.job import encode_items
    from learn_recall.encoder.text_encoder import TextEncoder
    from learn_recall.errors import StoreError
    from learn_recall.export.vectors import export_embeddings
    from learn_recall.store.as_of import check_as_of
    from learn_recall.store.card import Block, IdentityCard
    from learn_recall.store.ids import id_keys
    from learn_recall.store.read import EmbeddingStore
    from learn_recall.store.write import write_store
    from learn_recall.tables.links import check_contexts, check_same_ids, drop_unknown_items
    from learn_recall.tables.problems import TableError, ValidationReport
    from learn_recall.tables.read import (
        read_contexts,
        read_impressions,
        read_interactions,
        read_items,
        read_table,
        read_together,
        validate_contexts,
        validate_impressions,
        validate_interactions,
        validate_items,
    )
    from learn_recall.text.prompt import render_items
    from learn_recall.towers.config import RecallConfig, TowerConfig
    from learn_recall.towers.double_tower import DoubleTower
    from learn_recall.towers.item_towers import ItemTower, register_item_tower
    from learn_recall.towers.presets import preset
    from learn_recall.train.loop import train_towers

__version__: str  # of what is installed, asked for on first use
__all__ = [
    "Block",
    "DoubleTower",
    "EmbeddingStore",
    "EncodeConfig",
    "IdentityCard",
    "ItemTower",
    "RecallConfig",
    "StoreError",
    "TableError",
    "TextEncoder",
    "TowerConfig",
    "ValidationReport",
    "check_as_of",
    "check_contexts",
    "check_same_ids",
    "drop_unknown_items",
    "encode_items",
    "export_embeddings",
    "id_keys",
    "preset",
    "read_contexts",
    "read_impressions",
    "read_interactions",
    "read_items",
    "read_table",
    "read_together",
    "register_item_tower",
    "render_items",
    "train_towers",
    "validate_contexts",
    "validate_impressions",
    "validate_interactions",
    "validate_items",
    "write_store",
]

_HOME = {
    "Block": "learn_recall.store.card",
    "DoubleTower": "learn_recall.towers.double_tower",
    "EmbeddingStore": "learn_recall.store.read",
    "EncodeConfig": "learn_recall.encode.config",
    "IdentityCard": "learn_recall.store.card",
    "ItemTower": "learn_recall.towers.item_towers",
    "RecallConfig": "learn_recall.towers.config",
    "StoreError": "learn_recall.errors",
    "TableError": "learn_recall.tables.problems",
    "TextEncoder": "learn_recall.encoder.text_encoder",
    "TowerConfig": "learn_recall.towers.config",
    "ValidationReport": "learn_recall.tables.problems",
    "check_as_of": "learn_recall.store.as_of",
    "check_contexts": "learn_recall.tables.links",
    "check_same_ids": "learn_recall.tables.links",
    "drop_unknown_items": "learn_recall.tables.links",
    "encode_items": "learn_recall.encode.job",
    "export_embeddings": "learn_recall.export.vectors",
    "id_keys": "learn_recall.store.ids",
    "preset": "learn_recall.towers.presets",
    "read_contexts": "learn_recall.tables.read",
    "read_impressions": "learn_recall.tables.read",
    "read_interactions": "learn_recall.tables.read",
    "read_items": "learn_recall.tables.read",
    "read_table": "learn_recall.tables.read",
    "read_together": "learn_recall.tables.read",
    "register_item_tower": "learn_recall.towers.item_towers",
    "render_items": "learn_recall.text.prompt",
    "train_towers": "learn_recall.train.loop",
    "validate_contexts": "learn_recall.tables.read",
    "validate_impressions": "learn_recall.tables.read",
    "validate_interactions": "learn_recall.tables.read",
    "validate_items": "learn_recall.tables.read",
    "write_store": "learn_recall.store.write",
}

open_old_doors(MOVED)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("learn_recall.files.package_version").package_version()
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
