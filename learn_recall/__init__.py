"""learn_recall: item texts and behaviour become user and item vectors (LEARN, AAAI 2025, the recall half).

Names are loaded on first use, so that importing the package stays light and needs no torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Block": "store",
    "EmbeddingStore": "store",
    "IdentityCard": "store",
    "StoreError": "store",
    "check_as_of": "store",
    "id_keys": "store",
    "write_store": "store",
    "TableError": "tables",
    "ValidationReport": "tables",
    "check_contexts": "tables",
    "check_same_ids": "tables",
    "drop_unknown_items": "tables",
    "read_contexts": "tables",
    "read_impressions": "tables",
    "read_interactions": "tables",
    "read_items": "tables",
    "read_table": "tables",
    "read_together": "tables",
    "validate_contexts": "tables",
    "validate_impressions": "tables",
    "validate_interactions": "tables",
    "validate_items": "tables",
    "render_items": "prompt",
    "TextEncoder": "encoder",
    "encode_items": "encode",
    "train_towers": "train",
    "export_embeddings": "export",
}

__all__ = [  # noqa: PLE0604 - the names of _HOME
    "__version__",
    *_HOME,
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {sorted(_HOME)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
