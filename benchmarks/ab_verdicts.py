"""Does the verdict of a marketplace's A/B test hang on the training? Every choice of K of a run's trainings.

    learn-rank train RUN --arms baseline,learn --seeds 5
    python benchmarks/ab_verdicts.py RUN

Plays all trainings of both arms once, in the traffic of the last stage of `learn-rank run`, and judges each
subset of them as if it were all that had been trained.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.ab import words
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.marketplace.candidates import (
    N_WARM_UP_DAYS,
    marketplace_candidates,
    marketplace_environment,
)
from learn_rank.ab.marketplace.stage import STAGE_TEST
from learn_rank.ab.report.verdict import verdict_of
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.sources import seeds_of
from learn_rank.ab.statistics.analysis import AnalysisConfig, analyse, guardrails
from learn_rank.ab.statistics.retraining import Training, mean_world
from learn_rank.ab.worlds import play
from learn_rank.report_kit.rules import find
from learn_rank.report_kit.words import percent_words

ARMS = ("baseline", "learn")


def judged(trainings: Sequence[Training], analysis: AnalysisConfig) -> list[str]:
    """Seeds, verdict, and revenue and CTR over all users with their launch effects, of some trainings."""
    ab, control, treatment = (
        mean_world(worlds) for worlds in zip(*((each.ab, *each.launch) for each in trainings), strict=True)
    )
    pre = mean_world([each.pre for each in trainings if each.pre is not None])
    rows = analyse(ab, analysis, launch=(control, treatment), pre=pre, trainings=trainings)
    held = guardrails(ab, analysis, pre=pre, trainings=trainings)
    shown = [find(rows, metric=metric, bucket_kind="all") for metric in ("revenue", "CTR")]
    lifts = [
        f"{words.lift_words(row)} {{{percent_words(row['launch'])}}}" for row in shown if row is not None
    ]
    return [
        ", ".join(str(each.seed) for each in trainings),
        verdict_of(rows, [], guardrails=held).status,
        *lifts,
    ]


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a marketplace run.")],
    seeds: Annotated[int | None, typer.Option(help="How many trainings; all that there are.")] = None,
) -> None:
    """Print one line for each subset as markdown, and how many of each size give the verdict of all."""
    started = time.monotonic()
    test = replace(STAGE_TEST, training_seeds=seeds_of(run, ARMS, seeds))
    paths = marketplace_candidates(run, run / "ab", control=ARMS[0], treatments=ARMS[1:], test=test)
    sources = {seed: CandidateFiles(path) for seed, path in paths[ARMS[1]].items()}
    config = ABConfig(n_days=test.n_days, seed=test.seed)
    truth = marketplace_environment(run)
    played = play(sources, truth, config, n_pre_days=N_WARM_UP_DAYS, n_replicas=0, on_day=None)
    print("| seeds | verdict | revenue per user {launch} | CTR {launch} |\n|---|---|---|---|")
    verdicts: dict[int, list[str]] = {}
    for k in range(1, len(played.trainings) + 1):
        for some in itertools.combinations(played.trainings, k):
            line = judged(some, AnalysisConfig())
            verdicts.setdefault(k, []).append(line[1])
            print(f"| {' | '.join(line)} |", flush=True)
    (of_all,) = verdicts[len(played.trainings)]
    for k, found in verdicts.items():
        print(f"\nK = {k}: {found.count(of_all)} of {len(found)} say {of_all!r}, as all of them do")
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
