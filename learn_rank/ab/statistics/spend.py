"""Spend and price per arm: what was billed, and for how much each."""

from __future__ import annotations

from typing import Any

from learn_rank.ab.simulation.totals import UserTotals

__all__ = ["spend_rows"]


def spend_rows(totals: UserTotals) -> list[dict[str, Any]]:
    """One row per arm that served anybody.

    Definition: revenue is the sum of the bills, currency units. ``price_per_click`` and
    ``price_per_conversion`` are revenue over clicks and over mature conversions, whatever is billed;
    ``price_per_thousand`` is 1,000 times revenue over impressions.

    Args:
        totals: of one world.

    Returns:
        Dicts with arm, n_users (with a request), n_requests, impressions, clicks, conversions, immature,
        revenue and the three prices, None where nothing was shown, clicked or converted.
    """
    requests = totals.requests()
    rows = []
    for arm, name in enumerate("ab"):
        users = totals.arm == arm
        if not users.any():
            continue
        sums = {
            key: float(totals.total(key)[users].sum())
            for key in ("impressions", "clicks", "conversions", "immature", "revenue")
        }
        rows.append(
            {
                "arm": name,
                "n_users": int((requests[users] > 0).sum()),
                "n_requests": int(requests[users].sum()),
                **sums,
                "price_per_thousand": _over(1000 * sums["revenue"], sums["impressions"]),
                "price_per_click": _over(sums["revenue"], sums["clicks"]),
                "price_per_conversion": _over(sums["revenue"], sums["conversions"]),
            }
        )
    return rows


def _over(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
