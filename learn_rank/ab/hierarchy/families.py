"""The p of every row in the declared order: the primary opens the families behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from statsmodels.stats.multitest import multipletests

from learn_rank.ab.hierarchy.declaration import BUCKET, PRIMARY, SECONDARY
from learn_rank.uncertainty.intervals import holm

__all__ = ["adjust", "role_of"]


def role_of(metric: str, bucket_kind: str, primary: str) -> str:
    """The place of a row in the order: a bucket, the primary metric, or another one over all users."""
    if bucket_kind != "all":
        return BUCKET
    return PRIMARY if metric == primary else SECONDARY


def adjust(rows: Sequence[Any], correction: str = "holm") -> None:
    """Give each row ``p_family``, within its own family, and ``p_adjusted``, in the whole order.

    Definition: the primary rows, one a treatment, are a family by Holm: with one treatment the primary has
    its full level. The other metrics over all users are a family, and so are the buckets, by ``correction``.
    A row of these counts only where the primary of its treatment was found: ``p_adjusted`` is the larger of
    its ``p_family`` and the primary's ``p_adjusted``. Where nothing is there, any row of the order is below
    the level as often as the primary is, and no more often. A flagged row is in no family and has neither.

    Args:
        rows: with role, p, flag and, where there are several treatments, arm; changed in place.
        correction: "holm" or "bh" of the families behind the primary.

    Source: serial gatekeeping, Westfall and Krishen, "Optimally weighted, fixed sequence and gatekeeper
    multiple testing procedures" (2001); Holm (1979); Benjamini and Hochberg (1995).

    Example:
        >>> rows = [{"role": "primary", "p": 0.03, "flag": None}]
        >>> rows += [{"role": "secondary", "p": p, "flag": None} for p in (0.001, 0.2)]
        >>> adjust(rows)
        >>> [(row["p_family"], row["p_adjusted"]) for row in rows]
        [(0.03, 0.03), (0.002, 0.03), (0.2, 0.2)]
    """
    for row in rows:
        row["p_family"] = row["p_adjusted"] = None
    gates: dict[Any, float] = {}
    for role in (PRIMARY, SECONDARY, BUCKET):
        family = [row for row in rows if row["role"] == role and row["flag"] is None and row["p"] is not None]
        by = holm if role == PRIMARY or correction == "holm" else _false_discoveries
        for row, p in zip(family, by([row["p"] for row in family]), strict=True):
            row["p_family"] = float(p)
            if role == PRIMARY:
                row["p_adjusted"] = gates[row.get("arm")] = float(p)
            else:
                gate = gates.get(row.get("arm"), math.nan)
                row["p_adjusted"] = None if math.isnan(gate) else max(float(p), gate)


def _false_discoveries(p_values: Sequence[float]) -> np.ndarray:
    return multipletests(p_values, method="fdr_bh")[1] if p_values else np.empty(0)
