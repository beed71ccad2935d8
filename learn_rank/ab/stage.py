"""The last stage of a marketplace run: its arms in traffic, LEARN and those that must show nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich.console import Console

from learn_rank.ab.candidate_files import CandidateFiles
from learn_rank.ab.config import ABConfig
from learn_rank.ab.environment import MarketplaceEnvironment
from learn_rank.ab.marketplace import (
    N_WARM_UP_DAYS,
    MarketplaceTest,
    marketplace_candidates,
    marketplace_environment,
)
from learn_rank.ab.report_page import ab_html
from learn_rank.ab.report_terminal import print_ab
from learn_rank.ab.result import ABResult, write_result
from learn_rank.ab.run import run_ab
from learn_recall.files import atomic_path

__all__ = ["AB_HTML", "AB_JSON", "STAGE_TEST", "run_stage"]

AB_JSON, AB_HTML = "ab.json", "ab.html"
CONTROL, TREATMENT, SHUFFLED = "baseline", "learn", "shuffled"
INFLATION = 1.3
STAGE_TEST = MarketplaceTest(n_requests_per_day=2000, n_candidates=12)


def run_stage(
    out: Path,
    arms: tuple[str, ...],
    *,
    test: MarketplaceTest = STAGE_TEST,
    command: str = "",
    console: Console | None = None,
) -> ABResult:
    """Write ab.json and ab.html, and beside them what must find nothing, or be caught.

    ``ab_aa.json``: the control against itself. ``ab_inflated.json``: the control against itself with every
    pCVR 1.3 times as high. ``ab_shuffled.json``, where that arm was trained: vectors dealt to other ids.

    Args:
        out: folder of a marketplace run.
        arms: that it trained, "baseline" and "learn" among them.
        test: size of the test.
        command: for the report.
        console: for the tables.

    Returns:
        LEARN against the baseline.
    """
    console = Console() if console is None else console
    treatments = [name for name in (TREATMENT, SHUFFLED) if name in arms]
    paths = marketplace_candidates(out, out / "ab", control=CONTROL, treatments=treatments, test=test)
    environment = marketplace_environment(out)
    rows = pd.read_parquet(paths[TREATMENT])
    same = rows.assign(pctr_b=rows["pctr_a"], pcvr_b=rows["pcvr_a"])
    controls: dict[str, tuple[str, Callable[[], CandidateFiles]]] = {
        "aa": ("the baseline against itself", lambda: CandidateFiles(same)),
        "inflated": (
            f"the baseline against itself with pCVR x {INFLATION}",
            lambda: CandidateFiles(same.assign(pcvr_b=(INFLATION * same["pcvr_a"]).clip(upper=1.0))),
        ),
    }
    if SHUFFLED in paths:
        words = "the baseline against LEARN with the vectors dealt to other ids"
        controls[SHUFFLED] = (words, lambda: CandidateFiles(paths[SHUFFLED]))
    notices = []
    for name, (words, source) in controls.items():
        found = _test(source(), environment, test, title=words[0].upper() + words[1:], command=command)
        write_result(out / f"ab_{name}.json", found)
        sentence = f"Beside it, {words}: {found.verdict.status}. {found.verdict.words[0]}"
        notices.append(sentence)
    title = f"{TREATMENT} against {CONTROL} on the generated marketplace"
    result = _test(
        CandidateFiles(paths[TREATMENT]),
        environment,
        test,
        title=title,
        command=command,
        notices=tuple(notices),
        n_resplits=500,
    )
    write_result(out / AB_JSON, result)
    with atomic_path(out / AB_HTML) as temporary:
        temporary.write_text(ab_html(result), encoding="utf-8")
    print_ab(result, console)
    console.print(f"\nA/B simulation: {out / AB_HTML}")
    return result


def _test(
    source: CandidateFiles,
    environment: MarketplaceEnvironment,
    test: MarketplaceTest,
    *,
    title: str,
    command: str,
    notices: tuple[str, ...] = (),
    n_resplits: int = 0,
) -> ABResult:
    return run_ab(
        source,
        environment,
        ABConfig(n_days=test.n_days, seed=test.seed),
        n_pre_days=N_WARM_UP_DAYS,
        n_resplits=n_resplits,
        about={"title": title, "command": command, "notices": notices},
    )
