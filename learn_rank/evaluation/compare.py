"""Models x metrics x buckets on the same rows -> result rows, and paired differences to a baseline."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import numpy as np

from learn_rank.metrics.auc import AUC, UAUC, WUAUC, Metric
from learn_rank.metrics.buckets import bucket_codes
from learn_rank.metrics.labelled_rows import LabelledRows, as_scores
from learn_rank.uncertainty.intervals import ClosedForm, Uncertainty, holm
from learn_rank.uncertainty.scored_rows import Scored, ScoredRows

ALL = "all"
AUC_METRICS = (AUC(), UAUC(), WUAUC())


class ResultRow(TypedDict):
    """One number with its interval and counts; value, low and high are None where undefined."""

    model: str
    task: str
    metric: str
    bucket_kind: str
    bucket: str
    value: float | None
    low: float | None
    high: float | None
    n_rows: int
    n_users: int
    n_skipped_users: int


class DeltaRow(TypedDict):
    """model - baseline on the same rows; p_adjusted is Holm's over the declared family.

    `seed_deltas` are the differences of the single training seeds, whose mean is `delta`: there where it is
    defined and both were trained with the same seeds, two or more.
    """

    model: str
    baseline: str
    task: str
    metric: str
    bucket_kind: str
    bucket: str
    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    n_rows: int
    n_users: int
    seed_deltas: NotRequired[list[float]]


@dataclass(frozen=True, eq=False)
class Partition:
    """One way of splitting rows into buckets.

    Attributes:
        kind: "user", "item", or the name of a column.
        buckets: (N,) bucket name of each row.
        names: the buckets to report, in order, empty ones included; None: those that occur.
    """

    kind: str
    buckets: Any
    names: Sequence[str] | None = None


def compare_models(
    rows: LabelledRows,
    scores: Mapping[str, Sequence[Any]],
    partitions: Sequence[Partition] = (),
    *,
    task: str,
    metrics: Sequence[Metric] = AUC_METRICS,
    baseline: str | None = None,
    uncertainty: Uncertainty | None = None,
) -> tuple[list[ResultRow], list[DeltaRow]]:
    """Judge every model in every bucket, pairs of rows taken within the bucket.

    Args:
        rows: what all models were asked, with users.
        scores: model -> list of (N,) score columns, one per training seed.
        partitions: the buckets besides "all".
        task: the name to put in the rows.
        metrics: what to compute.
        baseline: the model that the others are compared with; None: no differences.
        uncertainty: where the intervals come from; default `ClosedForm()`.

    Returns:
        Result rows for each bucket, metric and model, and difference rows with p_adjusted still empty.

    Raises:
        ValueError: an unknown baseline, no score column, or scores that `rows.as_scores` refuses.
    """
    if baseline is not None and baseline not in scores:
        raise ValueError(f"baseline: expected one of {sorted(scores)}, got {baseline!r}")
    for model, columns in scores.items():
        if len(columns) == 0:
            raise ValueError(f"scores: expected at least one column for {model!r}, got none")
    checked = {
        model: [as_scores(column, len(rows), model) for column in columns]
        for model, columns in scores.items()
    }
    return compare_in_buckets(
        bucket_scores(rows, checked, partitions),
        task=task,
        metrics=metrics,
        baseline=baseline,
        uncertainty=uncertainty,
    )


@dataclass(frozen=True, eq=False)
class BucketScores:
    """The rows of one bucket, with the scores of every model.

    Attributes:
        kind, bucket: where the rows stand.
        scored: model -> one entry per training seed.
    """

    kind: str
    bucket: str
    scored: Mapping[str, Sequence[Scored]]


def compare_in_buckets(
    buckets: Iterable[BucketScores],
    *,
    task: str,
    metrics: Sequence[Metric] = AUC_METRICS,
    baseline: str | None = None,
    uncertainty: Uncertainty | None = None,
) -> tuple[list[ResultRow], list[DeltaRow]]:
    """`compare_models` for rows wherever they lie; arguments and result as there."""
    method: Uncertainty = ClosedForm() if uncertainty is None else uncertainty
    results: list[ResultRow] = []
    deltas: list[DeltaRow] = []
    for scores in buckets:
        evidence = {
            model: [method.evidence_of(metrics, seed) for seed in seeds]
            for model, seeds in scores.scored.items()
        }
        for at, metric in enumerate(metrics):
            place = {"task": task, "metric": str(metric), "bucket_kind": scores.kind, "bucket": scores.bucket}
            by_model = {model: [seed[at] for seed in seeds] for model, seeds in evidence.items()}
            results += [_result_row(method, model, place, seeds) for model, seeds in by_model.items()]
            if baseline is not None:
                deltas += [
                    _delta_row(method, (model, baseline), place, (seeds, by_model[baseline]))
                    for model, seeds in by_model.items()
                    if model != baseline
                ]
    return results, deltas


def adjust(deltas: Sequence[DeltaRow], family: Sequence[str] = ("task", "metric")) -> list[DeltaRow]:
    """Fill p_adjusted by Holm over families of difference rows.

    Args:
        deltas: the rows.
        family: rows that agree in these keys are one family. The default asks one question per task and
            metric, "does any model move it in any bucket?"; () makes all rows one family.
    """
    members = defaultdict(list)
    for at, row in enumerate(deltas):
        members[tuple(row[key] for key in family)].append(at)  # type: ignore[literal-required]
    filled = [row.copy() for row in deltas]
    for positions in members.values():
        p = [math.nan if deltas[at]["p"] is None else deltas[at]["p"] for at in positions]
        for at, adjusted in zip(positions, holm(p), strict=True):
            filled[at]["p_adjusted"] = defined(adjusted)
    return filled


def defined(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if math.isnan(value) else float(value)


def bucket_scores(
    rows: LabelledRows, scores: Mapping[str, Sequence[np.ndarray]], partitions: Sequence[Partition]
) -> Iterator[BucketScores]:
    """All rows, then every bucket."""
    yield BucketScores(
        ALL, ALL, {model: [ScoredRows(rows, s) for s in seeds] for model, seeds in scores.items()}
    )
    for partition in partitions:
        code, names = bucket_codes(partition.buckets, len(rows), partition.names)
        for at, name in enumerate(names):
            chosen = np.flatnonzero(code == at)
            own = rows.take(chosen)
            scored = {
                model: [ScoredRows(own, column[chosen]) for column in seeds]
                for model, seeds in scores.items()
            }
            yield BucketScores(partition.kind, name, scored)


def _result_row(method: Uncertainty, model: str, place: dict[str, str], seeds: Sequence[Any]) -> ResultRow:
    found, counts = method.interval(seeds), seeds[0].counts
    row = {
        "model": model,
        **place,
        "value": defined(found.value),
        "low": defined(found.low),
        "high": defined(found.high),
        "n_rows": counts.n_rows,
        "n_users": counts.n_users,
        "n_skipped_users": counts.n_skipped_users,
    }
    return cast(ResultRow, row)


def _delta_row(
    method: Uncertainty,
    names: tuple[str, str],
    place: dict[str, str],
    evidence: tuple[Sequence[Any], Sequence[Any]],
) -> DeltaRow:
    """`names` and `evidence`: the model's, then the baseline's."""
    found, counts = method.delta(*evidence), evidence[0][0].counts
    row = {
        "model": names[0],
        "baseline": names[1],
        **place,
        "delta": defined(found.delta),
        "low": defined(found.low),
        "high": defined(found.high),
        "p": defined(found.p),
        "p_adjusted": None,
        "n_rows": counts.n_rows,
        "n_users": counts.n_users,
    }
    new, old = ([seed.value for seed in seeds] for seeds in evidence)
    if len(new) == len(old) > 1 and not math.isnan(found.delta):
        row["seed_deltas"] = np.subtract(new, old).tolist()
    return cast(DeltaRow, row)
