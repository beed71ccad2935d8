"""Prediction tables of a run -> what its report says of buckets against each other, and the alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from learn_rank.evaluation.between_buckets import calibration_rows, part_rows, tie_rows
from learn_rank.evaluation.reliability import reliability_rows
from learn_rank.report.alarms import shift_alarms, tie_alarms, weak_baseline_alarms
from learn_rank.report_kit.words import BASELINE, FLOORS


def judge_between(
    predictions: Mapping[str, Sequence[pd.DataFrame]], rows: Sequence[Mapping[str, Any]], tasks: Sequence[str]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Judge calibration and buckets against each other.

    Args:
        predictions: arm -> one table per training seed; "baseline" among them.
        rows: what was found of the arms inside buckets.
        tasks: that all of the tables can be judged by.

    Returns:
        Tables for a report's `about` (calibration, reliability, auc_parts, ties), and the alarms, one
        sentence each.
    """
    trained = {arm: tables for arm, tables in predictions.items() if arm not in FLOORS}
    calibration = calibration_rows(trained, BASELINE, tasks)
    parts, ties = part_rows(trained, BASELINE, tasks), tie_rows(trained, BASELINE, tasks)
    said = [
        *weak_baseline_alarms(rows, FLOORS),
        *shift_alarms(calibration, parts),
        *tie_alarms(ties),
    ]
    tables = {
        "calibration": [dict(row) for row in calibration],
        "reliability": [dict(row) for row in reliability_rows(trained, BASELINE, tasks)],
        "auc_parts": [dict(row) for row in parts],
        "ties": [dict(row) for row in ties],
    }
    return tables, said


__all__ = ["judge_between"]
