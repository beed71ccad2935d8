"""The options of `learn-rank ab --experiment`, and the design that they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learn_rank.commands.choices import ADJUSTMENTS
from learn_rank.commands.common import INVALID, IS_WORSE, names_of
from learn_recall.terminal.consoles import result_console

if TYPE_CHECKING:
    from learn_rank.ab.experiment.declaration import Declaration

Experiment = Annotated[
    Path | None,
    typer.Option(
        help="Instead of CANDIDATES: outcomes of a real test, one row a user and day or finer (mode O): "
        "user_id, arm, day, and impressions, clicks, conversions, revenue."
    ),
]
PrePeriod = Annotated[
    Path | None, typer.Option(help="With --experiment: the same of days before it, for --adjust.")
]
Primary = Annotated[str | None, typer.Option(help="With --experiment: the metric that decides.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="With --experiment: a further column, or ABOVE/BELOW. Repeatable."),
]
Buckets = Annotated[
    list[str] | None,
    typer.Option(
        "--bucket", help="With --experiment: a column frozen before it, or NAME=LOW..HIGH. Repeatable."
    ),
]
Covariates = Annotated[
    list[str] | None,
    typer.Option(
        "--covariate", help="With --experiment: what was known of a user before, for --adjust. Repeatable."
    ),
]
Adjust = Annotated[
    str,
    typer.Option(
        help="With --experiment: what takes noise out: cuped, cupac (a model), none.",
        autocompletion=ADJUSTMENTS,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="With --experiment: arm=NAME where the file has another. Repeatable."),
]
TestColumn = Annotated[
    str | None,
    typer.Option(
        "--experiment-column",
        help="With --experiment: many tests in one file; the column that names each. One row an arm, with "
        "impressions and clicks.",
    ),
]
RowIsUser = Annotated[
    bool, typer.Option("--row-is-user", help="With --experiment: each row is another user, without user_id.")
]


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
    losses = verdict.significant(result.rows, verdict.WORSE, given["level"])
    return IS_WORSE if fail_if_worse and losses else 0


def judge_series(
    path: Path, given: Mapping[str, Any], outputs: tuple[Path | None, Path | None], *, command: str
) -> int:
    """Judge, write and print many tests of one file; give the exit code of `learn-rank ab`.

    Args:
        path: the tests, one row an arm.
        given: the values of the options by their names.
        outputs: the JSON file, and no page.
        command: for the report.

    Raises:
        ValueError: an option that many tests have no use for.
    """
    from learn_rank.ab.series.result import run_series, write_series
    from learn_rank.ab.series.terminal import print_series

    json_out, html_out = outputs
    unused = ("pre_period", "primary", "metric", "covariate", "row_is_user", "control", "treatment_share")
    wrong = [f"--{name.replace('_', '-')}" for name in unused if given[name]]
    wrong += ["--html"] if html_out is not None else []
    if wrong:
        raise ValueError(
            f"{wrong[0]}: expected no such option with --experiment-column, got one. Remedy: leave it out; "
            "arms of equal shares are compared with each other in clicks over impressions, and --json holds "
            "all tests."
        )
    result = run_series(
        path,
        given["experiment_column"],
        columns=pairs_of(given["column"] or (), "--column", "clicks=YOURS"),
        buckets=tuple(given["bucket"] or ()),
        level=given["level"],
        about={"title": path.name, "command": command},
    )
    if json_out is not None:
        write_series(json_out, result)
    print_series(result, result_console())
    return 0


def declaration_of(given: Mapping[str, Any]) -> Declaration:
    """The design that the options declare.

    Raises:
        ValueError: an option that cannot be read.
    """
    from learn_rank.ab.experiment.declaration import Declaration

    return Declaration(
        control=given["control"],
        shares=shares_from(given["treatment_share"]),
        primary=given["primary"],
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


def check_alone(given: Mapping[str, Any]) -> None:
    """Refuse options of --experiment that were given without it.

    Args:
        given: the values of these options by their names.

    Raises:
        ValueError: names the first of them.
    """
    named = [name for name, value in given.items() if value]
    if named:
        raise ValueError(
            f"--{named[0].replace('_', '-')}: expected --experiment with it, got none. Remedy: give the "
            "outcomes of a real test, or leave it out."
        )


def share_of(text: str | None) -> float:
    """The treatment's share of a simulation: one number, .2 where none is given.

    Raises:
        ValueError: no number.

    Example:
        >>> share_of(None), share_of("0.5")
        (0.2, 0.5)
    """
    shares = shares_from(text)
    if isinstance(shares, dict):
        raise ValueError(
            f"--treatment-share: expected one number, got {text!r}. Remedy: --treatment-share .2; shares by "
            "name are for --experiment."
        )
    return 0.2 if shares is None else shares


def shares_from(text: str | None) -> float | dict[str, float] | None:
    """One number, or NAME=SHARE between commas.

    Raises:
        ValueError: neither.

    Example:
        >>> shares_from(".2"), shares_from("mens=.3,womens=.3"), shares_from(None)
        (0.2, {'mens': 0.3, 'womens': 0.3}, None)
    """
    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        return {
            name: float(share) for name, share in pairs_of(names_of(text), "--treatment-share", "").items()
        }
    except ValueError:
        raise ValueError(
            f"--treatment-share: expected a number, or NAME=SHARE between commas, got {text!r}. Remedy: "
            '--treatment-share .2, or --treatment-share "mens=.3,womens=.3".'
        ) from None


def pairs_of(given: Sequence[str], option: str, example: str) -> dict[str, str]:
    """NAME=VALUE of an option that may be repeated.

    Raises:
        ValueError: one without a name or a value.
    """
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise ValueError(f"{option}: expected NAME=VALUE, got {text!r}. Remedy: {option} {example}.")
        found[name.strip()] = value.strip()
    return found
