"""Seeds are added to a run or a comparison while its deciding interval is too wide to decide anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
from rich.console import Console

from learn_rank.evaluation.precision import PrecisionRow, precision_of
from learn_rank.pipeline.judged_arms import deciding, tasks_of
from learn_rank.pipeline.ranker_stage import train_rankers
from learn_rank.report_kit.rules import DECIDING_WIDTH
from learn_rank.report_kit.words import BASELINE, LEARN, width_words
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import read_json, write_json


def train_enough(run: RunFolder, config: RunConfig, console: Console) -> None:
    """Train every arm of a run with its seeds, and with more while that would narrow what decides.

    The seeds end up in the run's settings; a run that goes on after a stop finds the seeds that it had, and
    takes the same decisions again.

    Args:
        run: folder of the run.
        config: its settings; `RunConfig.max_seeds` is where it ends.
        console: where it is told that a seed is added, and why none is.
    """
    seeds = add_seeds(
        run,
        config.arms,
        config.seeds,
        config.max_seeds,
        train=lambda seeds: train_rankers(run, replace(config, seeds=seeds), console),
        tell=lambda line: console.print(f"    {line}", markup=False),
        option="--max-seeds",
    )
    saved = read_json(run.settings) if run.settings.is_file() else {}
    if saved and tuple(saved["config"]["seeds"]) != seeds:
        write_json(run.settings, {**saved, "config": {**saved["config"], "seeds": list(seeds)}})


def add_seeds(
    run: RunFolder,
    arms: Sequence[str],
    seeds: Sequence[int],
    max_seeds: int,
    *,
    train: Callable[[tuple[int, ...]], None],
    tell: Callable[[str], None],
    option: str,
) -> tuple[int, ...]:
    """Train with the seeds, and with one more at a time while that would narrow what decides.

    Definition: the deciding interval of a task is that of LEARN - baseline over all rows, in UAUC (AUC, then
    WUAUC where it is undefined). While one is wider than `DECIDING_WIDTH`, though the users alone would allow
    a narrower one, the next seed is trained, up to `max_seeds`. The sign of the difference has no say, so
    that nobody stops where they like the answer.

    Args:
        run: folder with the predictions.
        arms: that are trained; without LEARN nothing is added.
        seeds: to begin with, at least one.
        max_seeds: not above their number, none is added.
        train: given all seeds, trains those that are not there yet, and leaves their predictions in `run`.
        tell: where a line is told of a seed that is added, and why none is.
        option: how the caller names `max_seeds`.

    Returns:
        The seeds that were trained.
    """
    found = tuple(seeds)
    train(found)
    while row := _too_wide(run, arms, found):
        if len(found) >= max_seeds or not _helps(row):
            tell(_why_not(row, f"{option} {max_seeds}", option))
            break
        seed = max(found) + 1
        tell(
            f"seed {seed} is added: {_widths(row)}, {width_words(DECIDING_WIDTH)} would do "
            f"(up to {max_seeds} seeds, {option})"
        )
        found = (*found, seed)
        train(found)
    return found


def _too_wide(run: RunFolder, arms: Sequence[str], seeds: Sequence[int]) -> PrecisionRow | None:
    """A deciding interval that is too wide: one that seeds would narrow, if there is any."""
    if LEARN not in arms:
        return None
    new, old = (
        [pd.read_parquet(run.predictions_of(arm, seed)) for seed in seeds] for arm in (LEARN, BASELINE)
    )
    found = precision_of(new, old, tasks_of([*new, *old]), width=DECIDING_WIDTH)
    wide = [row for row in deciding(found) if row["width"] is not None and row["width"] > DECIDING_WIDTH]
    return next((row for row in wide if _helps(row)), next(iter(wide), None))


def _helps(row: PrecisionRow) -> bool:
    return row["user_width"] is not None and row["user_width"] < DECIDING_WIDTH


def _widths(row: PrecisionRow) -> str:
    return (
        f"the interval of LEARN - baseline in {row['task']} {row['metric']} is {width_words(row['width'])} "
        f"wide, of users alone {width_words(row['user_width'])}"
    )


def _why_not(row: PrecisionRow, limit: str, option: str) -> str:
    if not _helps(row):
        return f"no seed is added: {_widths(row)}, and no number of seeds narrows that"
    enough = row["enough_seeds"]
    remedy = "" if enough is None else f"; about {option} {enough} would do"
    return f"no further seed ({limit}): {_widths(row)}{remedy}"


__all__ = ["add_seeds", "train_enough"]
