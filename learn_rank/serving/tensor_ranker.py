"""A ranker over plain tensors: what `torch.export` and `torch.jit.trace` can record with any number of rows.

A `KeyedJaggedTensor` finds its features by lengths that are values of a tensor, on which a recorded program
cannot branch. Here every feature comes as its own values and lengths, torchrec's embedding collections are
called through the kernel that they call themselves, and the frozen tables are inputs, so that a newer table
with more rows needs no new program.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torchrec import EmbeddingBagCollection, EmbeddingCollection, JaggedTensor, KeyedTensor

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.rows import FrozenRows
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion

Features = dict[str, dict[str, Tensor]]
Tables = dict[str, dict[str, Tensor]]


class ServingRanker(nn.Module):
    """A copy of a host that takes ``{name: {"values", "lengths"}}``, dense features and frozen tables.

    Args:
        ranker: ``forward(sparse, dense)``, which reads ``sparse[name]`` and torchrec's embedding collections
            only.
        per_request: features that come with one row for all rows of the dense features.

    Raises:
        ValueError: a frozen table is shared by several processes, or an embedding collection is weighted.
    """

    def __init__(self, ranker: nn.Module, per_request: tuple[str, ...] = ()) -> None:
        super().__init__()
        frozen = [module.rows for module in ranker.modules() if isinstance(module, FrozenEmbedding)]
        shared = {id(tensor): tensor for rows in frozen for tensor in rows if tensor is not None}
        self.ranker = copy.deepcopy(ranker, shared).eval().requires_grad_(False)  # but no second table
        self.table_names: list[str] = []
        for name, module in list(self.ranker.named_modules()):
            if isinstance(module, EmbeddingBagCollection):
                _put(self.ranker, name, _PlainBags(module, per_request))
            elif isinstance(module, EmbeddingCollection):
                _put(self.ranker, name, _PlainSequences(module))
            elif isinstance(module, FrozenEmbedding):
                _check_replicated(name, module)
                self.table_names.append(name)
            elif isinstance(module, LearnFeatureFusion):
                module.auxiliary_logit = _no_logit  # type: ignore[method-assign]

    def forward(self, features: Features, dense: Tensor, tables: Tables) -> dict[str, Tensor]:
        """Name of each score -> (B,)."""
        frozen = [self._frozen(name) for name in self.table_names]
        own = [rows_as_inputs(table.rows) for table in frozen]
        try:
            for table, name in zip(frozen, self.table_names, strict=True):
                _hold(table, tables[name])
            for module in self.ranker.modules():
                if isinstance(module, _PlainBags):
                    module.n_rows = dense.shape[0]
            sparse = {
                name: JaggedTensor(feature["values"], lengths=feature["lengths"])
                for name, feature in features.items()
            }
            return scores_of(self.ranker(sparse, dense))
        finally:
            for table, rows in zip(frozen, own, strict=True):
                _hold(table, rows)

    def drop_unused_parameters(self, features: Features, dense: Tensor, tables: Tables) -> list[str]:
        """Remove the parameters that no score depends on, such as an auxiliary head; returns their names."""
        # as in training: scoring may leave out what these rows do not need, such as a fallback
        with _SeenParameters() as seen, torch.enable_grad():
            self(features, dense, tables)
        unused = [name for name, parameter in self.named_parameters() if id(parameter) not in seen.ids]
        for name in unused:
            owner, _, own = name.rpartition(".")
            self.get_submodule(owner)._parameters[own] = None
        return [name.removeprefix("ranker.") for name in unused]

    def _frozen(self, name: str) -> FrozenEmbedding:
        module = self.ranker.get_submodule(name)
        if not isinstance(module, FrozenEmbedding):
            raise TypeError(f"{name}: expected the table of this export, got {type(module).__name__}.")
        return module


def scores_of(output: Any) -> dict[str, Tensor]:
    """The tensors among what a host gives, by name: a tensor, a named tuple, a tuple or a mapping."""
    if isinstance(output, Tensor):
        return {"score": output}
    if isinstance(output, Mapping):
        named = dict(output)
    elif hasattr(output, "_fields"):
        named = output._asdict()
    else:
        named = {f"score_{at}": part for at, part in enumerate(output)}
    return {str(name): part for name, part in named.items() if isinstance(part, Tensor)}


def rows_as_inputs(rows: FrozenRows) -> dict[str, Tensor]:
    """A table as the program takes it; without scales where the dtype has none."""
    return {name: tensor for name, tensor in rows._asdict().items() if tensor is not None}


def _check_replicated(name: str, table: FrozenEmbedding) -> None:
    if table.group is not None:
        raise ValueError(
            f"{name}: expected a replicated table, got one shared row-wise by several processes. Remedy: "
            "load the checkpoint into a ranker with replicated tables in one process, and export that."
        )


def _hold(table: FrozenEmbedding, given: Mapping[str, Tensor]) -> None:
    """Let a table answer from given rows; what it computes with them stays its own affair."""
    for name in FrozenRows._fields:
        setattr(table, name, given.get(name))


class _PlainBags(nn.Module):
    """An `EmbeddingBagCollection` by its own kernel, over a dict of features.

    A feature of the request is looked up once and stands in every row.
    """

    def __init__(self, collection: EmbeddingBagCollection, per_request: tuple[str, ...]) -> None:
        super().__init__()
        if collection.is_weighted():
            raise ValueError(
                "EmbeddingBagCollection: expected an unweighted one, got is_weighted=True. Remedy: write the "
                "weighting into the host's forward."
            )
        self.per_request = per_request
        self.n_rows = 1
        self.table_of: dict[str, str] = {}
        self.mode_of: dict[str, str] = {}
        self.weights = nn.ParameterDict()
        for table in collection.embedding_bag_configs():
            weight = collection.embedding_bags[table.name].weight
            self.weights[table.name] = nn.Parameter(weight.detach().clone(), requires_grad=False)
            for feature in table.feature_names:
                self.table_of[feature], self.mode_of[feature] = table.name, table.pooling.name.lower()

    def forward(self, features: Mapping[str, JaggedTensor]) -> KeyedTensor:
        pooled = []
        for name, table in self.table_of.items():
            lengths_B = features[name].lengths()
            part = functional.embedding_bag(
                features[name].values(),
                self.weights[table],
                lengths_B.cumsum(0) - lengths_B,
                mode=self.mode_of[name],
            )
            pooled.append(part.expand(self.n_rows, -1) if name in self.per_request else part)
        return KeyedTensor(list(self.table_of), [part.shape[1] for part in pooled], torch.cat(pooled, dim=1))


class _PlainSequences(nn.Module):
    """An `EmbeddingCollection` by its own kernel, over a dict of features; lengths stay as they are given."""

    def __init__(self, collection: EmbeddingCollection) -> None:
        super().__init__()
        self.table_of: dict[str, str] = {}
        self.weights = nn.ParameterDict()
        for table in collection.embedding_configs():
            weight = collection.embeddings[table.name].weight
            self.weights[table.name] = nn.Parameter(weight.detach().clone(), requires_grad=False)
            self.table_of |= dict.fromkeys(table.feature_names, table.name)

    def forward(self, features: Mapping[str, JaggedTensor]) -> dict[str, JaggedTensor]:
        return {
            name: JaggedTensor(
                functional.embedding(features[name].values(), self.weights[table]),
                lengths=features[name].lengths(),
            )
            for name, table in self.table_of.items()
        }


class _SeenParameters(TorchFunctionMode):
    """Notes the parameters that functions are called with."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        flat, _ = torch.utils._pytree.tree_flatten((args, kwargs))
        self.ids |= {id(each) for each in flat if isinstance(each, nn.Parameter)}
        return func(*args, **(kwargs if kwargs is not None else {}))


def _no_logit(fusion: Tensor) -> Tensor:
    """In place of the auxiliary head, which only training needs."""
    return fusion.new_zeros(fusion.shape[0])


def _put(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(root.get_submodule(parent), own, module)


__all__ = ["Features", "ServingRanker", "Tables", "rows_as_inputs", "scores_of"]
