"""The words and number formats of the report, the same on the page, in the plots and in the terminal."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

BASELINE, LEARN, RAW_TEXT, SHUFFLED = "baseline", "learn", "raw_text", "shuffled"
AUTO = "auto"  # LEARN where validation proves it better, else the baseline
RATES = "rates"  # item rate + user rate: no ranker, but what any ranker must beat
#: told over all rows only: rates would squeeze every plot, and auto is one of the arms
NOT_BY_BUCKET = (RATES, AUTO)
HEADLINE_METRICS = ("UAUC", "AUC", "WUAUC")
SIGNIFICANT = 0.05
DASH, MINUS = "–", "−"

MODEL_WORDS = {
    BASELINE: "Baseline",
    LEARN: "LEARN",
    AUTO: "Auto",
    RAW_TEXT: "Raw text",
    SHUFFLED: "Shuffled (control)",
    RATES: "Plain rates",
}
TASK_WORDS = {"CTR": "clicks", "CVR": "conversions after a click", "CTCVR": "conversions per impression"}
METRIC_ORDER = ("AUC", "UAUC", "WUAUC")
KIND_ORDER = ("all", "user", "item")
BUCKET_ORDER = ("all", "cold-start", "long-tail", "other")
MARKS = {"better": "▲", "hint-better": "△", "worse": "▼", "hint-worse": "▽", "none": "○", "missing": DASH}
MARK_WORDS = {
    "better": "better: the interval lies above 0",
    "hint-better": "better by its own interval, but not after correction for the number of comparisons",
    "worse": "worse: the interval lies below 0",
    "hint-worse": "worse by its own interval, but not after correction for the number of comparisons",
    "none": "no detectable difference: the interval contains 0",
    "missing": "not defined",
}


def model_words(model: str) -> str:
    """The name of a model for a reader; an unknown one is shown as it is."""
    return MODEL_WORDS.get(model, model)


def short_model_words(model: str) -> str:
    """The name of a model for a narrow column, without its remark in brackets."""
    return MODEL_WORDS[model].partition(" (")[0] if model in MODEL_WORDS else model


def task_words(task: str) -> str:
    """`CTR` -> `clicks (CTR)`; an unknown task is shown as it is."""
    return f"{TASK_WORDS[task]} ({task})" if task in TASK_WORDS else task


def bucket_words(bucket_kind: str, bucket: str) -> str:
    """`("user", "cold-start")` -> `cold-start users`; `("all", "all")` -> `all rows`."""
    if bucket_kind == "all":
        return "all rows" if bucket == "all" else bucket
    return f"{bucket} {bucket_kind}s" if bucket_kind in KIND_ORDER else f"{bucket_kind}: {bucket}"


def ordered(values: Iterable[str], known: Iterable[str]) -> list[str]:
    """The distinct values, the known ones first in their order, then the others in order of appearance."""
    distinct, first = list(dict.fromkeys(values)), list(dict.fromkeys(known))
    return [value for value in first if value in distinct] + [
        value for value in distinct if value not in first
    ]


def ordered_buckets(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The distinct (bucket_kind, bucket) of the rows, all rows first, then users, then items."""
    pairs = list(dict.fromkeys((row["bucket_kind"], row["bucket"]) for row in rows))
    return [
        (kind, bucket)
        for kind in ordered((kind for kind, _ in pairs), KIND_ORDER)
        for bucket in ordered((name for owner, name in pairs if owner == kind), BUCKET_ORDER)
    ]


def value_words(value: float | None) -> str:
    """A metric with four decimals, a dash where it is undefined."""
    return DASH if value is None else f"{value:.4f}".replace("-", MINUS)


def points_words(delta: float | None) -> str:
    """A difference of fractions in points with sign and two decimals: 0.0283 -> `+2.83`."""
    if delta is None:
        return DASH
    text = f"{100 * delta:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", MINUS)


def interval_words(low: float | None, high: float | None, in_points: bool) -> str:
    """`[+2.41, +3.25]` in points or `[0.8301, 0.8359]` as a value; nothing where there is no interval."""
    if low is None or high is None:
        return ""
    say = points_words if in_points else value_words
    return f"[{say(low)}, {say(high)}]"


def unbroken(text: str) -> str:
    """The text with non-breaking spaces inside `+2.08 [+1.73, +2.43]`, for a page that wraps its lines."""
    return re.sub(r"(\S+ )?\[[^\[\]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def count_words(count: int) -> str:
    """`12345` -> `12,345`."""
    return f"{count:,}"


def undefined_words(row: Mapping[str, Any]) -> str:
    """Why a metric has no value, or a difference cannot be judged, with its counts."""
    rows = f"{count_words(row['n_rows'])} row{'' if row['n_rows'] == 1 else 's'}"
    if row["n_rows"] == 0:
        return "empty, 0 rows"
    if row.get("delta") is not None:
        return f"{points_words(row['delta'])} without an interval, {rows}"
    if row["metric"].partition("(")[0] in ("UAUC", "WUAUC"):
        return f"no user with both classes in {rows}"
    return f"one class only in {rows}"


def duration_words(seconds: float | None) -> str:
    """`3725` -> `1 h 2 min`; short times keep their seconds."""
    if seconds is None:
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def joined(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    listed = list(parts)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}" if listed else ""
