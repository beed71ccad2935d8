"""Seeds are added to a run while its deciding interval is too wide to decide anything."""

from __future__ import annotations

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
    """Train every arm with the seeds of the run, and with more while that would narrow what decides.

    Definition: the deciding interval of a task is that of LEARN - baseline over all rows, in UAUC (AUC, then
    WUAUC where it is undefined). While one is wider than `DECIDING_WIDTH`, though the users alone would allow
    a narrower one, the next seed is trained, up to `RunConfig.max_seeds`. The sign of the difference has no
    say, so that the run does not stop where it likes the answer. The seeds end up in the run's settings; a
    run that goes on after a stop finds the seeds that it had, and takes the same decisions again.

    Args:
        run: folder of the run.
        config: its settings.
        console: where it is told that a seed is added, and why none is.
    """
    train_rankers(run, config, console)
    while row := _too_wide(run, config):
        if len(config.seeds) >= config.max_seeds or not _helps(row):
            console.print(f"    {_why_not(row, config)}", markup=False)
            break
        seed = max(config.seeds) + 1
        console.print(
            f"    seed {seed} is added: {_widths(row)}, {width_words(DECIDING_WIDTH)} would do "
            f"(up to {config.max_seeds} seeds, --max-seeds)",
            markup=False,
        )
        config = replace(config, seeds=(*config.seeds, seed))
        train_rankers(run, config, console)
    saved = read_json(run.settings) if run.settings.is_file() else {}
    if saved and tuple(saved["config"]["seeds"]) != config.seeds:
        write_json(run.settings, {**saved, "config": {**saved["config"], "seeds": list(config.seeds)}})


def _too_wide(run: RunFolder, config: RunConfig) -> PrecisionRow | None:
    """A deciding interval that is too wide: one that seeds would narrow, if there is any."""
    if LEARN not in config.arms:
        return None
    new, old = (
        [pd.read_parquet(run.predictions_of(arm, seed)) for seed in config.seeds] for arm in (LEARN, BASELINE)
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


def _why_not(row: PrecisionRow, config: RunConfig) -> str:
    if not _helps(row):
        return f"no seed is added: {_widths(row)}, and no number of seeds narrows that"
    enough = row["enough_seeds"]
    remedy = "" if enough is None else f"; about --max-seeds {enough} would do"
    return f"no further seed (--max-seeds {config.max_seeds}): {_widths(row)}{remedy}"


__all__ = ["train_enough"]
