"""What a reader must know of a comparison before its intervals: plain rows in, sentences out."""

from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.report_kit import words

MANY_TIES = 0.5  # share of a bucket's rows that share their score with another one
FAR_OFF = 1.25  # predicted over observed, or its inverse, farther than the baseline's and with its interval
Row = Mapping[str, Any]


def weak_baseline_alarms(rows: Sequence[Row], floors: Sequence[str]) -> list[str]:
    """A baseline below what needs no ranker, and buckets that it orders worse than chance.

    Args:
        rows: of a `Report`, the AUC of every model, task and bucket among them.
        floors: models that need no training and that a baseline must beat, such as plain rates.
    """
    aucs = [row for row in rows if row["metric"] == "AUC" and row["value"] is not None]
    whole = {(row["model"], row["task"]): row["value"] for row in aucs if row["bucket_kind"] == "all"}
    found = []
    for (model, task), value in whole.items():
        base = whole.get((words.BASELINE, task))
        if model in floors and base is not None and value > base:
            found.append(
                f"The baseline's {task} AUC ({base:.4f}) is below {_floor_words(model)} ({value:.4f}): "
                "the lifts in this task are over a weak baseline."
            )
    for row in aucs:
        if row["model"] == words.BASELINE and row["high"] is not None and row["high"] < 0.5:
            found.append(
                f"In {row['task']} the baseline orders {_place(row)} worse than chance (AUC "
                f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]): whatever mixes them gains there."
            )
    return found


def tie_alarms(ties: Sequence[Row]) -> list[str]:
    """The bucket of each task in which most rows of the baseline share their score, if they are most.

    Args:
        ties: model, task, bucket_kind, bucket and the share of rows with a score that another one has.
    """
    worst: dict[str, Row] = {}
    for row in ties:
        known = worst.get(row["task"])
        least = MANY_TIES if known is None else known["share"]
        if row["model"] == words.BASELINE and row["share"] > least:
            worst[row["task"]] = row
    return [
        f"{words.share_words(row['share'])} of the baseline's {task} scores of {_place(row)} are those of "
        "another row, too: it hardly tells these rows apart, and whatever breaks the ties may gain."
        for task, row in worst.items()
    ]


def shift_alarms(calibration: Sequence[Row], parts: Sequence[Row]) -> list[str]:
    """The bucket of each task whose scores LEARN moves most as a whole, which no AUC inside a bucket sees.

    Definition: LEARN's predicted over observed is off by more than `FAR_OFF`, interval included, and farther
    off than the baseline's. The sentence says what that did to the pooled AUC.

    Args:
        calibration: rows of predicted over observed, of every model, task and bucket.
        parts: rows of the change of the pooled AUC by the buckets of a pair's two rows.
    """
    base = {_key(row): row for row in calibration if row["model"] == words.BASELINE}
    n_all = {row["task"]: row["n_rows"] for row in base.values() if row["bucket_kind"] == "all"}
    worst: dict[str, Row] = {}
    for row in calibration:
        task, before = row["task"], base.get(_key(row))
        if row["model"] != words.LEARN or row["n_rows"] == n_all.get(task) or not _is_off(row):
            continue
        if before is None or before["value"] is None or _distance(row) <= _distance(before):
            continue
        if task not in worst or _distance(row) > _distance(worst[task]):
            worst[task] = row
    found = []
    for task, row in worst.items():
        within, between = auc_changes(parts, words.LEARN, task, row["bucket_kind"])
        before = base[_key(row)]
        found.append(
            f"LEARN predicts {row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}] times the "
            f"{_outcome_words(task)} that {_place(row)} get (baseline {before['value']:.2f}). An AUC "
            f"inside the bucket cannot see that; over all rows, the order of {row['bucket_kind']} buckets "
            f"against each other changed the AUC by {words.points_words(between)} points, the order inside "
            f"them by {words.points_words(within)}."
        )
    return found


def auc_changes(parts: Sequence[Row], model: str, task: str, kind: str) -> tuple[float, float]:
    """(within, between) parts of a model's change of the pooled AUC; both add up to it."""
    chosen = [row for row in parts if (row["model"], row["task"], row["bucket_kind"]) == (model, task, kind)]
    within = sum(row["delta"] for row in chosen if row["positives"] == row["negatives"])
    between = sum(row["delta"] for row in chosen if row["positives"] != row["negatives"])
    return within, between


def _is_off(row: Row) -> bool:
    low, high = row["low"], row["high"]
    return low is not None and row["value"] is not None and (low > FAR_OFF or high < 1 / FAR_OFF)


def _distance(row: Row) -> float:
    """How many times too much or too little."""
    return max(row["value"], 1 / row["value"]) if row["value"] > 0 else float("inf")


def _key(row: Row) -> tuple[str, ...]:
    return row["task"], row["bucket_kind"], row["bucket"]


def _place(row: Row) -> str:
    return "all rows" if row["bucket_kind"] == "all" else f"rows of {row['bucket']} {row['bucket_kind']}s"


def _floor_words(model: str) -> str:
    return "plain item and user rates" if model == words.RATES else f"{words.model_words(model).lower()}"


def _outcome_words(task: str) -> str:
    return "clicks" if task == "CTR" else "conversions"


__all__ = ["auc_changes", "shift_alarms", "tie_alarms", "weak_baseline_alarms"]
