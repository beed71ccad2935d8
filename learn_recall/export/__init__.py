"""Trained towers become stores: the vectors of users and items, and those of new items."""

from learn_recall.export.new_items import (
    add_items,
    version_of,
)
from learn_recall.export.vectors import (
    export_embeddings,
    text_vectors,
)

__all__ = [
    "add_items",
    "export_embeddings",
    "text_vectors",
    "version_of",
]
