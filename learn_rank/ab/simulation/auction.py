"""The auction: who is shown in which slot of a request, and what a click or a conversion costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learn_rank.ab.simulation.random_streams import tie_keys


@dataclass(frozen=True, eq=False)
class Placements:
    """Winners in the order of requests, then slots; M of them.

    Attributes:
        row: (M,) int64, position among the candidates.
        request: (M,) int64.
        slot: (M,) int64, from 0.
        ecpm: (M,) float64, the winner's own.
        next_ecpm: (M,) float64, of the best candidate below, 0 where there is none.
    """

    row: np.ndarray
    request: np.ndarray
    slot: np.ndarray
    ecpm: np.ndarray
    next_ecpm: np.ndarray


def place(
    ecpm: np.ndarray,
    start: np.ndarray,
    request_key: np.ndarray,
    item_key: np.ndarray,
    *,
    n_slots: int = 1,
    reserve: float = 0.0,
) -> Placements:
    """Give the slots of each request to its highest eCPMs.

    Definition: eCPM = pCTR x pCVR x bid. The slot's effect on clicks is a common factor, so the order by eCPM
    is the order of value in every slot. Candidates below the reserve and those with eCPM 0 take no part.
    Equal eCPMs are ordered by a hash of request and item: fair over requests, the same in both arms and in
    every order of the rows. Slots without a candidate stay empty.

    Args:
        ecpm: (N,) float64 >= 0, currency units per impression in the first slot.
        start: (R + 1,) int64, request r has the rows start[r] .. start[r + 1] - 1, at least one.
        request_key: (R,) uint64.
        item_key: (N,) uint64.
        n_slots: slots per request.
        reserve: the least eCPM that is shown.

    Example:
        >>> won = place(np.array([.2, .5, .3, .1]), np.array([0, 3, 4]), np.array([1, 2], np.uint64),
        ...     np.arange(4, dtype=np.uint64), n_slots=2)
        >>> won.row.tolist(), won.request.tolist(), won.slot.tolist(), won.next_ecpm.tolist()
        ([1, 2, 3], [0, 0, 1], [0, 1, 0], [0.3, 0.2, 0.0])
    """
    n_requests = start.size - 1
    if n_requests == 0:
        nothing, zeros = np.zeros(0, np.int64), np.zeros(0)
        return Placements(nothing, nothing, nothing, zeros, zeros)
    left = np.where(ecpm >= reserve, ecpm, 0.0)
    request_of_row = np.repeat(np.arange(n_requests), np.diff(start))
    row_RS = np.full((n_requests, n_slots + 1), -1)
    ecpm_RS = np.zeros((n_requests, n_slots + 1))
    for slot in range(n_slots + 1):
        best = np.maximum.reduceat(left, start[:-1])
        rows = np.flatnonzero((left == best[request_of_row]) & (left > 0))
        rows = _one_per_request(rows, request_of_row, request_key, item_key)
        row_RS[request_of_row[rows], slot] = rows
        ecpm_RS[:, slot] = best
        left[rows] = 0.0
    request, slot_of = np.nonzero(row_RS[:, :n_slots] >= 0)
    return Placements(
        row=row_RS[request, slot_of],
        request=request,
        slot=slot_of,
        ecpm=ecpm_RS[request, slot_of],
        next_ecpm=ecpm_RS[request, slot_of + 1],
    )


def prices(
    placements: Placements,
    pctr: np.ndarray,
    pcvr: np.ndarray,
    bid: np.ndarray,
    *,
    billing: str = "cpc",
    reserve: float = 0.0,
) -> np.ndarray:
    """What each winner pays per click or per conversion: just enough to hold its place.

    Definition: generalised second price. With e = max(next eCPM, reserve): a click costs e / pCTR, a
    conversion e / (pCTR x pCVR). Never more than the own bid, pCVR x bid per click and bid per conversion,
    to the last bit. With one slot this is the second-price auction. A request with one candidate pays the
    reserve.

    Args:
        placements: from `place`.
        pctr, pcvr, bid: (M,) float64 of the winners, as the arm that served saw them.
        billing: "cpc" or "cpa".
        reserve: eCPM.

    Returns:
        (M,) float64, currency units.

    Example:
        >>> ecpm, keys = np.array([.1 * .2 * 50, .05 * .2 * 60]), np.arange(2, dtype=np.uint64)
        >>> won = place(ecpm, np.array([0, 2]), keys[:1], keys)
        >>> pctr, pcvr, bid = np.array([.1]), np.array([.2]), np.array([50.])
        >>> prices(won, pctr, pcvr, bid).round(9).item()  # .6 to beat / .1 clicks an impression
        6.0
        >>> prices(won, pctr, pcvr, bid, billing="cpa").round(9).item()
        30.0

    Source: Edelman, Ostrovsky and Schwarz, Internet advertising and the generalized second-price auction
    (2007).
    """
    to_pay = np.maximum(placements.next_ecpm, reserve)
    if billing == "cpc":
        return np.minimum(to_pay / pctr, pcvr * bid)
    return np.minimum(to_pay / (pctr * pcvr), bid)


def _one_per_request(
    rows: np.ndarray, request_of_row: np.ndarray, request_key: np.ndarray, item_key: np.ndarray
) -> np.ndarray:
    """Leave one of several equal rows of a request, the one with the highest tie key."""
    request = request_of_row[rows]
    is_same = request[1:] == request[:-1]
    if not is_same.any():
        return rows
    order = np.lexsort((tie_keys(request_key[request], item_key[rows]), request))
    is_last = np.append(request[order][1:] != request[order][:-1], True)
    return np.sort(rows[order[is_last]])


__all__ = ["Placements", "place", "prices"]
