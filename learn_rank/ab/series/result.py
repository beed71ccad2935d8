"""What a series showed: a row a test, and the guard's share by bucket, in memory and as JSON."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from learn_rank.ab.about import PACKAGES
from learn_rank.ab.report.result import plain_value
from learn_rank.ab.series.judge import INVALID, STATUSES, Judged, judge
from learn_rank.ab.series.read import Series, read_series
from learn_rank.ab.statistics.guards import P_LIMIT
from learn_rank.report_kit.provenance import provenance
from learn_recall.files.whole_files import write_json

__all__ = ["FORMAT", "SeriesResult", "run_series", "write_series"]

FORMAT, MODE = "learn_rank.series/1", "O"


@dataclass(frozen=True, eq=False)
class SeriesResult:
    """A series of tests, judged (mode O). Undefined numbers are None.

    Args:
        groups: of all tests and of each bucket: tests, in how many the sample-ratio guard fired, statuses.
        tests: one row a test, as ``Judged.row`` gives it, those with the least q first.
        about: settings, counts, notices, provenance.
    """

    groups: Sequence[Mapping[str, Any]]
    tests: Sequence[Mapping[str, Any]]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("groups", "tests", "about"):
            object.__setattr__(self, name, plain_value(getattr(self, name), name))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "format": FORMAT,
            "mode": MODE,
            "groups": self.groups,
            "tests": self.tests,
            "about": self.about,
        }


def write_series(path: str | os.PathLike[str], result: SeriesResult) -> None:
    """Write a result as strict JSON, whole or not at all; undefined numbers are null."""
    write_json(path, result.as_dict())


def run_series(
    path: str | os.PathLike[str],
    test_column: str,
    *,
    columns: Mapping[str, str] | None = None,
    buckets: Sequence[str] = (),
    level: float = 0.95,
    about: Mapping[str, Any] | None = None,
) -> SeriesResult:
    """Judge every test of a file.

    Args:
        path: see `read_series`.
        test_column: the column that names the test.
        columns: name here -> name in the file.
        buckets: columns of tests, or ``NAME=LOW..HIGH``.
        level: of the intervals.
        about: what the caller knows, as title and command.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what `read_series` refuses, or a level outside 0 .. 1.
    """
    started = time.monotonic()
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}. Remedy: use .95.")
    series = read_series(path, test_column, columns=columns, buckets=buckets)
    judged = judge(series, level)
    order = np.lexsort((judged.p, judged.q))
    known = {
        "title": "Series of tests",
        **provenance(PACKAGES),
        "seconds": round(time.monotonic() - started, 1),
        "level": level,
        "config": {"test": test_column, "level": level, "buckets": list(buckets)},
        "source": {"experiment": os.fspath(path)},
        "counts": series.counts,
        "notices": notices(judged),
    }
    rows = [judged.row(series, int(at)) for at in order]
    return SeriesResult(group_rows(series, judged), rows, {**known, **(about or {})})


def group_rows(series: Series, judged: Judged) -> list[dict[str, Any]]:
    """One row for all tests, then one a bucket: how often the guard fired, and what was judged."""
    groups = [("all", "all", np.ones(series.tests.size, bool))]
    for column, bucket in series.buckets.items():
        groups += [(column, name, bucket.codes == at) for at, name in enumerate(bucket.names)]
    rows = []
    for column, name, is_in in groups:
        n_checked = int((is_in & ~np.isnan(judged.ratio_p)).sum())
        n_fired = int((is_in & (judged.status == INVALID)).sum())
        row: dict[str, Any] = {"bucket_kind": column, "bucket": name, "n_tests": int(is_in.sum())}
        row |= {"n_fired": n_fired, "share_fired": n_fired / n_checked if n_checked else None}
        chance = float(stats.binom.sf(n_fired - 1, n_checked, P_LIMIT)) if n_checked else None
        row |= {"p_of_as_many": chance}
        row |= {status: int((is_in & (judged.status == status)).sum()) for status in STATUSES}
        rows.append(row)
    return rows


def notices(judged: Judged) -> list[str]:
    """What a reader must know of how the numbers came about."""
    found = [
        "The file has no users, so the impression is the unit: intervals are too narrow where viewers saw "
        "several.",
        "A best arm was chosen for its rate: its lift over the others tells too much, most where arms are "
        "small.",
    ]
    n_single = int((judged.n_arms == 1).sum())
    if n_single:
        found.append(f"{n_single:,} tests have one arm only and are not judged.")
    return found
