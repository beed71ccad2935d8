"""A GGUF file as a model folder: weights in float32 safetensors, config and tokenizer beside them.

Made once per content of the file and kept in a cache, as a model from the hub is.
"""

import importlib.util
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from learn_recall.errors import EncoderError, said_by
from learn_recall.files.whole_files import atomic_path, read_json, sha256_of_file, write_json
from learn_recall.model_files.gguf_file import INSTALL, read_gguf

CACHE_VARIABLE = "LEARN_CACHE"
CARD = "gguf.json"
_FORMAT = 1  # of the folder: another number converts anew


@dataclass(frozen=True)
class GgufCard:
    """Where a converted folder comes from.

    Args:
        file: the name of the GGUF file.
        file_sha256: its hash.
        architecture, quantisation, tensor_types: as in `learn_recall.model_files.gguf_file.GgufFile`.
        versions: of the packages that read it.
    """

    file: str
    file_sha256: str
    architecture: str
    quantisation: str
    tensor_types: dict[str, int]
    versions: dict[str, str]


def cache_folder() -> Path:
    """Where converted models are kept: LEARN_CACHE, else learn_recall in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "learn_recall"


def converted_folder(path: Path) -> Path:
    """The model folder of a GGUF file, converted where the cache does not hold it yet.

    Definition: the numbers of the file, dequantised to float32 by transformers; its config; a tokenizer made
    of its vocabulary; and `gguf.json`, which names the file, its hash and its quantisation. The folder's name
    holds the hash, so that a file that has changed is converted anew. It appears in one step; several
    processes that convert at once write the same.

    Args:
        path: the file; any but a GGUF file is refused.

    Returns:
        The folder, for `TextEncoder.load`; its `gguf.json` is there.

    Raises:
        EncoderError: the file cannot be read (`learn_recall.model_files.gguf_file.read_gguf`) or converted,
        a package that
            does it is not installed, or the cache cannot be written to.
    """
    sha256 = sha256_of_file(path)
    folder = cache_folder() / f"gguf-{_FORMAT}" / f"{path.stem}-{sha256[:16]}"
    if (folder / CARD).is_file():
        return folder
    found = read_gguf(path)
    _check_accelerate(path)
    card = GgufCard(
        file=path.name,
        file_sha256=sha256,
        architecture=found.architecture,
        quantisation=found.quantisation,
        tensor_types=found.tensor_types,
        versions={name: version(name) for name in ("transformers", "tokenizers", "gguf")},
    )
    Console(stderr=True).print(
        f"{path.name}: converted to {folder}, once; about a minute for 100 MB",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    try:
        with atomic_path(folder, folder=True) as made:
            with _as_encoder_error(path):
                _convert(path, made)
            write_json(made / CARD, asdict(card))
    except PermissionError as error:
        raise EncoderError(
            f"encoder {path}: expected a folder for the converted model, got no leave to write "
            f"{error.filename}. Remedy: {CACHE_VARIABLE}=FOLDER before the command, with a folder of your own"
        ) from None
    return folder


def card_of(folder: Path) -> dict[str, Any] | None:
    """What the `gguf.json` of a converted folder says; None of any other folder."""
    path = folder / CARD
    return read_json(path) if path.is_file() else None


def _check_accelerate(path: Path) -> None:
    """Refuse before minutes of reading; transformers asks for it whenever it reads such a file."""
    if importlib.util.find_spec("accelerate") is None:
        raise EncoderError(
            f"encoder {path}: expected the package accelerate, with which transformers reads such files, got "
            f"none installed. Remedy: {INSTALL}"
        )


def _convert(path: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: PLC0415 - seconds, and only here

    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **options)
    tokenizer.save_pretrained(folder)
    config = AutoConfig.from_pretrained(path.parent, **options)
    with redirect_stderr(io.StringIO()):  # a bar that no setting turns off
        model, report = AutoModel.from_pretrained(
            path.parent, config=config, dtype="float32", output_loading_info=True, **options
        )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{len(missing)} weights are missing, first {missing[:3]}")
    model.hf_quantizer = None  # the numbers are plain ones now, and transformers would refuse to write them
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # a cache may be shared


@contextmanager
def _as_encoder_error(path: Path) -> Iterator[None]:
    from learn_recall.model_files.quiet import quiet  # noqa: PLC0415 - loads transformers

    try:
        with quiet():
            yield
    except OSError:
        raise  # no room, no leave
    except Exception as error:
        raise EncoderError(
            f"encoder {path}: expected a model that transformers can make of this file, got "
            f"{type(error).__name__}: {said_by(error)[:300]}. Remedy: choose another file, of an "
            f"architecture "
            "that your transformers knows, or the model's own folder"
        ) from error


__all__ = ["CACHE_VARIABLE", "CARD", "GgufCard", "cache_folder", "card_of", "converted_folder"]
