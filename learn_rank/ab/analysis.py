"""From totals per user to the table of the experiment: one row per metric and bucket."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["ABRow"]


class ABRow(TypedDict):
    """One metric in one bucket; numbers that cannot be had are None.

    ``control`` and ``treatment`` are values per user ("revenue", "conversions") or ratios ("CTR", "CVR");
    ``relative`` is treatment / control - 1, ``mde`` and ``launch`` are relative too.
    """

    metric: str
    bucket_kind: str
    bucket: str
    control: float | None
    treatment: float | None
    delta: float | None
    low: float | None
    high: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p: float | None
    p_adjusted: float | None
    n_users_control: int
    n_users_treatment: int
    clicks_control: int
    clicks_treatment: int
    conversions_control: int
    conversions_treatment: int
    power: float | None
    mde: float | None
    launch: float | None
    flag: str | None
