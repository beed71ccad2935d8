"""Daily budgets: an advertiser leaves the auction once its budget is spent, and never spends more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Charged(NamedTuple):
    """What a ledger took: the first `n_taken` bills, `bill` as charged, `n_capped` of them cut short."""

    n_taken: int
    bill: np.ndarray
    n_capped: int


class Ledger:
    """What every account has spent today; an account is one advertiser, or one advertiser in one arm.

    Args:
        budget: (accounts,) float64 >= 0, inf for no limit.

    Example:
        >>> ledger = Ledger(np.array([5.0, 10.0]))
        >>> account, bill = np.array([0, 1, 0, 1]), np.array([3.0, 4.0, 4.0, 4.0])
        >>> ledger.charge(account, bill, np.arange(4))  # the third bill empties account 0
        Charged(n_taken=3, bill=array([3., 4., 2.]), n_capped=1)
        >>> ledger.is_out.tolist(), ledger.spent.tolist()
        ([True, False], [5.0, 4.0])
    """

    def __init__(self, budget: np.ndarray) -> None:
        self.budget = budget
        self.spent = np.zeros(budget.size)
        self.is_out = budget <= 0

    @property
    def n_spent(self) -> int:
        """Accounts whose budget of more than 0 is spent."""
        return int((self.is_out & (self.budget > 0)).sum())

    def charge(self, account: np.ndarray, bill: np.ndarray, request: np.ndarray) -> Charged:
        """Take bills in their order up to the end of the request in which an account runs out first.

        The bill that reaches the budget is cut to what was left. Bills after that request are not taken: they
        come from an auction that the empty account would have to leave. `spent` is added up bill by bill, so
        it is the same number however the bills are cut into calls.

        Args:
            account: (M,) int64.
            bill: (M,) float64 >= 0.
            request: (M,) int64, ascending.
        """
        after = self.spent.copy()
        np.add.at(after, account, bill)
        is_over = (after >= self.budget) & ~self.is_out
        if not is_over.any():
            self.spent = after
            return Charged(bill.size, bill, 0)
        first = self._first_over(account, bill, is_over)
        last_request = request[first]
        begin, end = np.searchsorted(request, [last_request, last_request + 1])
        np.add.at(self.spent, account[:begin], bill[:begin])
        taken, n_capped = bill[:end].copy(), 0
        for place in range(begin, end):  # the slots of one request
            at = account[place]
            total = self.spent[at] + bill[place]
            if total >= self.budget[at]:
                n_capped += int(total > self.budget[at])
                taken[place] = _left(self.spent[at], self.budget[at], bill[place])
                total, self.is_out[at] = self.spent[at] + taken[place], True
            self.spent[at] = total
        return Charged(int(end), taken, n_capped)

    def _first_over(self, account: np.ndarray, bill: np.ndarray, is_over: np.ndarray) -> int:
        """The place of the first bill that takes its account to the budget."""
        places = np.flatnonzero(is_over[account])
        places = places[np.argsort(account[places], kind="stable")]
        first = bill.size
        for own in np.split(places, np.flatnonzero(np.diff(account[places])) + 1):
            at = account[own[0]]
            running = np.cumsum(np.append(self.spent[at], bill[own]))[1:]
            first = min(first, int(own[np.argmax(running >= self.budget[at])]))
        return first


def _left(spent: float, budget: float, bill: float) -> float:
    """The largest bill that does not take the sum, as it is rounded, above the budget."""
    left = min(bill, budget - spent)
    while spent + left > budget:
        left = float(np.nextafter(left, 0.0))
    return max(left, 0.0)


def accounts(budgets: np.ndarray, kind: str, treatment_share: float) -> np.ndarray:
    """(arms x A,) daily budget of each account, the control's first.

    Definition: "shared" gives both arms the same A accounts, so the result has A; "split" gives the control
    (1 - treatment_share) and the treatment treatment_share of every budget.

    Example:
        >>> accounts(np.array([10.0]), "split", 0.2).tolist()
        [8.0, 2.0]
    """
    if kind == "shared":
        return budgets
    return np.concatenate([(1 - treatment_share) * budgets, treatment_share * budgets])


__all__ = ["Charged", "Ledger", "accounts"]
