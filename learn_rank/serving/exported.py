"""`load_exported`: a folder of `export_ranker` as a function from ids and dense features to scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchrec import KeyedJaggedTensor

from learn_rank.serving.manifest import ExportError, Manifest, check_files, read_manifest
from learn_rank.serving.table_files import read_table
from learn_rank.serving.tensor_ranker import Features, Tables, rows_as_inputs

Ragged = Mapping[str, tuple[Tensor, Tensor]]


class ExportedRanker:
    """Scores rows as the ranker did that was exported.

    Attributes:
        manifest: what it takes and gives.
        tables: module name -> tensors of the frozen table.
        folder: where it was read from.

    Args:
        program: ``(features, dense, tables) -> scores``.
        tables: of the manifest.
        manifest: of the folder.
        folder: of `export_ranker`.
    """

    def __init__(self, program: Callable[..., Any], tables: Tables, manifest: Manifest, folder: Path) -> None:
        self.program = program
        self.tables = tables
        self.manifest = manifest
        self.folder = folder

    @torch.inference_mode()
    def __call__(self, sparse: KeyedJaggedTensor | Ragged, dense: Tensor) -> dict[str, Tensor]:
        """Score B rows; any B, 0 included.

        Args:
            sparse: a `KeyedJaggedTensor`, or name -> (values (n,), lengths (B,)), int64, with the features of
                the manifest; others are ignored. A feature of the request (`Manifest.per_request`) has
                lengths (1,), or the same values in every row.
            dense: (B, n_dense) float32.

        Returns:
            Name of each score -> (B,) float32, logits where the ranker gave logits.

        Raises:
            ExportError: a feature is absent, shapes or dtypes do not fit, or the rows are of several
                requests.
        """
        features = features_of(sparse, self.manifest.features)
        features |= {name: of_request(name, features[name]) for name in self.manifest.per_request}
        self._check(features, dense)
        return self.program(features, dense, self.tables)

    def _check(self, features: Features, dense: Tensor) -> None:
        n_rows = dense.shape[0]
        if dense.ndim != 2 or dense.shape[1] != self.manifest.n_dense or dense.dtype != torch.float32:
            raise ExportError(
                f"dense: expected float32 of shape (B, {self.manifest.n_dense}), got {dense.dtype} "
                f"{tuple(dense.shape)}."
            )
        for name, feature in features.items():
            for part, tensor in feature.items():
                if tensor.dtype != torch.int64 or tensor.ndim != 1:
                    raise ExportError(
                        f"{name}: expected {part} int64 of one dimension, got {tensor.dtype} "
                        f"{tuple(tensor.shape)}."
                    )
            expected = 1 if name in self.manifest.per_request else n_rows
            if len(feature["lengths"]) != expected:
                raise ExportError(
                    f"{name}: expected lengths of {expected} rows, {n_rows} as dense has or 1 of the "
                    f"request, got {len(feature['lengths'])}."
                )


def load_exported(folder: str | os.PathLike[str], *, verify: bool = True) -> ExportedRanker:
    """Open an export.

    Args:
        folder: of `export_ranker`.
        verify: compare every file with its hash first; False where that was done before.

    Raises:
        ExportError: there is no export, or a file is not the one that the manifest names.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if verify:
        named = dict([manifest.program]) | {table.file: table.sha256 for table in manifest.tables.values()}
        check_files(folder, named)
    program = torch.export.load(folder / manifest.program[0]).module()
    tables = {name: rows_as_inputs(read_table(folder, table)) for name, table in manifest.tables.items()}
    return ExportedRanker(program, tables, manifest, folder)


def features_of(sparse: KeyedJaggedTensor | Ragged, names: tuple[str, ...]) -> Features:
    """The named features as the program takes them.

    Raises:
        ExportError: one is absent.
    """
    absent = [name for name in names if name not in sparse.keys()]  # noqa: SIM118 - a KJT is no mapping
    if absent:
        raise ExportError(f"sparse: expected the features {list(names)}, lacking {absent}.")
    if isinstance(sparse, KeyedJaggedTensor):
        if sparse.stride() == 0:  # torchrec cannot take an empty one apart
            nothing = torch.zeros(0, dtype=torch.int64)
            return {name: {"values": nothing, "lengths": nothing} for name in names}
        return {
            name: {"values": sparse[name].values().long(), "lengths": sparse[name].lengths().long()}
            for name in names
        }
    return {name: {"values": sparse[name][0], "lengths": sparse[name][1]} for name in names}


def of_request(name: str, feature: dict[str, Tensor]) -> dict[str, Tensor]:
    """The one row of a feature that is the same in all rows of a request.

    Raises:
        ExportError: the rows differ.
    """
    values, lengths = feature["values"], feature["lengths"]
    if len(lengths) < 2:
        return feature
    width = int(lengths[0])
    same = bool((lengths == width).all()) and bool((values.view(len(lengths), width) == values[:width]).all())
    if not same:
        raise ExportError(
            f"{name}: expected one request, whose rows all have the same values, got several. Remedy: one "
            "call a request, or an export without per_request."
        )
    return {"values": values[:width], "lengths": lengths[:1]}


__all__ = ["ExportedRanker", "features_of", "load_exported", "of_request"]
