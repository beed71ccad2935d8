"""What a report is made of: plain rows, checked once, the same in memory and in report.json."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

ROW_NAMES = ("model", "task", "metric", "bucket_kind", "bucket")
ROW_KEYS = (*ROW_NAMES, "value", "low", "high", "n_rows", "n_users", "n_skipped_users")
DELTA_NAMES = ("model", "baseline", "task", "metric", "bucket_kind", "bucket")
DELTA_KEYS = (*DELTA_NAMES, "delta", "low", "high", "p", "p_adjusted", "n_rows", "n_users")
SEED_DELTAS = "seed_deltas"  # of a difference, where several seeds were trained: one number a seed
ABOUT_TEXTS = ("title", "dataset", "command", "commit", "machine", "started", "seconds", "confidence")
ABOUT_DICTS = ("versions", "protocol")
ABOUT_LISTS = ("seeds", "warnings")
ABOUT_TABLES = {
    "calibration": ("model", "task", "bucket_kind", "bucket", "value", "low", "high", "n_rows"),
    "reliability": ("model", "task", "bin", "predicted", "observed", "low", "high", "n_rows"),
    "auc_parts": ("model", "task", "bucket_kind", "positives", "negatives", "delta", "share_of_pairs"),
    "ties": ("model", "task", "bucket_kind", "bucket", "share"),
    "equal_arms": ("task", "model", "same_as"),
    "equal_buckets": ("task", "bucket_kind", "bucket", "same_kind", "same_bucket"),
    "moved_items": (
        "direction",
        "item_id",
        "text",
        "change",
        "n_rows",
        "click_rate",
        "baseline_pctr",
        "learn_pctr",
    ),
    "coverage": ("store", "bucket_kind", "bucket", "share_with_vector", "n"),
    "recall": ("model", "metric", "value"),
    "training": ("model", "seed", "epoch", "valid_auc"),
    "examples": (),
    "precision": ("task", "metric", "width", "user_width", "enough_seeds", "enough_users"),
}
_COUNTS = ("n_rows", "n_users", "n_skipped_users")


class ReportError(ValueError):
    """A report was given rows that it cannot show truthfully; the message names the row and the remedy."""


@dataclass(frozen=True)
class Report:
    """The findings of a run, as plain data.

    Args:
        rows: one dict per model, task, metric and bucket, with exactly the keys of `ROW_KEYS`. `value`, `low`
            and `high` are fractions (AUC 0.83, not 83); None or NaN means undefined: the bucket is empty or
            has one class only. Such a cell is shown as a dash with its counts, never as 0.
        deltas: one dict per comparison, with the keys of `DELTA_KEYS`; `delta` = model - baseline, as a
            fraction (shown in points, 1 point = 0.01); `p_adjusted` is None where nothing was adjusted. One
            more key may be there, `seed_deltas`: the differences of the single seeds, fractions too.
        about: where the numbers come from. Known keys, all optional: the texts and numbers of `ABOUT_TEXTS`
            (`confidence` is that of the intervals, e.g. 0.95), the dicts of `ABOUT_DICTS`, the lists of
            `ABOUT_LISTS` and the lists of dicts of `ABOUT_TABLES`, each with at least the keys named there.
            Other keys go into report.json and are not shown.

    Raises:
        ReportError: for missing or unknown keys, a value that is no number, half an interval, two rows for
            the same cell, or an `about` that JSON cannot hold or the page cannot show.
    """

    rows: list[dict[str, Any]]
    deltas: list[dict[str, Any]]
    about: dict[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", _checked(self.rows, "rows", ROW_NAMES, ROW_KEYS))
        object.__setattr__(
            self, "deltas", _checked(self.deltas, "deltas", DELTA_NAMES, DELTA_KEYS, (SEED_DELTAS,))
        )
        object.__setattr__(self, "about", _checked_about(plain(dict(self.about), "about")))

    def as_dict(self) -> dict[str, Any]:
        """The content of report.json: the keys `rows`, `deltas` and `about`."""
        return {"rows": self.rows, "deltas": self.deltas, "about": self.about}


def plain(value: Any, where: str) -> Any:
    """Copy `value` into what strict JSON holds: numpy numbers become Python's, NaN and infinity None.

    Args:
        value: anything made of dicts, lists, tuples, arrays, strings, numbers, paths and None.
        where: how to name the place in an error message.

    Raises:
        ReportError: for any other type.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{position}]") for position, item in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    raise ReportError(
        f"{where}: expected strings, numbers, lists and dicts, got {type(value).__name__}. "
        "Remedy: turn it into one of these before it goes into the report"
    )


def _checked(
    rows: Iterable[Mapping[str, Any]],
    argument: str,
    names: tuple[str, ...],
    keys: tuple[str, ...],
    optional: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    checked: list[dict[str, Any]] = []
    seen: dict[tuple[str, ...], int] = {}
    for position, row in enumerate(rows):
        where = f"{argument}[{position}]"
        missing, unknown = sorted(set(keys) - set(row)), sorted(set(row) - {*keys, *optional})
        if missing or unknown:
            raise ReportError(
                f"{where}: expected exactly the keys {', '.join(keys)}; missing {missing}, unknown {unknown}"
            )
        clean = {key: _cell(plain(row[key], f"{where}[{key!r}]"), key, names, where) for key in keys}
        _check_interval(clean, where)
        clean |= {key: _numbers(row[key], f"{where}[{key!r}]") for key in optional if key in row}
        cell = tuple(clean[name] for name in names)
        if cell in seen:
            raise ReportError(
                f"{where}: {dict(zip(names, cell, strict=True))} was given as {argument}[{seen[cell]}]. "
                "Remedy: pool the seeds into one row before reporting"
            )
        seen[cell] = position
        checked.append(clean)
    return checked


def _checked_about(about: dict[str, Any]) -> dict[str, Any]:
    for names, kind in ((ABOUT_DICTS, dict), ((*ABOUT_LISTS, *ABOUT_TABLES), list)):
        for name in names:
            if about.get(name) is not None and not isinstance(about[name], kind):
                got = type(about[name]).__name__
                raise ReportError(f"about[{name!r}]: expected a {kind.__name__} or nothing, got {got}")
    for name, keys in ABOUT_TABLES.items():
        for position, row in enumerate(about.get(name) or []):
            if not isinstance(row, dict) or not set(keys) <= set(row):
                raise ReportError(
                    f"about[{name!r}][{position}]: expected a dict with {list(keys)}, got {row!r}"
                )
    return about


def _cell(value: Any, key: str, names: tuple[str, ...], where: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in names:
        if not isinstance(value, str) or not value:
            raise ReportError(f"{where}[{key!r}]: expected a non-empty string, got {value!r}")
        return value
    if key in _COUNTS:
        if not is_number or value < 0 or value != int(value):
            raise ReportError(
                f"{where}[{key!r}]: expected a count (a whole number, 0 or more), got {value!r}"
            )
        return int(value)
    if value is not None and not is_number:
        raise ReportError(f"{where}[{key!r}]: expected a number, NaN or None, got {value!r}")
    return None if value is None else float(value)


def _numbers(values: Any, where: str) -> list[float]:
    found = plain(values, where)
    is_list = isinstance(found, list)
    if not is_list or any(isinstance(one, bool) or not isinstance(one, int | float) for one in found):
        raise ReportError(f"{where}: expected a list of numbers, got {values!r}")
    return [float(one) for one in found]


def _check_interval(row: dict[str, Any], where: str) -> None:
    low, high = row["low"], row["high"]
    if (low is None) != (high is None):
        raise ReportError(f"{where}: expected both ends of the interval or neither, got [{low}, {high}]")
    if low is not None and low > high:
        raise ReportError(f"{where}: expected low <= high, got [{low}, {high}]. Remedy: swap the ends")
