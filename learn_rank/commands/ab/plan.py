"""`learn-rank ab --plan`: how large a test must be, written and printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learn_rank.commands.ab.experiment import declaration_of
from learn_rank.commands.ab.options import shares_from
from learn_recall.terminal.consoles import result_console

if TYPE_CHECKING:
    from learn_rank.ab.plan.result import PlanResult


def plan_experiment(path: Path, given: Mapping[str, Any], power: float, *, command: str) -> PlanResult:
    """The plan of a real test, from outcomes of a time without one.

    Args:
        path: the outcomes.
        given: the values of the options by their names.
        power: the chance wanted.
        command: for the report.

    Raises:
        ValueError: an option that a plan has no use for.
    """
    from learn_rank.ab import sources
    from learn_rank.ab.plan.size import Arms

    unused = ("experiment_column", "pre_period", "covariate", "control")
    wrong = [f"--{name.replace('_', '-')}" for name in unused if given[name]]
    if wrong:
        raise ValueError(
            f"{wrong[0]}: expected no such option with --plan, got one. Remedy: leave it out; a plan is made "
            "of outcomes of one time, before anybody is split."
        )
    shares = shares_from(given["treatment_share"])
    if shares is None:
        arms = Arms(0.5)
    elif isinstance(shares, dict):
        arms = Arms(min(shares.values()), 1 - sum(shares.values()))
    else:
        arms = Arms(shares)
    return sources.plan_of_log(path, declaration_of(given), arms, power, command=command)


def tell_plan(result: PlanResult, outputs: tuple[Path | None, Path | None]) -> None:
    """Write and print a plan.

    Args:
        result: the plan.
        outputs: the JSON file and the page, None for those that are not wanted.
    """
    from learn_rank.ab.plan.page import plan_html
    from learn_rank.ab.plan.result import write_plan
    from learn_rank.ab.plan.terminal import print_plan
    from learn_recall.files.whole_files import atomic_path

    json_out, html_out = outputs
    if json_out is not None:
        write_plan(json_out, result)
    if html_out is not None:
        page = plan_html(result)
        with atomic_path(html_out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    print_plan(result, result_console())
