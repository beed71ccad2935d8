"""The rows of frozen vectors that one process holds: stored in fp32, fp16 or int8, read as float32.

R rows, D dimensions. All tensors but the keys have one row more, which answers for every id without a vector.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}
_INT8_MAX = 127


class FrozenRows(NamedTuple):
    """Keys in ascending order and what belongs to each.

    Attributes:
        keys: (R,) ascending; int32 where all fit, as counted ids do, else int64, as hashes of strings are.
        vectors: (R + 1, D) float32, float16 or int8; row R is zeros.
        scales: (R + 1,) bfloat16, the unit of an int8 vector; None in the other dtypes.
        has_vector: (R + 1,) bool; row R is False.
    """

    keys: Tensor
    vectors: Tensor
    scales: Tensor | None
    has_vector: Tensor

    @property
    def n_bytes(self) -> int:
        """Memory of the vectors and their scales, in bytes."""
        return self.vectors.nbytes + (0 if self.scales is None else self.scales.nbytes)


def empty_rows(keys: Tensor, dimension: int, dtype: str) -> FrozenRows:
    """Rows for ascending `keys` whose vectors are still to come (`put`).

    Raises:
        ValueError: the dtype is none of "float32", "float16", "int8".
    """
    if dtype not in DTYPES:
        raise ValueError(
            f"dtype: expected one of {list(DTYPES)}, got {dtype!r}. Remedy: name one of them, or None."
        )
    n_rows = len(keys) + 1
    return FrozenRows(
        _narrowed(keys),
        torch.zeros(n_rows, dimension, dtype=DTYPES[dtype]),
        torch.zeros(n_rows, dtype=torch.bfloat16) if dtype == "int8" else None,
        torch.zeros(n_rows, dtype=torch.bool),
    )


def put(rows: FrozenRows, at: Tensor, vectors: Tensor, has_vector: Tensor) -> None:
    """Write vectors into `rows`, which is the caller's own and not in use yet.

    Args:
        rows: of `empty_rows`.
        at: (n,) rows to write.
        vectors: (n, D) float16 or float32.
        has_vector: (n,) bool; where it is False the vector is ignored and zeros are stored.

    Raises:
        ValueError: a present vector is not finite, or too large for the dtype.
    """
    vectors = torch.where(has_vector[:, None], vectors.float(), 0.0)
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("vectors: expected finite values, got NaN or inf. Remedy: encode those ids again.")
    stored, scales = quantised(vectors) if rows.scales is not None else (vectors.to(rows.vectors.dtype), None)
    if scales is None and not bool(torch.isfinite(stored).all()):
        raise ValueError(
            f"vectors: expected components that fit {rows.vectors.dtype}, got {vectors.abs().max():g}. "
            'Remedy: dtype="float32" or "int8", or normalise the vectors.'
        )
    rows.vectors[at] = stored
    rows.has_vector[at] = has_vector
    if rows.scales is not None and scales is not None:
        rows.scales[at] = scales


def quantised(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 with one scale a row.

    Definition: ``scale = max|x| / 127`` in bfloat16, whose range is that of float32, so that no row is too
    small or too large; ``stored = round(x / scale)``. The error of a component is at most ``scale / 2``.

    Args:
        vectors: (n, D) float32, finite.

    Returns:
        (n, D) int8 and (n,) bfloat16.
    """
    largest = vectors.abs().amax(dim=1)
    scales = (largest * ((1 + 2**-8) / _INT8_MAX)).to(
        torch.bfloat16
    )  # rounded up, so that nothing is clipped
    divisor = torch.where(scales > 0, scales.float(), 1.0)
    return (vectors / divisor[:, None]).round().clamp(-_INT8_MAX, _INT8_MAX).to(torch.int8), scales


def dequantised(stored: Tensor, scales: Tensor | None) -> Tensor:
    """(n, D) stored vectors -> float32."""
    vectors = stored.float()
    return vectors if scales is None else vectors * scales.float()[:, None]


def row_of(keys: Tensor, ids: Tensor) -> Tensor:
    """(R,) ascending keys, ids of any shape -> row of each id, R where it is unknown."""
    if keys.shape[0] == 0:
        return torch.zeros_like(ids)
    if may_look_at(keys) and int(keys[-1]) - int(keys[0]) == keys.shape[0] - 1:  # ids counted without a gap
        at = ids.long() - keys[0]
        return torch.where((at >= 0) & (at < keys.shape[0]), at, keys.shape[0])
    # ids in order walk through the keys in order: a third of the time that random steps take in a large table
    sorted_ids, order = ids.reshape(-1).sort()
    # an id that does not fit the keys' dtype is searched for as another one, but compared as it is
    at = torch.searchsorted(keys, sorted_ids.to(keys.dtype)).clamp(max=keys.shape[0] - 1)
    row = torch.where(keys.index_select(0, at) == sorted_ids, at, keys.shape[0])
    return torch.empty_like(row).scatter_(0, order, row).reshape(ids.shape)


def may_look_at(tensor: Tensor) -> bool:
    """Whether what is computed next may depend on the tensor's values: on a CPU, and in no graph."""
    in_a_graph = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not in_a_graph and tensor.device.type == "cpu"


def _narrowed(keys: Tensor) -> Tensor:
    """Ascending keys in the smallest of the two dtypes that holds them."""
    bounds = torch.iinfo(torch.int32)
    fits = len(keys) > 0 and int(keys[0]) >= bounds.min and int(keys[-1]) <= bounds.max
    return keys.to(torch.int32) if fits else keys


def look_up(
    ids: Tensor, keys: Tensor, vectors: Tensor, scales: Tensor | None, has_vector: Tensor
) -> tuple[Tensor, Tensor]:
    """Vectors of ids, the tensors being those of `FrozenRows`.

    Returns:
        float32 of shape (..., D), and ``has_vector`` of shape (...); an unknown id gives zeros and False.
    """
    row = row_of(keys, ids)
    flat = row.reshape(-1)
    found = dequantised(vectors.index_select(0, flat), None if scales is None else scales[flat])
    return found.reshape(*ids.shape, vectors.shape[1]), has_vector[row]


def row_runs(differs: Tensor) -> tuple[Tensor, Tensor]:
    """Where the runs of equal rows begin, and the run of each row.

    Args:
        differs: (B - 1,) bool, whether each row but the first differs from the one before it; B at least 1.

    Returns:
        (R,) first row of each run, and (B,) the number of each row's run.
    """
    is_new_B = torch.cat([differs.new_ones(1), differs])
    return is_new_B.nonzero()[:, 0], is_new_B.cumsum(0) - 1


def run_slices(first: Tensor, n_rows: int) -> list[slice]:
    """The rows of each run: (R,) first rows and B -> R slices."""
    starts = first.tolist()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n_rows], strict=True)]
