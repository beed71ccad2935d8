"""What a ranker makes of the items of its user's history, by their ids: mean, target attention, search.

B rows, n history items of all rows one after the other, E embedding dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn_rank.frozen.rows import may_look_at
from learn_rank.rankers.history_content import ContentWeights

HISTORIES = ("none", "mean", "din", "sim")

torch.fx.wrap("rows_of_items")  # they look at shapes or at the data
torch.fx.wrap("rows_of_all_items")
torch.fx.wrap("nearest_of_rows")
torch.fx.wrap("nearest_alone")
torch.fx.wrap("summed_by_row")


class HistoryEncoder(nn.Module):
    """The embeddings of a row's history become one embedding, in the light of the row's target item.

    Definition: with h_j the history's embeddings and v the target's, the output is ``sum_j w_j h_j``, where
    ``w_j = 1 / length`` ("mean"), ``w_j = f(h_j, v, h_j * v)`` with f a small network and no softmax, so that
    a long history of the target's kind weighs more than a short one ("din"), or the same over the `top_k`
    items whose inner product with the target is largest ("sim").

    Args:
        kind: "mean", "din" or "sim".
        dim: E.
        hidden_dim: of the attention's network.
        top_k: items that "sim" attends to.
        has_conversions: an embedding of its own is added to the items that the user converted on.
        content: weights by content beside those by id, for "din" and "sim"; items that the host does not know
            then count by their content. None = ids alone.

    Raises:
        ValueError: an unknown kind, a `top_k` below 1, or content beside a mean.

    Source: DIN (arXiv 1706.06978), section 4.3, for the attention; SIM (arXiv 2006.05639), section 3.2, for
    the search by inner product, here with the embeddings of the ranker itself.
    """

    def __init__(
        self,
        kind: str,
        dim: int,
        *,
        hidden_dim: int = 32,
        top_k: int = 32,
        has_conversions: bool = False,
        content: ContentWeights | None = None,
    ) -> None:
        super().__init__()
        if kind not in HISTORIES[1:]:
            raise ValueError(
                f"kind: expected one of {list(HISTORIES[1:])}, got {kind!r}. Remedy: choose one."
            )
        if top_k < 1:
            raise ValueError(f"top_k: expected at least 1, got {top_k}.")
        if content is not None and kind == "mean":
            raise ValueError('content: expected None beside a "mean", which weighs nothing. Remedy: "din".')
        self.kind, self.top_k, self.content = kind, top_k, content
        self.converted = nn.Parameter(torch.zeros(dim)) if has_conversions else None
        if kind != "mean":
            self.of_item = nn.Linear(dim, hidden_dim)
            self.of_target = nn.Linear(dim, hidden_dim, bias=False)
            self.of_both = nn.Linear(dim, hidden_dim, bias=False)
            self.weight = nn.Linear(hidden_dim, 1)

    def forward(  # noqa: PLR0917 - parts of one history, as torch.fx records them
        self,
        items: Tensor,
        lengths: Tensor,
        target: Tensor,
        is_known: Tensor,
        has_converted: Tensor | None = None,
        by_content: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, E) of B rows.

        Args:
            items: (n, E) embeddings of the histories, one row's after the other's.
            lengths: (B,) items of each row; (1,) where all rows share one history, as in a request.
            target: (B, E) embeddings of the rows' own items.
            is_known: (n,) bool; the others, which the host has no embedding of, do not count.
            has_converted: (n,) 0 or 1; needed and read where `has_conversions`.
            by_content: what content adds to the items' weights and to the factor of their own, (n,) each, a
                shared history's row by row (`learn_rank.rankers.history_content`); read with `content`.
        """
        if self.content is not None and by_content is not None:
            items = torch.where(is_known[:, None], items, self.content.unmet)
        if self.converted is not None and has_converted is not None:
            items = items + has_converted[:, None].to(items.dtype) * self.converted
        if self.content is not None and by_content is not None:
            items_nE, row_n, is_known_n = rows_of_all_items(items, lengths, target, is_known)
            weight_n = self._weights(items_nE, row_n, target) * is_known_n
            if self.kind == "sim":
                weight_n = weight_n * nearest_of_rows(items_nE, row_n, target, is_known_n, self.top_k)
            added_n, factor_n = by_content
            weight_n = (self.content.slots.of_id + factor_n) * weight_n + added_n
            return summed_by_row(items_nE * weight_n[:, None], row_n, target)
        items_nE, row_n, is_known_n = rows_of_items(items, lengths, target, is_known)
        if self.kind == "mean":
            n_known_B1 = summed_by_row(is_known_n[:, None].to(items.dtype), row_n, target[:, :1])
            return summed_by_row(items_nE, row_n, target) / n_known_B1.clamp(min=1)
        if self.kind == "sim":
            items_nE, row_n = nearest_alone(items_nE, row_n, target, is_known_n, self.top_k)
        weight_n = self._weights(items_nE, row_n, target)
        return summed_by_row(items_nE * weight_n[:, None], row_n, target)

    def _weights(self, items_nE: Tensor, row_n: Tensor, target_BE: Tensor) -> Tensor:
        """(n,) by id."""
        target_nE = target_BE.index_select(0, row_n)
        hidden_nA = self.of_item(items_nE) + self.of_both(items_nE * target_nE)
        hidden_nA = functional.relu(hidden_nA + self.of_target(target_BE).index_select(0, row_n))
        return self.weight(hidden_nA)[:, 0]


def rows_of_items(
    items: Tensor, lengths: Tensor, target: Tensor, is_known: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(n, E) items of B or of one history, (B,) or (1,) lengths, (n,) bool -> items, (n,) row of each, bool.

    One history for all rows is repeated for each of them. Unknown items are left out, in a recorded program
    they are zeros.
    """
    items, row_n, is_known = rows_of_all_items(items, lengths, target, is_known)
    if not may_look_at(is_known):
        return items * is_known[:, None], row_n, is_known
    if bool(is_known.all()):
        return items, row_n, is_known
    return items[is_known], row_n[is_known], is_known[is_known]


def rows_of_all_items(
    items: Tensor, lengths: Tensor, target: Tensor, is_known: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same with the unknown items as they are."""
    n_rows = target.shape[0]
    if lengths.shape[0] == 1:
        items, lengths, is_known = items.repeat(n_rows, 1), lengths.expand(n_rows), is_known.repeat(n_rows)
    at_n = torch.arange(items.shape[0], device=items.device)
    return items, torch.bucketize(at_n, lengths.cumsum(0), right=True), is_known


def nearest_of_rows(items: Tensor, row: Tensor, target: Tensor, is_known: Tensor, top_k: int) -> Tensor:
    """(n,) bool: whether an item is among the `top_k` known ones of its row by inner product with the target.

    Of equal products the older item is taken.

    Args:
        items: (n, E), those of one row one after the other.
        row: (n,) ascending.
        target: (B, E).
        is_known: (n,) bool.
        top_k: items that are kept of each row.
    """
    product_n = (items.detach() * target.detach().index_select(0, row)).sum(1)
    product_n = torch.where(is_known, product_n, -torch.inf)
    best_first_n = torch.argsort(product_n, descending=True, stable=True)
    order_n = best_first_n[torch.argsort(row[best_first_n], stable=True)]
    n_before_n = torch.searchsorted(row, row, right=False)  # items of earlier rows
    at_n = torch.arange(row.shape[0], device=row.device)
    return torch.zeros_like(is_known).scatter(0, order_n, at_n - n_before_n < top_k)


def nearest_alone(
    items: Tensor, row: Tensor, target: Tensor, is_known: Tensor, top_k: int
) -> tuple[Tensor, Tensor]:
    """The items that `nearest_of_rows` keeps, and their rows; in a recorded program the others are zeros."""
    is_kept_n = nearest_of_rows(items, row, target, is_known, top_k)
    if may_look_at(is_kept_n):
        return items[is_kept_n], row[is_kept_n]
    return items * is_kept_n[:, None], row


def summed_by_row(items: Tensor, row: Tensor, target: Tensor) -> Tensor:
    """(n, E) and (n,) row of each -> (B, E), for the B rows of the targets."""
    return torch.zeros_like(target).index_add(0, row, items)
