"""The ids of a batch by row: read by the lengths of a feature, never by the place among its values.

B rows, n values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from learn_rank.frozen.rows import may_look_at

if TYPE_CHECKING:
    from torchrec import JaggedTensor, KeyedJaggedTensor


def feature_of(features: KeyedJaggedTensor, name: str) -> JaggedTensor:
    """A feature of a batch.

    Raises:
        ValueError: it is not there; says what is.
    """
    names = list(features.keys())
    if name not in names:
        raise ValueError(
            f"features: expected the key {name!r}, got {names}. Remedy: put the ids under that key, or name "
            "your own in FusionConfig (user_feature, item_feature, history_feature, converted_feature)."
        )
    return features[name]


def row_ids(features: KeyedJaggedTensor, name: str) -> tuple[Tensor, Tensor]:
    """The one id of each row, or none.

    Args:
        features: of a batch.
        name: of a feature with at most one id a row.

    Returns:
        (B,) ids, -1 where there is none, and (B,) bool, whether there is one.

    Raises:
        ValueError: no such feature, or a row with several ids. Where the lengths lie on an accelerator they
            are not waited for: more ids than rows are refused here, the rest there (`torch._assert_async`).
            In a recorded program a row with several ids is a row without.
    """
    feature = feature_of(features, name)
    values, lengths = feature.values(), feature.lengths()
    if may_look_at(lengths):
        if bool((lengths == 1).all()):
            return values, torch.ones_like(lengths, dtype=torch.bool)
        many = (lengths > 1).nonzero()[:, 0]
        if len(many):
            raise ValueError(
                f"{name}: expected at most one id a row, got {int(lengths[many[0]])} in row {int(many[0])}, "
                f"{len(many)} such rows. Remedy: one id a row, and an empty row where it is not known."
            )
    elif not (torch.compiler.is_compiling() or torch.jit.is_tracing()):
        if values.shape[0] > lengths.shape[0]:
            raise ValueError(
                f"{name}: expected at most one id a row, got {values.shape[0]} ids in {lengths.shape[0]} "
                "rows. Remedy: one id a row, and an empty row where it is not known."
            )
        if lengths.is_cuda:
            torch._assert_async((lengths <= 1).all(), f"{name}: expected at most one id a row, got several")
    has_id_B = lengths == 1
    at_B = torch.where(has_id_B, lengths.cumsum(0) - lengths, values.shape[0])
    return functional.pad(values, (0, 1), value=-1).index_select(0, at_B), has_id_B


def only_given(vectors: Tensor, has_vector: Tensor, has_id: Tensor) -> tuple[Tensor, Tensor]:
    """(B, D) vectors and (B,) presence as looked up, without those of rows that have no id."""
    if may_look_at(has_id) and bool(has_id.all()):
        return vectors, has_vector
    return torch.where(has_id[:, None], vectors, 0.0), has_vector & has_id


def flags_of_history(features: KeyedJaggedTensor, name: str, history: JaggedTensor) -> Tensor:
    """The values of a feature that stand beside those of the history, one each.

    Raises:
        ValueError: no such feature, or another number of values than the history has.
    """
    flags = feature_of(features, name)
    values, lengths = flags.values(), flags.lengths()
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return values
    is_same = values.shape == history.values().shape
    if is_same and may_look_at(lengths):
        is_same = torch.equal(lengths.long(), history.lengths().long())
    if not is_same:
        raise ValueError(
            f"{name}: expected one value for each history item of the same row, got {values.shape[0]} beside "
            f"{history.values().shape[0]} items, or other lengths. Remedy: filter and cut both lists alike."
        )
    return values
