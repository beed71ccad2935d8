"""`learn-rank ab --experiment`: a real test, or many of them, judged, written and printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learn_rank.commands.ab.options import pairs_of, shares_from
from learn_rank.commands.ab.series import judge_series
from learn_rank.commands.common import INVALID, IS_WORSE, names_of
from learn_recall.terminal.consoles import result_console

if TYPE_CHECKING:
    from learn_rank.ab.experiment.declaration import Declaration


def judge_experiment(
    path: Path,
    given: Mapping[str, Any],
    outputs: tuple[Path | None, Path | None],
    *,
    command: str,
    fail_if_worse: bool,
) -> int:
    """Judge, write and print a real experiment; give the exit code of `learn-rank ab`.

    Args:
        path: its outcomes.
        given: the values of the options by their names.
        outputs: the JSON file and the page, None for those that are not wanted.
        command: for the report.
        fail_if_worse: exit 1 where anything stands as worse.
    """
    from learn_rank.ab.experiment.report.page import experiment_html
    from learn_rank.ab.experiment.report.result import write_experiment
    from learn_rank.ab.experiment.report.terminal import print_experiment
    from learn_rank.ab.experiment.run import run_experiment
    from learn_rank.ab.report import verdict
    from learn_recall.files.whole_files import atomic_path

    if given["experiment_column"] is not None:
        return judge_series(path, given, outputs, command=command)
    about = {"title": path.name, "command": command}
    result = run_experiment(path, declaration_of(given), pre_period=given["pre_period"], about=about)
    json_out, html_out = outputs
    if json_out is not None:
        write_experiment(json_out, result)
    if html_out is not None:
        page = experiment_html(result)
        with atomic_path(html_out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    print_experiment(result, result_console())
    if result.status == verdict.INVALID:
        return INVALID
    losses = verdict.significant_apart(result.rows, verdict.WORSE, given["level"])
    is_worse = bool(losses) or any(each.status == verdict.WORSE for each in result.verdicts.values())
    return IS_WORSE if fail_if_worse and is_worse else 0


def declaration_of(given: Mapping[str, Any]) -> Declaration:
    """The design that the options declare.

    Raises:
        ValueError: an option that cannot be read.
    """
    from learn_rank.ab.experiment.declaration import Declaration
    from learn_rank.ab.hierarchy.declaration import guardrails_from

    return Declaration(
        control=given["control"],
        shares=shares_from(given["treatment_share"]),
        primary=given["primary"],
        guardrails=guardrails_from(given["guardrail"]) or (),
        correction=given["correction"],
        metrics=tuple(given["metric"] or ()),
        standard=None if given["metrics"] is None else names_of(given["metrics"]),
        buckets=tuple(given["bucket"] or ()),
        covariates=tuple(given["covariate"] or ()),
        adjust=given["adjust"],
        columns=pairs_of(given["column"] or (), "--column", "arm=segment"),
        is_row_a_user=given["row_is_user"],
        level=given["level"],
        declared_lift=given["declared_lift"],
        seed=given["seed"],
    )
