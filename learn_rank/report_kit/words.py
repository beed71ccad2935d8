"""The words and number formats of all reports, the same on the page, in the plots and in the terminal."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

BASELINE, LEARN, RAW_TEXT, SHUFFLED = "baseline", "learn", "raw_text", "shuffled"
AUTO = "auto"  # LEARN where validation proves it better, else the baseline
RATES = "rates"  # item rate + user rate
RECENT = "recent"  # what was clicked lately, of the item, its brand and its category
NO_HISTORY = "no_history"  # the baseline without the items of its user's history
FLOORS = (RATES, RECENT, NO_HISTORY)  # what any ranker must beat
#: told over all rows only: floors would squeeze every plot, and auto is one of the arms
NOT_BY_BUCKET = (*FLOORS, AUTO)
HEADLINE_METRICS = ("UAUC", "AUC", "WUAUC")
SIGNIFICANT = 0.05
DASH, MINUS, NBSP = "–", "−", "\N{NO-BREAK SPACE}"

MODEL_WORDS = {
    BASELINE: "Baseline",
    LEARN: "LEARN",
    AUTO: "Auto",
    RAW_TEXT: "Raw text",
    SHUFFLED: "Shuffled (control)",
    RATES: "Plain rates",
    RECENT: "Recent popularity",
    NO_HISTORY: "Baseline without history",
}
TASK_WORDS = {"CTR": "clicks", "CVR": "conversions after a click", "CTCVR": "conversions per impression"}
METRIC_ORDER = ("AUC", "UAUC", "WUAUC", "SlateAUC")
KIND_ORDER = ("all", "user", "item")
BUCKET_ORDER = ("all", "cold-start", "long-tail", "other")
MARKS = {
    "better": "▲",
    "hint-better": "△",
    "worse": "▼",
    "hint-worse": "▽",
    "none": "○",
    "vague": "?",
    "flagged": "⚑",  # of an A/B test alone
    "missing": DASH,
}
MARK_WORDS = {
    "better": "better: the interval lies above 0",
    "hint-better": "better by its own interval, but not after correction for the number of comparisons",
    "worse": "worse: the interval lies below 0",
    "hint-worse": "worse by its own interval, but not after correction for the number of comparisons",
    "none": "no detectable difference: the interval contains 0",
    "vague": "says nothing: the interval spans half of what is possible or more (too few users or seeds)",
    "missing": "not defined",
}
_TOGETHER = re.compile(r"(?:\S+(?: %)? )?\[[^\[\]]*\]|(?<=\d) %(?: interval)?")


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


def bare_metric(metric: str) -> str:
    """The name of a metric without its settings: `WUAUC(weight='w')` -> `WUAUC`."""
    return metric.partition("(")[0]


def capitalised(text: str) -> str:
    """The text with a capital first letter; the other letters stay."""
    return text[:1].upper() + text[1:]


def value_words(value: float | None) -> str:
    """A metric with four decimals, a dash where it is undefined."""
    return DASH if value is None else f"{value:.4f}".replace("-", MINUS)


def points_words(delta: float | None) -> str:
    """A difference of fractions in points with sign and two decimals: 0.0283 -> `+2.83`."""
    return DASH if delta is None else _signed(100 * delta, 2)


def width_words(width: float | None) -> str:
    """The width of an interval of fractions, in points: 0.05 -> `5 points`, 0.0731 -> `7.3 points`."""
    return DASH if width is None else f"{100 * width:.1f} points".replace(".0 ", " ")


def percent_words(change: float | None) -> str:
    """A relative change with sign: 0.0423 -> `+4.23 %`, -0.52 -> `−52.0 %`."""
    if change is None:
        return DASH
    return f"{_signed(100 * change, 1 if abs(100 * change) >= 10 else 2)} %"


def share_words(share: float | None, digits: int = 1) -> str:
    """A share without sign: 0.8 -> `80.0 %`."""
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def amount_words(value: float | None) -> str:
    """12345.678 -> `12,346`, 0.012345 -> `0.01234`: four significant digits or whole numbers."""
    if value is None:
        return DASH
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return (f"{value:.2e}" if "e" in text else text).replace("-", MINUS)


def ratio_words(ratio: float | None) -> str:
    """Observed over expected, with two decimals."""
    return DASH if ratio is None else f"{ratio:.2f}"


def p_words(p: float | None) -> str:
    """`< .001`, `.023`, a dash where there is none."""
    if p is None:
        return DASH
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def interval_words(
    low: float | None, high: float | None, say: Callable[[float | None], str] = value_words
) -> str:
    """`[0.8301, 0.8359]`, each end in the words of its value; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{say(low)}, {say(high)}]"


def said(delta: Mapping[str, Any]) -> str:
    """A difference with its interval, in points: `+2.25 [+1.46, +3.04]`."""
    return f"{points_words(delta['delta'])} {interval_words(delta['low'], delta['high'], points_words)}"


def interval_name(level: float | None) -> str:
    """`95 % interval` where the level is stated, else `interval`."""
    return "interval" if level is None else f"{100 * level:g} % interval"


def unbroken(text: str) -> str:
    """The text for a page that wraps its lines: no line ends before a percent sign or inside a result.

    Example:
        >>> unbroken("of 5 % to +2.08 % [+1.73 %, +2.43 %] at").split(" ")
        ['of', '5\\xa0%', 'to', '+2.08\\xa0%\\xa0[+1.73\\xa0%,\\xa0+2.43\\xa0%]', 'at']
    """
    return _TOGETHER.sub(lambda found: found[0].replace(" ", NBSP), text)


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
    if bare_metric(row["metric"]) in ("UAUC", "WUAUC"):
        return f"no user with both classes in {rows}"
    if bare_metric(row["metric"]) == "SlateAUC":
        return f"no slate with both classes in {rows}"
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


def _signed(number: float, digits: int) -> str:
    text = f"{number:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)
