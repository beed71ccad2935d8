"""Observed over expected per arm: under cost per click a score that promises too much looks like revenue."""

from __future__ import annotations

from typing import Any

import numpy as np

from learn_rank.ab.simulation.totals import UserTotals

__all__ = ["calibration_rows"]


def calibration_rows(ab: UserTotals) -> list[dict[str, Any]]:
    """One row per arm and bucket: did the scores come true, and what did a conversion cost.

    Definition: ``clicks_ratio`` is clicks over the clicks that the arm's scores predicted for what it showed,
    ``conversions_ratio`` conversions (those after the last day included, since the scores speak of them too)
    over the sum of pCVR of the clicks. ``cost_ratio`` is cost per conversion over the advertisers' target. A
    ratio below 1 means that the scores promised too much.

    Args:
        ab: the world in which users are split.

    Returns:
        Dicts with arm ("a" or "b"), bucket_kind, bucket, observed and predicted clicks and conversions, their
        ratios, cost_per_conversion, target_cpa (currency) and cost_ratio; None where a denominator is 0.
    """
    buckets: list[tuple[str, str, np.ndarray, str | None]] = [
        ("all", "all", np.ones(ab.arm.size, bool), None)
    ]
    buckets += [("user", name, ab.user_bucket == at, None) for at, name in enumerate(ab.user_buckets)]
    buckets += [("item", name, np.ones(ab.arm.size, bool), name) for name in ab.item_buckets]
    return [
        {"arm": "ab"[arm], "bucket_kind": kind, "bucket": name} | _ratios(ab, users & (ab.arm == arm), items)
        for kind, name, users, items in buckets
        for arm in (0, 1)
    ]


def _ratios(ab: UserTotals, users: np.ndarray, items: str | None) -> dict[str, float | None]:
    def total(name: str) -> float:
        return float(ab.total(name, item_bucket=items)[users].sum())

    clicks, predicted_clicks = total("clicks"), total("predicted_clicks")
    conversions, predicted_conversions = (
        total("conversions") + total("immature"),
        total("predicted_conversions"),
    )
    revenue, target = total("revenue"), total("target_cost")
    return {
        "observed_clicks": clicks,
        "predicted_clicks": predicted_clicks,
        "clicks_ratio": _ratio(clicks, predicted_clicks),
        "observed_conversions": conversions,
        "predicted_conversions": predicted_conversions,
        "conversions_ratio": _ratio(conversions, predicted_conversions),
        "cost_per_conversion": _ratio(revenue, conversions),
        "target_cpa": _ratio(target, conversions),
        "cost_ratio": _ratio(revenue, target),
    }


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
