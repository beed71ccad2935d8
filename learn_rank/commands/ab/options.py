"""The options of `learn-rank ab` that declare a test and name a real one's file, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Annotated, Any

import typer

from learn_rank.commands.choices import ADJUSTMENTS, CORRECTIONS, PRIMARIES
from learn_rank.commands.common import names_of

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
Primary = Annotated[
    str | None,
    typer.Option(
        help="The metric that decides, at its full level, declared before the run. The first compared.",
        autocompletion=PRIMARIES,
    ),
]
Guardrails = Annotated[
    list[str] | None,
    typer.Option(
        "--guardrail",
        help="METRIC=MARGIN, the relative loss that would be borne; less:METRIC=MARGIN where less is better; "
        "none. Simulation: CTR, CVR, cost and calibration at .05. Repeatable.",
    ),
]
Correction = Annotated[
    str,
    typer.Option(
        help="Of the metrics and of the buckets behind the primary: holm, bh (false discovery rate).",
        autocompletion=CORRECTIONS,
    ),
]
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
Days = Annotated[
    int | None,
    typer.Option(
        min=1, help="Days of the test. 9; --plan, --until-power: at most, all that the candidates have."
    ),
]
TrainingSeeds = Annotated[
    int | None,
    typer.Option(
        help="With --marketplace: trainings of both arms that meet the same traffic, so that intervals hold "
        "the training too; all that the run has.",
    ),
]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Before the test: the users and days that --declared-lift needs, by metric and bucket. Plays "
        "the control alone; --experiment: outcomes of a time before it.",
    ),
]
Power = Annotated[float, typer.Option(help="With --plan: the chance of finding the lift.")]
UntilPower = Annotated[
    float | None,
    typer.Option(
        "--until-power",
        help="Play until the primary metric shows --declared-lift with this chance, at most --days.",
    ),
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


def check_trainings(training_seeds: int | None, marketplace: Path | None) -> None:
    """Refuse no training, and several of what was not trained here.

    Raises:
        ValueError: --training-seeds below 1 or without --marketplace.
    """
    if training_seeds is not None and training_seeds < 1:
        raise ValueError(
            f"--training-seeds: expected 1 or more, got {training_seeds}. Remedy: leave it out for all that "
            "the run has."
        )
    if training_seeds is not None and marketplace is None:
        raise ValueError(
            "--training-seeds: expected --marketplace with it, got none. Remedy: leave it out; candidates "
            "hold the scores of one training, and a log or a real test what was served."
        )


def check_one_of(
    candidates: Path | None, marketplace: Path | None, log: Path | None, experiment: Path | None
) -> None:
    """Refuse none or several of what can be judged, and a path with nothing at it.

    Raises:
        ValueError: none or several.
        FileNotFoundError: nothing is there.
    """
    given = {
        "CANDIDATES": candidates,
        "--marketplace": marketplace,
        "--log": log,
        "--experiment": experiment,
    }
    named = [name for name, path in given.items() if path is not None]
    if len(named) != 1:
        raise ValueError(
            f"expected one of {', '.join(given)}, got {', '.join(named) if named else 'none'}. "
            "Remedy: learn-rank ab --help shows one example of each."
        )
    path = given[named[0]]
    is_there = path is None or path.exists() or (path == candidates and bool(glob(str(path), recursive=True)))
    if not is_there:
        raise FileNotFoundError(
            f"{named[0]}: expected a file or folder, found nothing at {path}. Remedy: correct the path."
        )


def check_powers(until_power: float | None, is_plan: bool, from_real: Mapping[str, Any]) -> None:
    """Refuse a power that is none, and what asks for a simulation where there is none.

    Args:
        until_power: of --until-power.
        is_plan: whether a plan is wanted.
        from_real: --log and --experiment, and what was given for them.

    Raises:
        ValueError: names the option.
    """
    if until_power is None and not is_plan:
        return
    if is_plan and from_real["--log"] is not None:
        raise ValueError(
            "--plan: expected candidates, --marketplace or --experiment with it, got --log. Remedy: give the "
            "outcomes of users by day to --experiment."
        )
    if until_power is None:
        return
    named = [option for option, value in from_real.items() if value is not None]
    named += ["--plan"] if is_plan else []
    if named:
        raise ValueError(
            f"--until-power: expected a simulated test with it, got {named[0]}. Remedy: leave it out; a real "
            "test is planned by --plan."
        )
    if not 0 < until_power < 1:
        raise ValueError(
            f"--until-power: expected a number between 0 and 1, got {until_power}. Remedy: --until-power .8."
        )


def refuse_order(given: Mapping[str, Any]) -> None:
    """Refuse an order of metrics where there is only one, in a log of decisions.

    Args:
        given: the values of the options by their names.

    Raises:
        ValueError: names the first that was given.
    """
    named = [name for name, value in given.items() if value]
    if named:
        raise ValueError(
            f"--{named[0]}: expected no such option with --log, got one. Remedy: leave it out; a log is "
            "judged by its one --reward."
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
