"""From a log to a fitted environment: cut by days, grown, calibrated, judged, saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn

from learn_rank.ab.fitted_environment.environment import FAMILY, FittedEnvironment, check_families
from learn_rank.ab.fitted_environment.features import FeatureCodes
from learn_rank.ab.fitted_environment.files import open_fitted_environment, save_environment
from learn_rank.ab.fitted_environment.gate import GateRow, gate_rows
from learn_rank.ab.fitted_environment.log import (
    DELAY,
    SLOT,
    check_no_overlap,
    read_log,
    row_hashes,
    split_log,
)
from learn_rank.ab.fitted_environment.trees import TreeData, Trees, fit_trees
from learn_recall.columns import CLICK, CONVERSION, ITEM_BUCKET, USER_BUCKET, USER_ID

__all__ = ["FittedEnvironment", "fit_environment", "open_fitted_environment"]


def fit_environment(
    log: str | Path | pd.DataFrame,
    out: str | Path,
    *,
    features: Sequence[str],
    training: Sequence[str | Path | pd.DataFrame] = (),
    families: Sequence[str] = (),
    held_out_share: float = 0.25,
) -> FittedEnvironment:
    """Fit clicks and conversions on a log that neither arm was trained on, judge the fit, and save it.

    The last days are held out. On half of their users the probabilities are calibrated (Platt), on the other
    half observed over expected is taken, over all rows and by user bucket, item bucket and position. A folder
    whose gate failed is written, to be looked at, and cannot be opened for use.

    Args:
        log: see `environment_log.read_log`.
        out: folder to write.
        features: columns of the log that the candidates will have too. A feature that only a shown item has
            (its place, what was beside it) does not belong here; the position is taken anyway.
        training: tables that the arms were trained on; a row in common refuses the log.
        families: model families of the arms; "trees" refuses them.
        held_out_share: share of the log's days.

    Raises:
        ValueError: columns, labels, overlap, or too few days or events.

    Source: the gate is the observed/expected ratio of calibration-in-the-large (Van Calster et al., 2019).
    """
    check_families(families)
    rows = read_log(log)
    leaky = sorted({CLICK, CONVERSION, SLOT, DELAY} & set(features))
    if leaky:
        raise ValueError(
            f"--features: expected what is known before anything is shown, got {leaky}. Remedy: leave "
            "them out; the position is taken anyway."
        )
    hashes = row_hashes(rows)
    n_compared = check_no_overlap(hashes, training)
    parts = split_log(rows, held_out_share)
    codes = FeatureCodes.fit(parts.fit, features)
    data = TreeData.of(parts, codes)
    trees = fit_trees(data, 0)
    gate = tuple(_judged(trees, codes, parts.judge))
    card = {
        "format": 1,
        "family": FAMILY,
        "scikit_learn": sklearn.__version__,
        "n_rows": len(rows),
        "n_fitted": len(parts.fit),
        "n_calibrating": len(parts.calibrate),
        "n_judging": len(parts.judge),
        "n_users": int(rows[USER_ID].nunique()),
        "click_rate": float(rows[CLICK].mean()),
        "conversion_delay_days": _mean_delay(rows),
        "n_training_rows_compared": n_compared,
        "arm_families": list(families),
    }
    environment = FittedEnvironment(codes, trees, data, gate, card, hashes)
    save_environment(environment, out)
    return environment


def _judged(trees: Trees, codes: FeatureCodes, rows: pd.DataFrame) -> list[GateRow]:
    slots = rows[SLOT].to_numpy()
    matrix = codes.matrix({name: rows[name].to_numpy() for name in codes.names}, slots)
    top = matrix.copy()
    top[:, -1] = 0.0
    buckets = {
        "user": rows[USER_BUCKET].astype(str).to_numpy(),
        "item": rows[ITEM_BUCKET].astype(str).to_numpy(),
        "position": rows[SLOT].astype(np.int64).astype(str).to_numpy(),
    }
    users, click = rows[USER_ID].to_numpy(), rows[CLICK].to_numpy(np.float64)
    is_clicked = click == 1
    return [
        *gate_rows("click", click, trees.click(matrix), users, buckets),
        *gate_rows(
            "conversion",
            rows[CONVERSION].to_numpy(np.float64)[is_clicked],
            trees.conversion(top[is_clicked]),
            users[is_clicked],
            {kind: names[is_clicked] for kind, names in buckets.items()},
        ),
    ]


def _mean_delay(rows: pd.DataFrame) -> float | None:
    """The exponential's mean, None where the log records no delay."""
    if DELAY not in rows:
        return None
    delays = rows.loc[(rows[CLICK] == 1) & (rows[CONVERSION] == 1), DELAY].dropna()
    return float(delays.mean()) if len(delays) else None
