"""The user's side once for the candidates of a request: rows that follow one another with one user share it.

B rows, R runs of rows with one user each, D dimensions, K blocks, P width of a projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn_rank.frozen.rows import may_look_at, row_runs, run_slices

MIN_ROWS_OF_RUN = 32  # on average: a run costs a small matrix of its own


class UserRuns(NamedTuple):
    """Which rows share a user.

    Attributes:
        n_rows: B.
        first: (R,) first row of each run; None: one user for all rows.
        run: (B,) the run of each row; None as well then.
    """

    n_rows: int
    first: Tensor | None = None
    run: Tensor | None = None

    def distinct(self, ids: Tensor) -> Tensor:
        """(B,) ids of the rows, (1,) of one user -> (R,)."""
        return ids if self.first is None else ids.index_select(0, self.first)

    def to_rows(self, values: Tensor) -> Tensor:
        """(R, ...) -> (B, ...)."""
        if self.run is None:
            return values.expand(self.n_rows, *values.shape[1:])
        return values.index_select(0, self.run)

    def products(self, rows: Tensor, matrices: Tensor) -> Tensor:
        """(B, N) rows, each times the (N, M) matrix of its run, of (R, N, M) -> (B, M)."""
        if self.first is None:
            return rows @ matrices[0]
        parts = zip(run_slices(self.first, self.n_rows), matrices, strict=True)
        return torch.cat([rows[part] @ matrix for part, matrix in parts])


def user_runs(ids: Tensor, n_rows: int, is_given: Tensor | None = None) -> UserRuns | None:
    """Runs of equal users, None where every row is taken for itself.

    Where gradients are on nothing is shared, since training rows are shuffled; in a graph, which cannot look
    at the ids, one id for all rows is.

    Args:
        ids: (B,) user of each row, or (1,) for all rows.
        n_rows: B.
        is_given: (B,) or (1,) bool, whether the row has a user at all; rows without are no run. None: all do.
    """
    if isinstance(ids, torch.fx.Proxy) or torch.is_grad_enabled():
        return None
    if not may_look_at(ids):
        return UserRuns(n_rows) if ids.shape[0] == 1 else None
    if n_rows < MIN_ROWS_OF_RUN or not (is_given is None or bool(is_given.all())):
        return None
    if ids.shape[0] == 1:
        return UserRuns(n_rows)
    first_R, run_B = row_runs(ids[1:] != ids[:-1])
    return UserRuns(n_rows, first_R, run_B) if len(first_R) * MIN_ROWS_OF_RUN <= n_rows else None


def to_rows(values: Tensor, runs: UserRuns | None) -> Tensor:
    """What is known of each run's user, for every row; without runs the rows' own."""
    return values if runs is None else runs.to_rows(values)


def fused_runs(  # noqa: PLR0917 - layers, then tensors, as `LearnFeatureFusion` has them
    user_projection: nn.Module,
    item_projection: nn.Module,
    mlp: nn.Sequential,
    user: Tensor,
    item: Tensor,
    evidence: Tensor,
    runs: UserRuns,
) -> Tensor:
    """`LearnFeatureFusion.fuse` with the user's part made once a run.

    Definition: with u, v the projections of user and item and e the evidence, the first layer is
    ``W [u, v, u * v, e] + b = (W_u u + b) + (W_v + W_uv diag(u)) v + W_e e``: for one user its bracket is a
    vector and a matrix, and half of the product is left.

    Args:
        user_projection, item_projection, mlp: of the fusion; the MLP begins with a linear layer.
        user: (R, D); item: (B, D); evidence: (B, S).
        runs: of the rows.

    Returns:
        (B, F).
    """
    first, rest = cast(nn.Linear, mlp[0]), mlp[1:]
    user_RP, item_BP = user_projection(user), item_projection(item)
    n = item_BP.shape[1]
    of_user, of_item, of_both, of_evidence = torch.split(first.weight, [n, n, n, evidence.shape[1]], dim=1)
    matrix_RPH = (of_item + of_both * user_RP[:, None]).transpose(1, 2)
    vector_BH = runs.to_rows(functional.linear(user_RP, of_user, first.bias))
    hidden_BH = runs.products(item_BP, matrix_RPH) + torch.addmm(vector_BH, evidence, of_evidence.T)
    return rest(hidden_BH)


def dots_of_runs(user: Tensor, item: Tensor, blocks: Sequence[tuple[int, int]], runs: UserRuns) -> Tensor:
    """(R, D) users and (B, D) items -> (B, K) inner products of each block with the user of the row's run."""
    mask_KD = user.new_zeros(len(blocks), user.shape[1])
    for at, (start, stop) in enumerate(blocks):
        mask_KD[at, start:stop] = 1
    return runs.products(item, (user[:, None] * mask_KD).transpose(1, 2))
