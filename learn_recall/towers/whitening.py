"""Whitening of frozen content vectors, fitted on training items and carried inside the item tower."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learn_recall.towers.config import WHITENINGS

_ROWS_AT_ONCE = 1 << 14


class Whitening(nn.Module):
    """A fixed affine transform of content vectors: none, centre, or ZCA with a ridge.

    Definition, with mean m, covariance ``U diag(s) U^T`` and ridge r x mean(s):
    none: ``c x``; center: ``c (x - m)``; zca of strength a: ``c U diag((s + r mean(s))^-a/2) U^T (x - m)``.
    The scale c makes the mean square of a training component 1, so that a linear layer sees inputs of
    ordinary size.

    All of it is buffers: nothing is trained, and a checkpoint gives a new item the identical transform.

    Args:
        content_dimension: C.
        kind: "none", "center" or "zca".
        ridge: in units of the mean variance; frozen text has near-singular covariance, so 0 is rarely wise.
        strength: a of zca, in [0, 1]: 1 makes all variances equal, 0 only centres.

    Source: ZCA of frozen text before a recommender is WhitenRec (ICDE 2024); LEARN itself does not whiten.
    """

    def __init__(self, content_dimension: int, kind: str = "zca", ridge: float = 0.01, strength: float = 1.0):
        super().__init__()
        if kind not in WHITENINGS:
            raise ValueError(f"kind: expected one of {', '.join(WHITENINGS)}; got {kind!r}")
        self.kind = kind
        self.ridge = ridge
        self.strength = strength
        self.mean: Tensor
        self.directions: Tensor
        self.variances: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(content_dimension))
        self.register_buffer("directions", torch.eye(content_dimension))
        self.register_buffer("variances", torch.ones(content_dimension))
        self.register_buffer("scale", torch.ones(()))
        self._matrix_CC: Tensor | None = None

    def fit(self, content: np.ndarray, rows: np.ndarray | None = None) -> Whitening:
        """Set the transform from content vectors of the items of training interactions; returns self.

        Fitted in float64, chunk by chunk, so that ``content`` may be a memory map. Directions are ordered
        by falling variance and their signs fixed, so equal input gives equal bits.

        Args:
            content: (n, C) float.
            rows: (m,) which of them to fit on, None = all.

        Raises:
            ValueError: no vectors, another width, or vectors that are not finite.
        """
        rows = np.arange(len(content)) if rows is None else rows
        if content.ndim != 2 or content.shape[1] != len(self.mean) or len(rows) == 0:
            raise ValueError(f"content: expected shape (n >= 1, {len(self.mean)}); got {content.shape}")
        chunks = [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
        mean_C = sum(content[chunk].astype(np.float64).sum(axis=0) for chunk in chunks) / len(rows)
        if not np.isfinite(mean_C).all():
            raise ValueError("content: expected finite vectors; got NaN or infinity. Encode them again.")
        covariance_CC = np.zeros((len(mean_C), len(mean_C)))
        for chunk in chunks:
            centred_NC = content[chunk].astype(np.float64) - mean_C
            covariance_CC += centred_NC.T @ centred_NC / len(rows)
        self._set(mean_C, covariance_CC)
        return self

    def of_part(self, start: int, stop: int) -> Whitening:
        """The same transform of the coordinates ``start:stop`` alone, as if fitted on them.

        A part's covariance is part of the whole's, so what was fitted on all of them is enough.

        Raises:
            ValueError: a part that is empty or reaches beyond the coordinates.
        """
        width = len(self.mean)
        if not 0 <= start < stop <= width:
            raise ValueError(f"start, stop: expected 0 <= start < stop <= {width}; got {start}, {stop}")
        if (start, stop) == (0, width):
            return self
        part = Whitening(stop - start, self.kind, self.ridge, self.strength).to(self.mean)
        direction_PC = self.directions[start:stop].double().cpu().numpy()
        variance_C = self.variances.double().cpu().numpy()
        mean_P = self.mean[start:stop].double().cpu().numpy()
        part._set(mean_P, (direction_PC * variance_C) @ direction_PC.T)
        return part

    def _set(self, mean_C: np.ndarray, covariance_CC: np.ndarray) -> None:
        variance_C, direction_CC = np.linalg.eigh(covariance_CC)
        variance_C, direction_CC = np.maximum(variance_C[::-1], 0.0), direction_CC[:, ::-1]
        largest = np.abs(direction_CC).argmax(axis=0)
        direction_CC = direction_CC * np.where(direction_CC[largest, np.arange(len(mean_C))] < 0, -1.0, 1.0)
        if self.kind == "none":
            mean_square = variance_C.mean() + (mean_C**2).mean()
        elif self.kind == "center":
            mean_square = variance_C.mean()
        else:
            mean_square = (variance_C * self._gain(variance_C) ** 2).mean()
        self.mean.copy_(torch.from_numpy(mean_C))
        self.directions.copy_(torch.from_numpy(direction_CC.copy()))
        self.variances.copy_(torch.from_numpy(variance_C.copy()))
        self.scale.fill_(1.0 if mean_square <= 0 else float(mean_square**-0.5))
        self._matrix_CC = None

    def forward(self, content: Tensor) -> Tensor:
        """Transformed content vectors, (..., C) -> (..., C), in the buffers' dtype."""
        x = content.to(self.mean.dtype)
        if self.kind == "none":
            return x * self.scale
        if self.kind == "center":
            return (x - self.mean) * self.scale
        if self._matrix_CC is None or self._matrix_CC.device != x.device or self._matrix_CC.dtype != x.dtype:
            gain_C = self._gain(self.variances.double()) * self.scale.double()
            direction_CC = self.directions.double()
            self._matrix_CC = ((direction_CC * gain_C) @ direction_CC.T).to(x.dtype)
        return (x - self.mean) @ self._matrix_CC

    def reduce(self, content: Tensor, dimension: int) -> Tensor:
        """The first ``dimension`` principal coordinates, (..., C) -> (..., dimension), centred, each
        divided by its (ridged) standard deviation when the kind is zca.

        Raises:
            ValueError: more coordinates are asked for than there are.
        """
        if not 0 < dimension <= len(self.mean):
            raise ValueError(f"dimension: expected 1..{len(self.mean)} (the content's own); got {dimension}")
        x = (content.to(self.mean.dtype) - self.mean) @ self.directions[:, :dimension]
        return x * self._gain(self.variances)[:dimension] if self.kind == "zca" else x

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._matrix_CC = None

    def _gain(self, variances: Tensor) -> Tensor:
        floor = max(float(variances.mean()), 1.0 if float(variances.max()) == 0.0 else 0.0)
        return (variances + max(self.ridge, 1e-12) * floor) ** (-0.5 * self.strength)
