"""`learn-rank ab`: an offline A/B test of two rankers, or a real one judged."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from learn_rank.commands.ab.exits import exit_code
from learn_rank.commands.ab.experiment import judge_experiment
from learn_rank.commands.ab.options import (
    Adjust,
    Buckets,
    Columns,
    Correction,
    Covariates,
    Days,
    Experiment,
    Guardrails,
    Metrics,
    Plan,
    Power,
    PrePeriod,
    Primary,
    RowIsUser,
    TestColumn,
    TrainingSeeds,
    UntilPower,
    check_alone,
    check_one_of,
    check_powers,
    check_trainings,
    refuse_order,
    share_of,
)
from learn_rank.commands.ab.plan import plan_experiment, tell_plan
from learn_rank.commands.choices import ARM, AUCTIONS, BILLINGS, BUDGETS, ENVIRONMENTS, METRICS
from learn_rank.commands.common import names_of
from learn_recall.commands.common import Threads, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.terminal.consoles import result_console

if TYPE_CHECKING:
    from learn_rank.ab.report.result import ABResult

FAMILY, N_DAYS = "revenue,CTR,CVR,conversions", 9


@plain_errors()
def ab(
    candidates: Annotated[
        Path | None,
        typer.Argument(
            help="Every candidate of every request, with both arms' pCTR and pCVR: a parquet file, a folder "
            "of them or a glob, csv(.gz) or jsonl(.gz)."
        ),
    ] = None,
    *,
    environment: Annotated[
        str | None,
        typer.Option(
            help="Who clicks: known (columns p_click, p_conversion) or a fitted folder.",
            autocompletion=ENVIRONMENTS,
        ),
    ] = None,
    marketplace: Annotated[
        Path | None, typer.Option(help="Instead of CANDIDATES: folder of a marketplace run; truth known.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Instead of CANDIDATES: logged decisions with propensities (mode R).")
    ] = None,
    experiment: Experiment = None,
    experiment_column: TestColumn = None,
    pre_period: PrePeriod = None,
    primary: Primary = None,
    guardrail: Guardrails = None,
    correction: Correction = "holm",
    metric: Metrics = None,
    bucket: Buckets = None,
    covariate: Covariates = None,
    adjust: Adjust = "cuped",
    column: Columns = None,
    row_is_user: RowIsUser = False,
    control: Annotated[
        str | None,
        typer.Option(
            help="The arm that is there today. --marketplace: baseline; --experiment: control.",
            autocompletion=ARM,
        ),
    ] = None,
    treatment: Annotated[
        str, typer.Option(help="With --marketplace: the arm that wants traffic.", autocompletion=ARM)
    ] = "learn",
    retrain_daily: Annotated[
        bool,
        typer.Option(
            "--retrain-daily", help="With --marketplace: both arms learn on in the night behind each day."
        ),
    ] = False,
    training_seeds: TrainingSeeds = None,
    requests: Annotated[int, typer.Option(min=1, help="With --marketplace: visits a day.")] = 3000,
    reward: Annotated[str, typer.Option(help="With --log: the column that is averaged.")] = "click",
    days: Days = None,
    plan: Plan = False,
    power: Power = 0.8,
    until_power: UntilPower = None,
    pre_days: Annotated[
        int | None,
        typer.Option(
            min=0, help="Days before it, all on control, that take noise out (CUPED). 0; a marketplace: 2."
        ),
    ] = None,
    treatment_share: Annotated[
        str | None,
        typer.Option(
            help="Share of users in the treatment: 0.2. --experiment: as designed, of each treatment or by "
            "NAME=SHARE; equal shares."
        ),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, max=3, help="Ads per request.")] = 1,
    auction: Annotated[
        str, typer.Option(help="gsp, or second_price with one slot.", autocompletion=AUCTIONS)
    ] = "gsp",
    billing: Annotated[
        str, typer.Option(help="cpc: a click is billed; cpa: a conversion is.", autocompletion=BILLINGS)
    ] = "cpc",
    reserve: Annotated[float, typer.Option(help="Least eCPM per impression, currency units.")] = 0.0,
    budget: Annotated[
        str, typer.Option(help="none; shared by both arms; split between them.", autocompletion=BUDGETS)
    ] = "none",
    delay_days: Annotated[
        float | None,
        typer.Option(help="Mean delay from click to conversion; that of the fitted log, else 0.5."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of clicks and conversions.")] = 0,
    salt: Annotated[str, typer.Option(help="Of the split of users; another salt is another split.")] = "ab",
    level: Annotated[float, typer.Option(help="Level of the intervals; tests use 1 - level.")] = 0.95,
    metrics: Annotated[
        str | None,
        typer.Option(help="What is compared: revenue,CTR,CVR,conversions.", autocompletion=METRICS),
    ] = None,
    declared_lift: Annotated[
        float, typer.Option(help="Relative lift whose power is printed, or that --plan sizes.")
    ] = 0.02,
    replicas: Annotated[
        int, typer.Option(min=0, help="Refits of a fitted environment whose disagreement counts.")
    ] = 4,
    aa: Annotated[bool, typer.Option("--aa/--no-aa", help="Re-split the control users as a check.")] = True,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit 1 if anything is significantly worse.")
    ] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write every number there.")] = None,
    html_out: Annotated[Path | None, typer.Option("--html", help="Write the page there.")] = None,
    threads: Threads = None,
) -> None:
    """Answer: should the treatment's ranker get the traffic?

    Plays both rankers against an environment: auction, exposure, click, delayed conversion, bill; users are
    split by a salted hash. Prints revenue, CTR and CVR by bucket with intervals over users, the guards, and
    beside the A/B estimate what giving the treatment to everybody would do.

    The evidence is of one of four kinds, always printed. [bold]E[/bold]: simulated in an environment; a
    simulated lift is not evidence of online lift. [bold]R[/bold]: a log with propensities.
    [bold]D[/bold]: a log without, which is counted and never tested. [bold]O[/bold]: a real randomised
    experiment, --experiment.

    [bold]Exit codes[/bold]: 0; 1 significantly worse with --fail-if-worse; 2 bad input; 3 invalid, a guard
    failed. Mode D with --fail-if-worse is 3: what cannot be tested cannot pass.

    [bold]Examples[/bold]

      learn-rank ab candidates.parquet --environment known --html ab.html

      learn-rank ab --marketplace demo --treatment learn

      learn-rank ab --marketplace demo --treatment learn --retrain-daily

      learn-rank ab --experiment before.parquet --plan --declared-lift .01 --html plan.html

      learn-rank ab candidates.parquet --environment known --budget split --json ab.json --fail-if-worse

      learn-rank ab --log decisions.parquet --reward click

      learn-rank ab --experiment outcomes.parquet --pre-period before.parquet --primary revenue
    """
    use_threads(threads)
    from learn_rank.commands.uauc import check_writable

    check_writable("--json", json_out)
    check_writable("--html", html_out)
    own: dict[str, Any] = {
        "experiment_column": experiment_column,
        "pre_period": pre_period,
        "metric": metric,
        "bucket": bucket,
        "covariate": covariate,
        "column": column,
        "row_is_user": row_is_user,
    }
    if experiment is None:
        check_alone(own)
    check_one_of(candidates, marketplace, log, experiment)
    check_trainings(training_seeds, marketplace)
    check_powers(until_power, plan, {"--log": log, "--experiment": experiment})
    outputs = (json_out, html_out)
    if experiment is not None:
        own |= {"primary": primary, "guardrail": guardrail, "correction": correction}
        own |= {"control": control, "treatment_share": treatment_share, "metrics": metrics, "seed": seed}
        own |= {"adjust": adjust, "level": level, "declared_lift": declared_lift}
        if plan:
            tell_plan(plan_experiment(experiment, own, power, command=_command()), outputs)
            raise typer.Exit(0)
        raise typer.Exit(
            judge_experiment(experiment, own, outputs, command=_command(), fail_if_worse=fail_if_worse)
        )
    if retrain_daily and marketplace is None:
        raise ValueError(
            "--retrain-daily: expected --marketplace with it, whose rankers can be trained, got "
            "scores that are fixed. Remedy: write candidates with each day's scores, or leave it out."
        )
    from learn_rank.ab import sources
    from learn_rank.ab.hierarchy.declaration import Hierarchy, guardrails_from
    from learn_rank.ab.simulation.config import ABConfig
    from learn_rank.ab.statistics.analysis import POSSIBLE, AnalysisConfig

    if log is not None:
        refuse_order({"primary": primary, "guardrail": guardrail})
        result = sources.from_log(log, reward, level, command=_command())
    else:
        order = Hierarchy(primary, guardrails_from(guardrail, POSSIBLE), correction)
        compared = names_of(FAMILY if metrics is None else metrics)
        analysis = AnalysisConfig(level, compared, declared_lift, order)
        config = ABConfig(
            n_days=N_DAYS if days is None else days,
            treatment_share=share_of(treatment_share),
            n_slots=slots,
            auction=auction,
            billing=billing,
            reserve=reserve,
            budget=budget,
            seed=seed,
            salt=salt,
        )
        before = pre_days if pre_days is not None else 0 if marketplace is None else 2
        how = sources.Design(config, analysis, before, replicas, 500 if aa else 0, delay_days)
        if days is None and marketplace is None and (plan or until_power is not None):
            how = replace(how, takes_all_days=True)
        if marketplace is not None:
            arms = ("baseline" if control is None else control, treatment)
            test = sources.marketplace_test(
                marketplace,
                arms,
                how,
                n_requests_per_day=requests,
                retrains=retrain_daily,
                n_trainings=1 if plan else training_seeds,
                command=_command(),
            )
        else:
            test = sources.candidates_test(cast(Path, candidates), environment, how, command=_command())
        if plan:
            tell_plan(sources.plan(test, power), outputs)
            raise typer.Exit(0)
        result = sources.judge(test, until_power=until_power)
    _write(result, json_out, html_out)
    raise typer.Exit(exit_code(result, fail_if_worse=fail_if_worse))


def _write(result: ABResult, json_out: Path | None, html_out: Path | None) -> None:
    from learn_rank.ab.report.page import ab_html
    from learn_rank.ab.report.result import write_result
    from learn_rank.ab.report.terminal import print_ab
    from learn_recall.files.whole_files import atomic_path

    if json_out is not None:
        write_result(json_out, result)
    if html_out is not None:
        page = ab_html(result)
        with atomic_path(html_out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    print_ab(result, result_console())


def _command() -> str:
    return shlex.join(["learn-rank", *sys.argv[1:]])
