"""Prediction files of a run: one parquet per arm and seed, rows aligned with the test impressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dense_features import log_odds
from learn_rank.data.host_statistics import HostStatistics
from learn_rank.data.recent_popularity import RecentPopularity
from learn_rank.metrics.buckets import ITEM_RULE, USER_RULE, assign_buckets, training_counts
from learn_rank.metrics.item_age import item_ages
from learn_rank.report_kit.words import RATES, RECENT
from learn_rank.run.folder import RunFolder
from learn_recall.columns import (
    CLICK,
    CONTEXT_ID,
    CONVERSION,
    ITEM_AGE,
    ITEM_BUCKET,
    ITEM_ID,
    ITEM_IS_NEW,
    PCTCVR,
    PCTR,
    PCVR,
    REQUEST_ID,
    TIMESTAMP,
    USER_BUCKET,
    USER_ID,
)
from learn_recall.files.whole_files import atomic_path, remove

SCORES = [PCTR, PCVR, PCTCVR]


def labelled_rows(dataset: RankingDataset, part: str = "test") -> pd.DataFrame:
    """Rows with labels and what training alone says of them: buckets of user and item, items it never had.

    Where all tables have time also how long the item had been around.

    Args:
        dataset: the rows.
        part: "test" or "valid".
    """
    counts = training_counts(dataset.train, dataset.interactions)
    asked = dataset.parts[part]
    names = (USER_ID, ITEM_ID, CONTEXT_ID, CLICK, CONVERSION, *(() if dataset.is_sampled else (REQUEST_ID,)))
    kept = [name for name in names if name in asked]
    rows = asked[kept].reset_index(drop=True)
    known: dict[str, Any] = {
        USER_BUCKET: assign_buckets(rows[USER_ID], counts.users, USER_RULE),
        ITEM_BUCKET: assign_buckets(rows[ITEM_ID], counts.items, ITEM_RULE),
        ITEM_IS_NEW: ~rows[ITEM_ID].isin(dataset.train[ITEM_ID].unique()),
    }
    tables = (dataset.interactions, *dataset.parts.values())
    if all(TIMESTAMP in table for table in tables):
        known[ITEM_AGE] = item_ages(asked, *tables)
    return rows.assign(**known)


def rate_scores(dataset: RankingDataset, *, user_snapshot_days: float = 1.0) -> pd.DataFrame:
    """The floor: no model, only "item rate + user rate" in logits; a baseline below it is no baseline.

    Where impressions are sampled, rates of click say nothing and the item's click count ranks instead.
    """
    statistics = HostStatistics(dataset.parts, dataset.is_sampled, user_snapshot_days=user_snapshot_days)
    known = statistics.features()["test"].astype(np.float64)
    click_logit = known["item_clicks_log"] - known["item_clicks_log"].mean()
    if not dataset.is_sampled:
        click_logit = (
            log_odds(known["item_ctr"]) + log_odds(known["user_ctr"]) - log_odds(statistics.click_rate)
        )
    conversion_logit = np.zeros(len(known))
    if dataset.has_conversions:
        conversion_logit = (
            log_odds(known["item_cvr"]) + log_odds(known["user_cvr"]) - log_odds(statistics.conversion_rate)
        )
    pctr, pcvr = 1 / (1 + np.exp(-click_logit)), 1 / (1 + np.exp(-conversion_logit))
    return pd.DataFrame({PCTR: pctr, PCVR: pcvr, PCTCVR: pctr * pcvr}).astype(np.float32)


def write_floors(run: RunFolder, dataset: RankingDataset, *, user_snapshot_days: float = 1.0) -> None:
    """Write the floors, which need no training: plain rates, and recent popularity where rows have time.

    Args:
        run: folder of the run.
        dataset: whose test rows are scored; the window of recent popularity is chosen on its validation rows.
        user_snapshot_days: as in `HostStatistics`.
    """
    labels = labelled_rows(dataset)
    rates = rate_scores(dataset, user_snapshot_days=user_snapshot_days)
    write_predictions(run.predictions_of(RATES, 0), labels, rates)
    remove(run.predictions_of(RECENT, 0))
    if all(TIMESTAMP in part for part in dataset.parts.values()):
        recent = RecentPopularity(dataset)
        write_predictions(run.predictions_of(RECENT, 0), labels, recent.scores("test", recent.best_window()))


def write_predictions(path: Path, labels: pd.DataFrame, scores: pd.DataFrame) -> None:
    """Write labels and scores side by side, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        pd.concat([labels, scores], axis=1).to_parquet(temporary, index=False)
