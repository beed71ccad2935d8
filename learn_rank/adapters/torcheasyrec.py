"""TorchEasyRec: the columns that its `RawFeature` reads, and the lines of its pipeline config.

Its readers take lists of varying size of float32, numbers and text; lists of fixed size, float16 and bool are
refused. So vectors and similarities are one list column each, and presence is a number.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from learn_rank.adapters.join_config import JoinConfig
from learn_rank.adapters.joined_rows import JoinedRows, similarity_names
from learn_recall.store import EmbeddingStore

SEPARATOR = "\x1d"  # of values in text, the default of its feature generation
_SIDE = {"user_vector": "user", "item_vector": "item", "similarity": "context"}


def raw_feature_columns(rows: JoinedRows, *, has_vectors: bool, is_text: bool) -> dict[str, pa.Array]:
    """Columns for `RawFeature`, B rows.

    Args:
        rows: of `join_rows`.
        has_vectors: False leaves the vectors out.
        is_text: numbers joined by `SEPARATOR` instead of lists, for csv and MaxCompute tables.

    Returns:
        ``user_vector``, ``item_vector`` and ``similarity``: list<float> or text; ``has_user_vector`` and
        ``has_item_vector``: float, 1 or 0. A missing vector is zeros, never null.
    """
    wide = {"user_vector": rows.user, "item_vector": rows.item} if has_vectors else {}
    wide["similarity"] = rows.similarities
    make = _texts if is_text else _lists
    columns = {name: make(values) for name, values in wide.items()}
    columns["has_user_vector"] = pa.array(rows.has_user.astype(np.float32))
    columns["has_item_vector"] = pa.array(rows.has_item.astype(np.float32))
    return columns


def raw_feature_config(item_store: EmbeddingStore, config: JoinConfig, *, group_name: str = "learn") -> str:
    """Text protobuf for the joined columns: one `feature_configs` each, and a feature group of them.

    Appended to a pipeline config it is merged into it (`cat pipeline.config learn.config`). The group is for
    a tower of its own; a model with one deep group takes the feature names into that group instead.

    Args:
        item_store: of the join, whose card has the dimension and the blocks.
        config: of the join.
        group_name: of the feature group.

    Raises:
        ValueError: the join has another layout.
    """
    if config.layout == "columns":
        raise ValueError(
            "layout: expected 'torcheasyrec' or 'torcheasyrec_text', got 'columns', whose lists of fixed "
            "size its readers refuse. Remedy: join again with one of them."
        )
    blocks = [block.name for block in item_store.card.blocks]
    dimension = item_store.card.dimension
    names = similarity_names(
        blocks,
        has_history=config.history_column is not None,
        has_conversions=config.converted_column is not None,
    )
    wide = {"user_vector": dimension, "item_vector": dimension} if config.has_vectors else {}
    sizes = {**wide, "similarity": len(names), "has_user_vector": 1, "has_item_vector": 1}
    lines = []
    for name, size in sizes.items():
        column = config.prefix + name
        side = _SIDE.get(name, "user" if name == "has_user_vector" else "item")
        lines += [
            "feature_configs {",
            "  raw_feature {",
            f'    feature_name: "{column}"',
            f'    expression: "{side}:{column}"',
            *([f"    value_dim: {size}"] if size > 1 else []),
            "  }",
            "}",
        ]
    lines += ["model_config {", "  feature_groups {", f'    group_name: "{group_name}"']
    lines += [f'    feature_names: "{config.prefix}{name}"' for name in sizes]
    lines += ["    group_type: DEEP", "  }", "}"]
    return "\n".join(lines) + "\n"


def _lists(values: np.ndarray) -> pa.Array:
    n_rows, size = values.shape
    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(np.arange(n_rows + 1, dtype=np.int32) * size), flat)


def _texts(values: np.ndarray) -> pa.Array:
    shortest = values.astype(np.float32).astype(str)  # the fewest digits that give the same float32 back
    return pa.array([SEPARATOR.join(row) for row in shortest.tolist()], pa.string())


__all__ = ["SEPARATOR", "raw_feature_columns", "raw_feature_config"]
