"""`manifest.json`: what an export takes, gives and holds, with the hash of every file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learn_recall.files.whole_files import read_json, sha256_of_file
from learn_recall.store.card import IdentityCard

MANIFEST = "manifest.json"
FORMAT_VERSION = 2


class ExportError(ValueError):
    """An export cannot be made, read or given these vectors; the message says why and the remedy."""


@dataclass(frozen=True)
class TableFile:
    """One frozen table beside the program.

    Attributes:
        file: its name in the folder; sha256: of its bytes.
        dtype: "float32", "float16" or "int8".
        n_ids: rows; n_present: those with a vector; dimension: D.
        blocks: (name, start, stop) of the parts; the names are empty where the vectors came without a card.
        identity: which vectors these are.
        trained_with: which vectors the ranker was trained with; equal to `identity` until a swap.
        space: what made the vectors (`space_of`), equal for all vectors that may be swapped in; None: not
            known.
    """

    file: str
    sha256: str
    dtype: str
    n_ids: int
    n_present: int
    dimension: int
    blocks: tuple[tuple[str, int, int], ...]
    identity: str
    trained_with: str
    space: dict[str, Any] | None


@dataclass(frozen=True)
class Manifest:
    """The whole of an export.

    Attributes:
        ranker: class of the host; fusions: name of each plugin -> its class and config.
        features: names of the id features, each given as values (n,) and lengths (B,), int64.
        per_request: those of them that are given once for all rows, with lengths (1,).
        n_dense: width of the dense features, float32.
        scores: names of the (B,) outputs.
        tables: module name -> file.
        program, torchscript: file and sha256; the second is None where it was not asked for.
        torchscript_inputs: order of its plain arguments.
        max_change: largest change of a score on the example rows by storing the tables as they are stored.
        versions: of learn_rank, torch and torchrec.
        choice: which ranker serves which head and why, of an export that was chosen (`auto`); else None.
    """

    ranker: str
    fusions: dict[str, dict[str, Any]]
    features: tuple[str, ...]
    per_request: tuple[str, ...]
    n_dense: int
    scores: tuple[str, ...]
    tables: dict[str, TableFile]
    program: tuple[str, str]
    torchscript: tuple[str, str] | None
    torchscript_inputs: tuple[str, ...]
    max_change: float
    versions: dict[str, str]
    choice: dict[str, Any] | None = None
    format_version: int = FORMAT_VERSION


def space_of(card: IdentityCard, blocks: tuple[str, ...]) -> dict[str, Any]:
    """What two versions of the same vectors have in common: encoder, prompt, tower, and the blocks used."""
    fields = ("kind", "encoder_sha256", "prompt", "pooling", "max_tokens", "tower")
    widths = {block.name: block.stop - block.start for block in card.blocks}
    return {name: getattr(card, name) for name in fields} | {
        "blocks": {name: widths[name] for name in blocks}
    }


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        ExportError: the folder holds none, or one of another format.
    """
    if not (folder / MANIFEST).is_file():
        raise ExportError(
            f"{folder}: expected an export ({MANIFEST}), found none. Remedy: export_ranker first."
        )
    saved: dict[str, Any] = {"choice": None, **read_json(folder / MANIFEST)}  # older exports chose nothing
    names = {field.name for field in dataclasses.fields(Manifest)}
    if saved.get("format_version") != FORMAT_VERSION or set(saved) != names:
        raise ExportError(
            f"{folder / MANIFEST}: expected format_version {FORMAT_VERSION} with {sorted(names)}, got "
            f"{saved.get('format_version')} with {sorted(saved)}. Remedy: export again with this version."
        )
    tables = {
        name: TableFile(**{**table, "blocks": tuple((n, a, b) for n, a, b in table["blocks"])})
        for name, table in saved["tables"].items()
    }
    tuples = {
        name: None if saved[name] is None else tuple(saved[name])
        for name in ("features", "per_request", "scores", "program", "torchscript", "torchscript_inputs")
    }
    return Manifest(**{**saved, **tuples, "tables": tables})


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Compare files with their hashes.

    Raises:
        ExportError: names each file that is absent or differs.
    """
    problems = []
    for name, expected in files.items():
        path = folder / name
        found = sha256_of_file(path) if path.is_file() else "no file"
        if found != expected:
            problems.append(f"{name}: expected sha256 {expected[:12]}, got {found[:12]}")
    if problems:
        raise ExportError(f"{folder}: {'; '.join(problems)}. Remedy: copy the export again, or export anew.")
