"""Tensors and a JSON header in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import atomic_path

_HEADER = "learn_recall"  # one key only: the header's keys have no fixed order


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header into one safetensors file, atomically; equal input gives equal
    bytes.
    """
    text = json.dumps(header, allow_nan=False)
    with atomic_path(path) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()},
            temporary,
            metadata={_HEADER: text},
        )


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read back what `write_tensors` wrote: header and tensors.

    Raises:
        StoreError: a damaged file or one without our header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            if metadata is None or _HEADER not in metadata:
                raise StoreError(
                    f"{path}: expected a checkpoint of learn_recall; got a safetensors file without header"
                )
            names = list(file.keys())
            return json.loads(metadata[_HEADER]), {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise StoreError(
            f"{path}: expected a whole checkpoint; got {error}. Train again with resume off."
        ) from error
