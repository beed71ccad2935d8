"""From a table of outcomes to a judged experiment: read, compare, look, guard, decide."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from learn_rank.ab.about import PACKAGES
from learn_rank.ab.experiment.declaration import Declaration, shares_of
from learn_rank.ab.experiment.guards import experiment_guards
from learn_rank.ab.experiment.looks import look_rows
from learn_rank.ab.experiment.metrics import Metric
from learn_rank.ab.experiment.novelty import novelty_rows, wear_rows
from learn_rank.ab.experiment.outcomes import Outcomes
from learn_rank.ab.experiment.past import Past, past_of
from learn_rank.ab.experiment.read import NEGATIVE, read_outcomes
from learn_rank.ab.experiment.report.result import ExperimentResult
from learn_rank.ab.experiment.report.verdict import verdicts
from learn_rank.ab.experiment.table import METHODS, Adjustment, estimate_rows, guardrail_rows, n_rows, table
from learn_rank.ab.hierarchy.decision import rule_words
from learn_rank.report_kit.provenance import provenance
from learn_recall.terminal.progress import StageProgress

__all__ = ["run_experiment"]

_ALWAYS = ("always_delta_low", "always_delta_high", "always_low", "always_high")


def run_experiment(
    path: str | os.PathLike[str],
    declared: Declaration | None = None,
    *,
    pre_period: str | os.PathLike[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> ExperimentResult:
    """Judge a randomised experiment (mode O).

    Args:
        path: its outcomes, see `read_outcomes`.
        declared: the design; default ``Declaration()``.
        pre_period: a table of days before the test, for CUPED and CUPAC.
        about: what the caller knows, as title and command.

    Returns:
        Verdicts, rows, guards, estimates in all ways, days and novelty.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: what `read_outcomes` and `past_of` refuse, or shares that do not fit the arms.
    """
    started = time.monotonic()
    declared = Declaration() if declared is None else declared
    outcomes, metrics, are_dates = read_outcomes(path, declared)
    shares = shares_of(declared.shares, outcomes.arms)
    past = past_of(outcomes, declared, metrics, pre_period, are_dates=are_dates)
    adjustment = Adjustment(outcomes, past, declared)
    held = guardrail_rows(outcomes, metrics, adjustment, declared)
    with _steps("rows compared", n_rows(outcomes, metrics)) as step:
        rows = table(outcomes, metrics, adjustment, declared, step)
    estimates = estimate_rows(outcomes, metrics, adjustment, declared.level)
    with _steps("days looked at", len(metrics) * outcomes.days.size) as step:
        daily = look_rows(outcomes, past, metrics, declared, step)
    daily = daily if outcomes.days.size > 1 else []
    with_always(rows, daily)
    wear = wear_rows(outcomes, metrics, declared.level)
    guards = experiment_guards(outcomes, past, rows, shares)
    known = {
        "title": "Experiment",
        **provenance(PACKAGES),
        "seconds": round(time.monotonic() - started, 1),
        "level": declared.level,
        "declared_lift": declared.declared_lift,
        "primary": metrics[0].name,
        "control": outcomes.arms[0],
        "way": METHODS[adjustment.judged],
        "config": _settings(declared, outcomes, metrics, shares),
        "source": {
            "experiment": os.fspath(path),
            "pre-period": "none" if pre_period is None else os.fspath(pre_period),
        },
        "counts": {**outcomes.counts, **past.counts},
        "notices": notices(outcomes, past, metrics, declared, adjustment),
    }
    rule = rule_words(
        metrics[0].name,
        declared.guardrails,
        level=declared.level,
        correction=declared.correction,
        n_treatments=len(outcomes.arms) - 1,
    )
    return ExperimentResult(
        verdicts(rows, guards, wear, level=declared.level, guardrails=held, rule=rule),
        rows,
        guards,
        estimates,
        daily,
        novelty_rows(outcomes, metrics, declared.level) if outcomes.days.size > 1 else [],
        wear,
        {**known, **(about or {})},
        held,
    )


def with_always(rows: Sequence[dict[str, Any]], daily: Sequence[Mapping[str, Any]]) -> None:
    """Give each row over all users the ends of its last look; other rows have none."""
    last = {(row["arm"], row["metric"]): row for row in daily}
    for row in rows:
        own = last.get((row["arm"], row["metric"])) if row["bucket_kind"] == "all" else None
        row |= {name: None if own is None else own[name] for name in _ALWAYS}


def notices(
    outcomes: Outcomes, past: Past, metrics: Sequence[Metric], declared: Declaration, adjustment: Adjustment
) -> list[str]:
    """What a reader must know of how the numbers came about."""
    found = []
    n_days, counts = outcomes.days.size, outcomes.counts
    if declared.primary is None:
        found.append(
            f"No primary metric was declared: {metrics[0].name} decides because it comes first. Declare it "
            "before the test: --primary."
        )
    if len(outcomes.arms) > 2:
        found.append(
            f"{len(outcomes.arms) - 1} treatments: the primary metric is corrected for them by Holm; what is "
            "behind it counts in a treatment whose primary was found."
        )
    if n_days == 1:
        found.append(
            "One day, or no column day: there is no daily curve, no novelty and only one look; what another "
            "day of the week would show is not known."
        )
    n_gaps = int(outcomes.days[-1] - outcomes.days[0] + 1 - n_days)
    if n_gaps:
        missing = np.setdiff1d(np.arange(outcomes.days[0], outcomes.days[-1] + 1), outcomes.days)
        found.append(
            f"{n_gaps} days between {outcomes.day_names[0]} and {outcomes.day_names[-1]} have no row, the "
            f"first is {missing[0] - outcomes.days[0]} days after the start: nothing was logged on them."
        )
    for name, count in counts.items():
        if name.startswith(NEGATIVE):
            found.append(
                f"{count:,} rows have a {name.removeprefix(NEGATIVE)} below 0; they are taken as refunds and "
                "summed."
            )
    if adjustment.judged != "none":
        found.append(
            f"What was known before the test was taken out of the noise ({METHODS[adjustment.judged]}); "
            "control and treatment are the adjusted values, the plain ones stand beside them."
        )
        if past.n_days is not None and past.counts["users_without_a_past"]:
            found.append(
                f"{past.counts['users_without_a_past']:,} of {outcomes.n_users:,} users were not there "
                "before the test; they count with 0."
            )
    return found


@contextmanager
def _steps(what: str, total: int) -> Iterator[Callable[[], None]]:
    with StageProgress(transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.update(task, advance=1)


def _settings(
    declared: Declaration, outcomes: Outcomes, metrics: Sequence[Metric], shares: Sequence[float]
) -> dict[str, Any]:
    settings = dataclasses.asdict(declared)
    settings["control"], settings["primary"] = outcomes.arms[0], metrics[0].name
    settings["guardrails"] = [str(each) for each in declared.guardrails] or ["none"]
    settings["metrics"] = [metric.name for metric in metrics]
    settings["shares"] = [f"{name} {share:.4g}" for name, share in zip(outcomes.arms, shares, strict=True)]
    settings["columns"] = [f"{here}={there}" for here, there in declared.columns.items()]
    return {name: value for name, value in settings.items() if value not in (None, (), [], {})}
