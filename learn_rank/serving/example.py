"""The rows that a program is recorded with: names, widths, and which sizes are free."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchrec import KeyedJaggedTensor

from learn_rank.serving.exported import features_of, of_request
from learn_rank.serving.manifest import ExportError
from learn_rank.serving.tensor_ranker import Features, Tables


class Example(NamedTuple):
    """Rows as the program takes them and as the ranker takes them.

    Attributes:
        features: name -> values and lengths, those of the request once.
        sparse: the same, with every feature in every row.
        per_request: names of the features of the request.
        single: those of them with one id in every row: their size is no matter of the program.
    """

    features: Features
    sparse: KeyedJaggedTensor
    per_request: tuple[str, ...]
    single: frozenset[str]

    @property
    def all_but_one(self) -> Features:
        """Other sizes, which a loop over the data would have baked in."""
        return {
            name: parts
            if name in self.per_request
            else {
                "values": parts["values"][: int(parts["lengths"][:-1].sum())],
                "lengths": parts["lengths"][:-1],
            }
            for name, parts in self.features.items()
        }

    def free_sizes(self, tables: Tables) -> tuple[object, ...]:
        """`dynamic_shapes` of features, dense features and tables."""
        free, rows = {0: torch.export.Dim.DYNAMIC}, {0: torch.export.Dim("rows", min=0)}
        return (
            {
                name: {
                    "values": None if name in self.single else free,
                    "lengths": None if name in self.per_request else rows,
                }
                for name in self.features
            },
            rows,
            {name: dict.fromkeys(parts, free) for name, parts in tables.items()},
        )


def example_of(sparse: KeyedJaggedTensor, dense: Tensor, per_request: tuple[str, ...]) -> Example:
    """Check the rows that somebody gave, and make one request of them where one is asked for.

    Raises:
        ExportError: too few rows or values, or names that are no features.
    """
    features = features_of(sparse, tuple(sparse.keys()))
    unknown = sorted(set(per_request) - set(features))
    if unknown:
        raise ExportError(f"per_request: expected names among {list(features)}, got {unknown}.")
    single = frozenset(name for name in per_request if bool((features[name]["lengths"] == 1).all()))
    if per_request:
        sparse = _one_request(features, per_request, single)
        features |= {name: of_request(name, features_of(sparse, (name,))[name]) for name in per_request}
    short = [name for name, parts in features.items() if len(parts["values"]) < 2 and name not in single]
    if len(dense) < 2 or short:  # torch.export takes a size of 0 or 1 for a constant
        raise ExportError(
            f"sparse and dense: expected at least two rows and two values of every feature, got "
            f"{len(dense)} rows and fewer values of {short}. Remedy: give some rows of the validation set"
            f"{', one of them with two values of each' if per_request else ''}."
        )
    return Example(features, sparse, per_request, single)


def _one_request(
    features: Features, per_request: tuple[str, ...], single: frozenset[str]
) -> KeyedJaggedTensor:
    """All rows with the request of one of them: of that whose shortest list is the longest."""
    lists = [features[name]["lengths"] for name in per_request if name not in single]
    n_rows = len(features[per_request[0]]["lengths"])
    at = int(torch.stack(lists).amin(0).argmax()) if lists else 0
    rows = dict(features)
    for name in per_request:
        stops = features[name]["lengths"].cumsum(0)
        width = int(features[name]["lengths"][at])
        values = features[name]["values"][int(stops[at]) - width : int(stops[at])]
        rows[name] = {"values": values.repeat(n_rows), "lengths": torch.full((n_rows,), width)}
    return KeyedJaggedTensor(
        keys=list(rows),
        values=torch.cat([parts["values"] for parts in rows.values()]),
        lengths=torch.cat([parts["lengths"] for parts in rows.values()]),
    )


__all__ = ["Example", "example_of"]
