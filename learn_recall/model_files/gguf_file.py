"""A GGUF file before it is converted: is it one, is it whole, does it hold a model and a vocabulary."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learn_recall.errors import EncoderError, said_by

SUFFIX = ".gguf"
INSTALL = "pip install gguf accelerate"
_MAGIC = b"GGUF"
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_COPY_AGAIN = "copy or download the file again"
_NEEDS_MERGES = ("gpt2",)  # byte-level BPE; a sentencepiece vocabulary has scores instead


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file says of itself.

    Args:
        path: the file.
        architecture: as llama.cpp names it, "llama".
        quantisation: the type of most numbers of the weights, "Q4_1"; "F32", "F16", "BF16" where there is
            none.
        tensor_types: how many tensors there are of each type.
    """

    path: Path
    architecture: str
    quantisation: str
    tensor_types: dict[str, int]


def find_gguf(folder: Path) -> Path | None:
    """The GGUF file of a folder; None where it holds none.

    Raises:
        EncoderError: there are several, so that one must be named.
    """
    found = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:4])
        raise EncoderError(
            f"encoder {folder}: expected one {SUFFIX} file, got {len(found)} ({names}). Remedy: name one "
            f"of them"
        )
    return found[0] if found else None


def read_gguf(path: Path) -> GgufFile:
    """Look at a GGUF file; weights are not read, but that all of them are there is seen.

    Args:
        path: the file.

    Raises:
        EncoderError: no GGUF, cut, of a newer kind, one part of several, without a model, or with a
        vocabulary
            from which no tokenizer can be made; or the package `gguf` is not installed.
    """
    with open(path, "rb") as file:
        magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise _wrong(path, "a GGUF file, which begins with the bytes GGUF", repr(magic), _COPY_AGAIN)
    if _PART.search(path.stem):
        remedy = "join the parts with `llama-gguf-split --merge` of llama.cpp"
        raise _wrong(path, "a whole model", "one part of several", remedy)
    try:
        from gguf import GGUFReader  # noqa: PLC0415 - an extra: only who reads such files needs it
    except ModuleNotFoundError:
        raise _wrong(path, "the package gguf, which reads such files", "none installed", INSTALL) from None
    with _as_encoder_error(path):
        reader = GGUFReader(path)
        architecture = _field(reader, "general.architecture")
        types: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for tensor in reader.tensors:
            types[tensor.tensor_type.name] += 1
            sizes[tensor.tensor_type.name] += int(tensor.n_elements)
        n_blocks = _field(reader, f"{architecture}.block_count")
        kind = _field(reader, "tokenizer.ggml.model")
    if not isinstance(architecture, str) or n_blocks is None or not types:
        raise _wrong(path, "a model with its weights", "a file without them", "choose another file")
    if kind is None or "tokenizer.ggml.tokens" not in reader.fields:
        raise _wrong(path, "a tokenizer in the file", "none", "choose a file that holds its vocabulary")
    if kind in _NEEDS_MERGES and "tokenizer.ggml.merges" not in reader.fields:
        remedy = "choose a file that a newer llama.cpp has written"
        raise _wrong(path, f"a vocabulary of kind {kind} with its merges", "one without them", remedy)
    if "blk.0.attn_norm.weight" not in {tensor.name for tensor in reader.tensors} and not any(
        tensor.name.startswith("blk.0.") for tensor in reader.tensors
    ):
        raise _wrong(path, "the weights of the blocks", "none of block 0", _COPY_AGAIN)
    return GgufFile(path, architecture, sizes.most_common(1)[0][0], dict(sorted(types.items())))


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _wrong(path: Path, expected: str, got: str, remedy: str) -> EncoderError:
    return EncoderError(f"encoder {path}: expected {expected}, got {got}. Remedy: {remedy}")


@contextmanager
def _as_encoder_error(path: Path) -> Iterator[None]:
    """Say what the reader's own errors mean: they speak of array shapes and enumerations."""
    try:
        yield
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        said = said_by(error)
        if "GGMLQuantizationType" in said:
            number = re.search(r"\d+(?!.*\d)", said.partition(" is not")[0])
            got = f"type {number[0] if number else '?'}, which the package gguf does not know"
            remedy = "pip install --upgrade gguf, or choose a file of a common type such as Q8_0"
            raise _wrong(path, "tensors of a known type", got, remedy) from None
        raise _wrong(
            path, "a whole GGUF file", f"one that is cut or damaged ({said[:120]})", _COPY_AGAIN
        ) from None


__all__ = ["INSTALL", "SUFFIX", "GgufFile", "find_gguf", "read_gguf"]
