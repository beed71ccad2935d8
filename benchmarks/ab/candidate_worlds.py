"""Candidate worlds with a known truth: `small_world()` gives the parquet schema of the A/B simulation."""

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_BUCKET, USER_BUCKET

BUCKETS = ("cold-start", "long-tail", "other")


def small_world(
    *,
    n_users: int = 200,
    n_days: int = 3,
    n_requests_per_day: int = 300,
    n_candidates: int = 8,
    n_items: int = 60,
    n_advertisers: int = 12,
    noise: tuple[float, float] = (0.6, 0.3),
    cold_only: bool = False,
    inflation: tuple[float, float] = (1.0, 1.0),
    budget: float | None = None,
    is_ragged: bool = False,
    ids: str = "integer",
    seed: int = 0,
) -> pd.DataFrame:
    """Candidates in the order of time, with the truth as p_click (first slot) and p_conversion.

    Args:
        noise: standard deviation of each arm's error in the logits of pCTR and pCVR; 0 is an oracle, equal
            errors are drawn alike, so that equal noise means identical scores.
        cold_only: the arms differ on cold-start items alone; elsewhere both have the control's noise.
        inflation: factor on each arm's pCVR.
        budget: daily budget of every advertiser.
        is_ragged: requests have 1 to n_candidates candidates.
        ids: "integer" or "string".
    """
    generator = np.random.default_rng(seed)
    users, items = generator.normal(size=(n_users, 4)) / 2, generator.normal(size=(n_items, 4)) / 2
    n_requests = n_days * n_requests_per_day
    weight = generator.gamma(1.0, size=n_users)  # some users come often
    user = generator.choice(n_users, n_requests, p=weight / weight.sum())
    size = (
        generator.integers(1, n_candidates + 1, n_requests)
        if is_ragged
        else np.full(n_requests, n_candidates)
    )
    item = np.concatenate([generator.permutation(n_items)[:count] for count in size])
    request = np.repeat(np.arange(n_requests), size)
    match = (users[user[request]] * items[item]).sum(1)
    click_logit, conversion_logit = -2 + 2 * match, -1 + match + generator.normal(size=n_items)[item] / 2
    item_bucket = np.array(BUCKETS)[np.arange(n_items) % 3]
    bid = np.exp(generator.normal(3, 0.3, n_items))[item]
    frame = pd.DataFrame(
        {
            "request_id": request,
            "user_id": user[request],
            "day": request // n_requests_per_day,
            "timestamp": 1_700_000_000 + request * (86_400 // n_requests_per_day),
            "item_id": item,
            "advertiser_id": item % n_advertisers,
            "bid": bid,
            "p_click": _expit(click_logit),
            "p_conversion": _expit(conversion_logit),
            USER_BUCKET: np.array(BUCKETS)[np.arange(n_users) % 3][user[request]],
            ITEM_BUCKET: item_bucket[item],
        }
    )
    errors = generator.normal(size=(2, request.size))
    for name, arm_noise, factor in zip("ab", noise, inflation, strict=True):
        is_own = item_bucket[item] == BUCKETS[0] if cold_only else True
        spread = np.where(is_own, arm_noise, noise[0])
        frame[f"pctr_{name}"] = _expit(click_logit + spread * errors[0])
        frame[f"pcvr_{name}"] = np.minimum(factor * _expit(conversion_logit + spread * errors[1]), 1)
    if budget is not None:
        frame["budget"] = budget
    if ids == "string":
        for name in ("request_id", "user_id", "item_id", "advertiser_id"):
            frame[name] = name[0] + frame[name].astype(str)
    return frame


def _expit(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
