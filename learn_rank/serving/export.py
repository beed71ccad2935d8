"""`export_ranker`: a trained ranker as a program of plain tensors, with its frozen tables beside it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo import config as dynamo_config
from torchrec import KeyedJaggedTensor

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.serving.example import example_of
from learn_rank.serving.manifest import MANIFEST, ExportError, Manifest, TableFile
from learn_rank.serving.swap import VectorSource
from learn_rank.serving.table_files import stored_as, write_table
from learn_rank.serving.tensor_ranker import Features, ServingRanker, Tables, rows_as_inputs, scores_of
from learn_recall.files.package_version import package_version
from learn_recall.files.whole_files import atomic_path, sha256_of_file, write_json

PROGRAM, TORCHSCRIPT = "program.pt2", "program.ts"


def export_ranker(
    ranker: nn.Module,
    out: str | os.PathLike[str],
    sparse: KeyedJaggedTensor,
    dense: Tensor,
    *,
    dtype: str | None = None,
    sources: Mapping[str, VectorSource] | None = None,
    per_request: Sequence[str] = (),
    torchscript: bool = False,
    choice: Mapping[str, Any] | None = None,
) -> Path:
    """Write a ranker as it is served: any number of rows, nothing that only training needs.

    Args:
        ranker: any host with ``forward(sparse, dense)`` that reads ``sparse[name]`` and torchrec's embedding
            collections, with or without a `LearnFeatureFusion`; it is not changed. A ranker of the engine is
            loaded into one process first.
        out: folder to make or replace, in one step.
        sparse: example rows, at least two, every feature with at least two values among them.
        dense: (B, n_dense) float32 of the same rows.
        dtype: of the frozen tables in the export: "float32", "float16" or "int8"; None keeps theirs.
        sources: module name of a frozen table ("fusion.item_vectors") -> the store that it was loaded from.
            Checked against the table; with it `swap_vectors` knows which vectors belong here.
        per_request: features that are the same for all rows of a request, such as the user's id and history;
            the program then takes one request a call, and looks them up once, not once a candidate.
        torchscript: also write ``program.ts`` by `torch.jit.trace`, for runtimes that load nothing else.
        choice: for the manifest, where rankers were chosen from: which serves which head, and why.

    Returns:
        The folder: program.pt2, one ``.safetensors`` a table, manifest.json.

    Raises:
        ExportError: example rows that are too few, names that are no features, sources that are not the
            ranker's, or a program whose scores are not the ranker's.
        ValueError: an unknown dtype, a table shared by several processes, or a weighted embedding collection.
    """
    sources = {} if sources is None else sources
    found = {name: module for name, module in ranker.named_modules() if isinstance(module, FrozenEmbedding)}
    unknown = sorted(set(sources) - set(found))
    if unknown:
        raise ExportError(f"sources: expected names among {list(found)}, got {unknown}.")
    for name, source in sources.items():
        source.check_same(name, found[name])
    example = example_of(sparse, dense, tuple(per_request))
    features, sparse = example.features, example.sparse

    serving = ServingRanker(ranker, tuple(per_request))
    tables = {name: rows_as_inputs(stored_as(table.rows, dtype)) for name, table in found.items()}
    serving.drop_unused_parameters(features, dense, tables)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations inside export and trace
        # nearly every operation is met once: remembering each takes a quarter of the time and saves none
        with dynamo_config.patch(fake_tensor_cache_enabled=False):
            program = torch.export.export(
                serving,
                (features, dense, tables),
                dynamic_shapes=example.free_sizes(tables),
                strict=False,
            )
        scores = program.module()(features, dense, tables)
        _check_scores(serving(features, dense, tables), scores)
        script = None
        if torchscript:
            script = torch.jit.trace(
                _PlainArguments(serving, features, tables), _plain(features, dense, tables)
            )
            fewer = example.all_but_one
            found_scores = script(*_plain(fewer, dense[:-1], tables))
            _check_scores(serving(fewer, dense[:-1], tables), dict(zip(scores, found_scores, strict=True)))
        change = _change(ranker, sparse, dense, scores)
        with atomic_path(out, folder=True) as temporary:
            torch.export.save(program, temporary / PROGRAM)
            if script is not None:
                script.save(str(temporary / TORCHSCRIPT))
            write_json(
                temporary / MANIFEST,
                Manifest(
                    ranker=type(ranker).__name__,
                    fusions=_fusions(ranker),
                    features=tuple(features),
                    per_request=tuple(per_request),
                    n_dense=dense.shape[1],
                    scores=tuple(scores),
                    tables={
                        name: _write_table(temporary, name, table, dtype, sources.get(name))
                        for name, table in found.items()
                    },
                    program=(PROGRAM, sha256_of_file(temporary / PROGRAM)),
                    torchscript=(TORCHSCRIPT, sha256_of_file(temporary / TORCHSCRIPT))
                    if torchscript
                    else None,
                    torchscript_inputs=_plain_names(features, tables),
                    max_change=change,
                    versions={
                        "learn_rank": package_version(),
                        "torch": torch.__version__,
                        "torchrec": version("torchrec"),
                    },
                    choice=None if choice is None else dict(choice),
                ),
            )
    return Path(out)


class _PlainArguments(nn.Module):
    """The same with one tensor an argument, in the order of the manifest; gives the scores in their order."""

    def __init__(self, serving: ServingRanker, features: Features, tables: Tables) -> None:
        super().__init__()
        self.serving = serving
        self.features = {name: list(parts) for name, parts in features.items()}
        self.tables = {name: list(parts) for name, parts in tables.items()}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = iter(tensors)
        features = {name: {part: next(given) for part in parts} for name, parts in self.features.items()}
        dense = next(given)
        tables = {name: {part: next(given) for part in parts} for name, parts in self.tables.items()}
        return tuple(self.serving(features, dense, tables).values())


def _plain(features: Features, dense: Tensor, tables: Tables) -> tuple[Tensor, ...]:
    of_features = [tensor for parts in features.values() for tensor in parts.values()]
    return (*of_features, dense, *(tensor for parts in tables.values() for tensor in parts.values()))


def _plain_names(features: Features, tables: Tables) -> tuple[str, ...]:
    of_features = [f"{name}.{part}" for name, parts in features.items() for part in parts]
    return (*of_features, "dense", *(f"{name}.{part}" for name, parts in tables.items() for part in parts))


def _check_scores(expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    for name, score in expected.items():
        if not torch.allclose(score, found[name], rtol=1e-5, atol=1e-6):
            raise ExportError(
                f"{name}: expected the ranker's scores of the example rows, got others, by up to "
                f"{(score - found[name]).abs().max():g}. Remedy: no randomness and no branch on values in "
                "the host's forward."
            )


def _change(ranker: nn.Module, sparse: KeyedJaggedTensor, dense: Tensor, scores: dict[str, Tensor]) -> float:
    was_training = ranker.training
    own = scores_of(ranker.eval()(sparse, dense))
    ranker.train(was_training)
    return max(float((own[name] - score).abs().max()) for name, score in scores.items())


def _write_table(
    folder: Path, name: str, table: FrozenEmbedding, dtype: str | None, source: VectorSource | None
) -> TableFile:
    return write_table(
        folder,
        name,
        table,
        dtype,
        block_names=() if source is None else source.block_names,
        trained_with=table.identity,
        space=None if source is None else source.space,
    )


def _fusions(ranker: nn.Module) -> dict[str, dict[str, object]]:
    return {
        name: {"class": type(module).__name__, "config": asdict(module.config)}
        for name, module in ranker.named_modules()
        if isinstance(module, LearnFeatureFusion)
    }


__all__ = ["PROGRAM", "TORCHSCRIPT", "export_ranker"]
