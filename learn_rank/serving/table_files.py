"""Frozen tables as files: the rows as they are looked up, in the dtype that serving wants."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.rows import DTYPES, FrozenRows, dequantised, empty_rows, put
from learn_rank.serving.manifest import TableFile
from learn_recall.files.whole_files import atomic_path, sha256_of_file

_ROWS_AT_ONCE = 1 << 16


def stored_as(rows: FrozenRows, dtype: str | None) -> FrozenRows:
    """The rows in another dtype; the same ones where it is theirs or None.

    Raises:
        ValueError: an unknown dtype.
    """
    if dtype is None or (dtype in DTYPES and rows.vectors.dtype == DTYPES[dtype]):
        return rows
    fresh = empty_rows(rows.keys, rows.vectors.shape[1], dtype)
    for at in torch.arange(len(rows.keys)).split(_ROWS_AT_ONCE):
        scales = None if rows.scales is None else rows.scales[at]
        put(fresh, at, dequantised(rows.vectors[at], scales), rows.has_vector[at])
    return fresh


def write_table(
    folder: Path,
    name: str,
    table: FrozenEmbedding,
    dtype: str | None,
    *,
    block_names: tuple[str, ...],
    trained_with: str,
    space: dict[str, object] | None,
) -> TableFile:
    """Write a table's rows under a name made of its content, and describe them."""
    rows = stored_as(table.rows, dtype)
    tensors = {field: tensor.contiguous() for field, tensor in rows._asdict().items() if tensor is not None}
    file = f"{name}-{table.identity[:12]}.safetensors"
    with atomic_path(folder / file) as temporary:
        save_file(tensors, temporary, metadata={"identity": table.identity})
    names = block_names if block_names else ("",) * len(table.blocks)
    return TableFile(
        file=file,
        sha256=sha256_of_file(folder / file),
        dtype=str(rows.vectors.dtype).removeprefix("torch."),
        n_ids=len(rows.keys),
        n_present=int(rows.has_vector.sum()),
        dimension=table.dimension,
        blocks=tuple((name, *span) for name, span in zip(names, table.blocks, strict=True)),
        identity=table.identity,
        trained_with=trained_with,
        space=space,
    )


def read_table(folder: Path, table: TableFile) -> FrozenRows:
    """The rows of a file."""
    tensors = load_file(folder / table.file)
    return FrozenRows(tensors["keys"], tensors["vectors"], tensors.get("scales"), tensors["has_vector"])
