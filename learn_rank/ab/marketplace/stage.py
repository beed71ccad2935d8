"""The last stage of a marketplace run: its arms in traffic, LEARN and those that must show nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.marketplace.candidates import (
    N_WARM_UP_DAYS,
    MarketplaceTest,
    marketplace_candidates,
    marketplace_environment,
)
from learn_rank.ab.progress import day_progress
from learn_rank.ab.report.page import ab_html
from learn_rank.ab.report.result import ABResult, write_result
from learn_rank.ab.report.terminal import print_ab
from learn_rank.ab.report.verdict import BETTER, INVALID, LEVEL, headline, verdict_of
from learn_rank.ab.run import run_ab
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import MarketplaceEnvironment
from learn_rank.ab.statistics.guards import P_LIMIT, Guard
from learn_rank.ab.words import lift_words
from learn_rank.ab.worlds import n_simulated_days
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import atomic_path

__all__ = ["STAGE_TEST", "known_words", "run_stage"]

CONTROL, TREATMENT, SHUFFLED = "baseline", "learn", "shuffled"
INFLATION = 1.3
NOT_BETTER = "not better"
STAGE_TEST = MarketplaceTest(n_requests_per_day=2000, n_candidates=12)


def run_stage(
    out: Path,
    arms: tuple[str, ...],
    *,
    test: MarketplaceTest = STAGE_TEST,
    command: str = "",
    console: Console | None = None,
) -> ABResult:
    """Write ab.json and ab.html, and beside them arms with known answers; a wrong one is a failed guard.

    ``ab_aa.json``: the control against itself. ``ab_inflated.json``: the control against itself with every
    pCVR 1.3 times as high. ``ab_shuffled.json``, where that arm was trained: vectors permuted over ids. The
    first two are of the first training, which they compare with itself; the others of all of them.

    Args:
        out: folder of a marketplace run.
        arms: that it trained, "baseline" and "learn" among them.
        test: size of the test, and whose trainings are played.
        command: for the report.
        console: for the tables.

    Returns:
        LEARN against the baseline.
    """
    console, run = Console() if console is None else console, RunFolder(out)
    treatments = [name for name in (TREATMENT, SHUFFLED) if name in arms]
    paths = marketplace_candidates(out, run.ab_candidates, control=CONTROL, treatments=treatments, test=test)
    environment = marketplace_environment(out)
    trainings = {name: _sources(files) for name, files in paths.items()}
    first = test.training_seeds[0]
    rows = pd.read_parquet(paths[TREATMENT][first])
    same = rows.assign(pctr_b=rows["pctr_a"], pcvr_b=rows["pcvr_a"])
    played = [
        ("itself", LEVEL, "aa", lambda: {first: CandidateFiles(same)}),
        (
            f"itself with pCVR x {INFLATION}",
            INVALID,
            "inflated",
            lambda: {first: CandidateFiles(same.assign(pcvr_b=(INFLATION * same["pcvr_a"]).clip(upper=1.0)))},
        ),
    ]
    if SHUFFLED in paths:
        permuted = "LEARN, vectors permuted over ids"
        played.append((permuted, NOT_BETTER, SHUFFLED, lambda: trainings[SHUFFLED]))
    beside = []
    for name, expected, short, source in played:
        found = _test(
            source(), environment, test, about={"title": f"{CONTROL} against {name}", "command": command}
        )
        write_result(run.ab_json_of(short), found)
        beside.append(_beside(name, expected, found))
    result = _test(
        trainings[TREATMENT],
        environment,
        test,
        about={
            "title": f"{TREATMENT} against {CONTROL} on the generated marketplace",
            "command": command,
            "beside": beside,
        },
        guards=[_beside_guard(beside)],
        n_resplits=500,
    )
    write_result(run.ab_json, result)
    with atomic_path(run.ab_html) as temporary:
        temporary.write_text(ab_html(result), encoding="utf-8")
    print_ab(result, console)
    console.print(f"\nA/B simulation: {run.ab_html}")
    return result


def _beside(name: str, expected: str, found: ABResult) -> dict[str, Any]:
    """One arm whose answer is known, as a row of the report.

    Its primary metric is judged as guards are, at .1 %: an A/A at the full level of 5 % would spoil one run
    in twenty by chance.
    """
    status = verdict_of(found.rows, found.guards, level=1 - P_LIMIT).status
    row = headline(found.rows)
    return {
        "control": CONTROL,
        "name": name,
        "expected": expected,
        "status": status,
        "is_as_expected": status != BETTER if expected == NOT_BETTER else status == expected,
        "lift": "" if row is None else lift_words(row),
        "words": known_words(found, status),
    }


def known_words(found: ABResult, status: str) -> str:
    """The answer of an arm beside the test; what it says at its own level alone is said to be so."""
    said = found.verdict.words[0]
    if status == found.verdict.status:
        return said
    return f"Judged at {P_LIMIT:.1%}, as guards are. At the level of the test: {said}"


def _beside_guard(beside: Sequence[Mapping[str, Any]]) -> Guard:
    """Arms whose answer is known have to get it, else nothing else of this run can be believed."""
    wrong = [row["name"] for row in beside if not row["is_as_expected"]]
    words = (
        f"{CONTROL} against {' and against '.join(wrong)} gave another answer." if wrong else "All as known."
    )
    return Guard(
        "arms with known answers", float(len(beside) - len(wrong)), f"all {len(beside)}", not wrong, words
    )


def _sources(files: Mapping[int, Path]) -> dict[int, CandidateFiles]:
    return {seed: CandidateFiles(path) for seed, path in files.items()}


def _test(
    source: Mapping[int, CandidateFiles],
    environment: MarketplaceEnvironment,
    test: MarketplaceTest,
    *,
    about: Mapping[str, Any],
    guards: Sequence[Guard] = (),
    n_resplits: int = 0,
) -> ABResult:
    config = ABConfig(n_days=test.n_days, seed=test.seed)
    n_days = n_simulated_days(config, N_WARM_UP_DAYS, 0, len(source))
    with day_progress(n_days, f"{about['title']}, days") as on_day:
        return run_ab(
            source,
            environment,
            config,
            n_pre_days=N_WARM_UP_DAYS,
            n_resplits=n_resplits,
            guards=guards,
            about=about,
            on_day=on_day,
        )
