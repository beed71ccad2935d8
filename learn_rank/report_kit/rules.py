"""The rules by which a difference is read: anyone can recompute them from report.json."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learn_rank.report_kit.words import (
    BASELINE,
    HEADLINE_METRICS,
    LEARN,
    METRIC_ORDER,
    SHUFFLED,
    SIGNIFICANT,
    bare_metric,
)

#: An interval over all rows that contains 0 and is no wider than this hides no difference of 5 points, on
#: either side. A run adds seeds until the intervals that decide are no wider (`--max-seeds`).
DECIDING_WIDTH = 0.05
#: Rows without a change that are added to each item before those that moved most are named, so that one lucky
#: row makes no first place.
PRIOR_ROWS = 20
VAGUE = 0.5  # width of the interval of a difference of AUCs, which has a range of 1
VAGUE_LIFT = 1.0  # of a relative lift: from -50 % to +50 %

Delta = Mapping[str, Any]


@dataclass(frozen=True)
class TaskVerdict:
    """What the run says of one task: the outcome over all rows, and the buckets that gain or lose."""

    task: str
    metric: str
    outcome: str  # better | worse | none | missing
    delta: Delta | None
    gains: tuple[Delta, ...]
    losses: tuple[Delta, ...]
    n_buckets: int  # with a defined difference
    doubtful: tuple[Delta, ...]  # buckets where the shuffled control gains too, so no gain is claimed
    harms: tuple[Delta, ...]  # metrics over all rows that are worse (`judge_task`), those of the worst first
    wide: tuple[Delta, ...]  # metrics over all rows whose interval could hide 5 points (`could_hide`)

    @property
    def is_gain(self) -> bool:
        """Whether the deciding metric is better, also after correction for the number of comparisons."""
        return mark(self.delta) == "better"


def outcome(delta: Delta | None) -> str:
    """Read one difference by its interval alone: `better`, `worse`, `none` or `missing`.

    Definition: better if low > 0, worse if high < 0, none if the interval contains 0, missing if the
    difference or its interval is undefined.
    """
    if delta is None or delta["delta"] is None or delta["low"] is None or delta["high"] is None:
        return "missing"
    if delta["low"] > 0:
        return "better"
    return "worse" if delta["high"] < 0 else "none"


def says_nothing(delta: Delta | None) -> bool:
    """Whether an interval that contains 0 is so wide that the row leaves everything open.

    Definition: for AUC, UAUC, WUAUC and SlateAUC at least 50 points wide, of the 100 that a model's value can
    move; for a row with a relative lift at least 100 points of percent wide.
    """
    if delta is None or outcome(delta) != "none":
        return False
    if delta.get("relative_low") is not None and delta.get("relative_high") is not None:
        return bool(delta["relative_high"] - delta["relative_low"] >= VAGUE_LIFT)
    is_auc = bare_metric(str(delta.get("metric"))) in METRIC_ORDER
    return bool(is_auc and delta["high"] - delta["low"] >= VAGUE)


def could_hide(delta: Delta | None) -> bool:
    """Whether an interval contains 0 and reaches `DECIDING_WIDTH` (5 points) on one side or on both."""
    return (
        delta is not None and outcome(delta) == "none" and max(-delta["low"], delta["high"]) >= DECIDING_WIDTH
    )


def mark(delta: Delta | None, significant: float = SIGNIFICANT, *, is_correction_needed: bool = False) -> str:
    """The key of `words.MARKS` for one difference.

    Definition: `flagged` where a row that has an interval carries a flag; `vague` where it `says_nothing`;
    else its outcome, prefixed by
    `hint-` where the interval excludes 0 but the adjusted p is not below `significant`: a table of buckets
    makes many comparisons, and some intervals exclude 0 by chance. Where nothing was adjusted (None), the
    interval decides alone, or `is_correction_needed` and it is a hint.
    """
    result = outcome(delta)
    if delta is None or result == "missing":
        return "missing"
    if delta.get("flag") is not None:
        return "flagged"
    if result == "none":
        return "vague" if says_nothing(delta) else "none"
    adjusted = delta["p_adjusted"]
    is_clear = not is_correction_needed if adjusted is None else adjusted < significant
    return result if is_clear else f"hint-{result}"


def clear(deltas: Iterable[Delta], direction: str, significant: float = SIGNIFICANT) -> list[Delta]:
    """The differences that are `better` or `worse` also after correction, and not flagged."""
    return [row for row in deltas if mark(row, significant, is_correction_needed=True) == direction]


def find(deltas: Iterable[Delta], **wanted: str) -> Delta | None:
    """The one difference whose names equal the wanted ones, or None."""
    return next(
        (delta for delta in deltas if all(delta[key] == value for key, value in wanted.items())), None
    )


def headline_metric(deltas: Iterable[Delta], task: str) -> str:
    """The metric that decides a task: UAUC, or AUC and then WUAUC where it is undefined over all rows."""
    own = [row for row in deltas if (row["model"], row["baseline"], row["task"]) == (LEARN, BASELINE, task)]
    for metric in HEADLINE_METRICS:
        if outcome(find(own, metric=metric, bucket_kind="all", bucket="all")) != "missing":
            return metric
    return HEADLINE_METRICS[0]


def judge_task(deltas: Sequence[Delta], task: str) -> TaskVerdict:
    """Read the differences LEARN - baseline of one task.

    Definition: the headline metric over all rows says what is gained. What is harmed, every metric may say:
    one is worse if its interval lies below 0 and so does its test after correction, the headline metric
    also without that, as it is the one that was to be looked at. Buckets are read in the headline metric.
    """
    metric = headline_metric(deltas, task)
    pairs = [row for row in deltas if (row["task"], row["baseline"]) == (task, BASELINE)]
    learn = [row for row in pairs if row["model"] == LEARN]
    whole = find(learn, metric=metric, bucket_kind="all", bucket="all")
    over_all = metrics_over_all(deltas, LEARN, task)
    harms = [row for row in over_all if mark(row) == "worse" or (row is whole and outcome(row) == "worse")]
    buckets = [row for row in learn if row["bucket_kind"] != "all" and row["metric"] == metric]
    control = [row for row in pairs if row["model"] == SHUFFLED and row["metric"] == metric]
    lifted = {(row["bucket_kind"], row["bucket"]) for row in control if mark(row) == "better"}
    doubtful = tuple(row for row in buckets if (row["bucket_kind"], row["bucket"]) in lifted)
    return TaskVerdict(
        task=task,
        metric=metric,
        outcome=outcome(whole),
        delta=whole,
        gains=tuple(row for row in buckets if mark(row) == "better" and row not in doubtful),
        losses=tuple(row for row in buckets if mark(row) == "worse"),
        n_buckets=sum(outcome(row) != "missing" for row in buckets),
        doubtful=doubtful,
        harms=tuple(sorted(harms, key=lambda row: row["delta"])),
        wide=tuple(row for row in over_all if could_hide(row)),
    )


def metrics_over_all(deltas: Iterable[Delta], model: str, task: str) -> list[Delta]:
    """The differences model - baseline over all rows of a task, in UAUC, AUC and WUAUC."""
    names = {"model": model, "baseline": BASELINE, "task": task, "bucket_kind": "all", "bucket": "all"}
    listed = list(deltas)
    found = (find(listed, metric=metric, **names) for metric in HEADLINE_METRICS)
    return [row for row in found if row is not None]


def versus_baseline(deltas: Sequence[Delta], model: str, task: TaskVerdict) -> Delta | None:
    """The difference model - baseline over all rows, in the headline metric of the task."""
    names = {"task": task.task, "metric": task.metric, "bucket_kind": "all", "bucket": "all"}
    return find(deltas, model=model, baseline=BASELINE, **names)
