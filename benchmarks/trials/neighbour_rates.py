"""Trial: what is known of the nearest known items by text, as dense features; a new item has them, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.trials.given import Given
from learn_rank.data.dense_features import log_odds
from learn_rank.data.ease import EaseConfig, fit_ease
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.data.host_statistics import HostStatistics
from learn_recall.columns import CLICK, CONVERSION, ITEM_ID, TIMESTAMP, USER_ID

DAY = 86_400


def with_neighbour_rates(given: Given) -> Given:
    """Rows with log odds of clicks and conversions and the logarithm of clicks of the 20 nearest known items.

    The item itself is never among them, so a row does not count itself. Where rows have time they know of the
    days before their own, else all of training. Rates of clicks are left out where impressions are sampled.
    """
    near, share = _neighbours(given)
    raw = {part: _columns(given, part, near, share) for part in given.dataset.parts}
    mean, std = raw["train"].mean(0), raw["train"].std(0)
    std[std == 0] = 1.0

    def widened(part: str) -> EncodedRows:
        rows: EncodedRows = getattr(given.data, part)
        columns = ((raw[part] - mean) / std).astype(np.float32)
        return replace(
            rows,
            dense=np.concatenate([rows.dense, columns], axis=1),
            floor_weight=np.pad(rows.floor_weight, ((0, 0), (0, columns.shape[1]))),
        )

    parts = {part: widened(part) for part in raw}
    return replace(given, data=replace(given.data, **parts, n_dense=given.data.n_dense + len(mean)))


def _neighbours(given: Given) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) rows of the catalogue of each item's neighbours, and (N, K) their shares."""
    train = given.dataset.train
    catalogue = given.catalogue.to_numpy()
    fitted = fit_ease(
        train[USER_ID].to_numpy(),
        train[ITEM_ID].to_numpy(),
        catalogue,
        given.text(),
        EaseConfig(min_events=1),
    )
    known = np.flatnonzero(fitted.place >= 0)
    return known[fitted.near_place], fitted.near_share


def _columns(given: Given, part: str, near: np.ndarray, share: np.ndarray) -> np.ndarray:
    rows, item = given.dataset.parts[part], given.rows_of(part)
    has_time = all(TIMESTAMP in each for each in given.dataset.parts.values())
    day = (rows[TIMESTAMP].to_numpy() // DAY) if has_time else np.zeros(len(rows))
    found = np.zeros((len(rows), 2 if given.dataset.is_sampled else 3), np.float32)
    for one in np.unique(day):
        here = np.flatnonzero((day == one) & (item >= 0))
        known = _of_items(given, one if has_time else None)
        at = item[here]
        found[here] = (share[at][:, :, None] * known[near[at]]).sum(1)
    return found


def _of_items(given: Given, day: float | None) -> np.ndarray:
    """(N, 2 or 3) log odds of conversion, log clicks and, where rows were shown, log odds of a click."""
    if day is None:
        log = given.dataset.train
    else:
        log = pd.concat([part[part[TIMESTAMP] < day * DAY] for part in given.dataset.parts.values()])
    n, at = len(given.catalogue), given.catalogue.get_indexer(pd.Index(log[ITEM_ID]))
    is_known = at >= 0
    click = log[CLICK].fillna(0).to_numpy(float)
    converted = log[CONVERSION].fillna(0).to_numpy(float) if CONVERSION in log else np.zeros(len(log))
    shown, clicks, conversions = (
        np.bincount(at[is_known], each[is_known], n) for each in (np.ones(len(log)), click, converted)
    )
    host = HostStatistics(given.dataset.parts)
    click_prior, conversion_prior = host.click_prior, host.conversion_prior
    columns = [
        log_odds((conversions + conversion_prior * host.conversion_rate) / (clicks + conversion_prior)),
        np.log1p(clicks),
        log_odds((clicks + click_prior * host.click_rate) / (shown + click_prior)),
    ]
    return np.column_stack(columns[:2] if given.dataset.is_sampled else columns)
