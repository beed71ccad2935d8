"""The weight files of a model's folder: which they are, and that none is missing."""

from pathlib import Path
from typing import Any

from learn_recall.errors import EncoderError
from learn_recall.files.whole_files import read_json


def weight_files(path: Path, *, allow_pickle: bool) -> list[str]:
    """The names of the weight files that are loaded, index included.

    Args:
        path: the model's folder.
        allow_pickle: take `pytorch_model*.bin` where there is no safetensors.

    Raises:
        EncoderError: no weights, only some of the files of a model in several, or only pickles and they are
            not allowed.
    """
    for single, kind in (("model.safetensors", "safetensors"), ("pytorch_model.bin", "pickle")):
        index = path / f"{single}.index.json"
        if kind == "pickle" and not allow_pickle:
            found = (path / single).is_file() or index.is_file()
            raise EncoderError(
                f"encoder {path}: expected weights in model.safetensors, "
                f"got {'pytorch_model.bin, a pickle' if found else 'none'}. Remedy: "
                + ("convert them to safetensors" if found else "copy the whole model folder")
            )
        if (path / single).is_file():
            return [single]
        if index.is_file():
            return sorted({index.name, *_shards(index)})
    raise EncoderError(f"encoder {path}: expected weights, got none. Remedy: copy the whole model folder")


def _shards(index: Path) -> set[str]:
    """The weight files that an index names; all are there."""
    names = _read_index(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise EncoderError(
            f"encoder {index}: expected a weight_map from weights to files, got none. Remedy: copy the whole "
            "model folder"
        )
    shards = set(names.values())
    missing = sorted(name for name in shards if not (index.parent / name).is_file())
    if missing:
        raise EncoderError(
            f"encoder {index.parent}: expected the {len(shards)} weight files that {index.name} names, got "
            f"none "
            f"called {', '.join(missing[:3])}. Remedy: copy the whole model folder"
        )
    return shards


def _read_index(path: Path) -> dict[str, Any]:
    try:
        fields = read_json(path)
    except (ValueError, OSError) as error:
        raise EncoderError(f"encoder: {error}") from None
    return fields if isinstance(fields, dict) else {}


__all__ = ["weight_files"]
