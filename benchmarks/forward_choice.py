"""Whether the last part of training says what new items will bring: copies judged there, beside the truth.

Run: python benchmarks/forward_choice.py runs/demo --seeds 1 --shares 0.25 0.125 --out runs/copies

On a finished run: LEARN - baseline in clicks, AUC among rows of items that training never had, on its test
rows (the truth) and on its validation rows; and the same of copies that are trained on the rows before the
last share of training and judged on that, as `auto` does where validation has too few new items
(docs/decisions/new_items.md). A good share comes close to the truth, with a narrow interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

import pandas as pd

from learn_rank.data.dataset_files import read_dataset
from learn_rank.datasets.forward_part import FORWARD_SHARE, forward_part
from learn_rank.metrics.auc import AUC
from learn_rank.run.arms import ARMS, arm_ranker
from learn_rank.run.config import fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_rank.run.forward_copies import COPIED, train_copy
from learn_rank.run.rows import rows_of_run
from learn_rank.run.train_arm import tuned
from learn_rank.uncertainty.intervals import paired_delta
from learn_recall.columns import CLICK, ITEM_IS_NEW, PCTR, USER_ID
from learn_recall.store import EmbeddingStore


def table_line(name: str, tables: Sequence[Sequence[pd.DataFrame]]) -> str:
    """A line of the table, of the tables of the baseline and of LEARN, one a seed."""
    base, fused = ([rows[rows[ITEM_IS_NEW]] for rows in of_arm] for of_arm in tables)
    labels, users = base[0][CLICK].to_numpy(), base[0][USER_ID].to_numpy()
    scores = ([rows[PCTR].to_numpy() for rows in of_arm] for of_arm in (base, fused))
    found = paired_delta(labels, users, *scores, metric=AUC())
    delta, low, high = (100 * value for value in (found.delta, found.low, found.high))
    return f"| {name} | {len(labels):,} | {int(labels.sum()):,} | {delta:+.2f} [{low:+.2f}, {high:+.2f}] |"


def train_copies(run: RunFolder, share: float, seeds: Sequence[int], out: RunFolder) -> str | None:
    """Train the copies of a share that are not there yet; why there can be none, else None."""
    config, _ = read_config(run.path)
    part, why_not = forward_part(read_dataset(run.tables), share=share)
    if part is None:
        return why_not
    left = [
        (arm, seed) for seed in seeds for arm in COPIED if not out.forward.validation_of(arm, seed).is_file()
    ]
    if not left:
        return None
    stores = EmbeddingStore.open(run.users), EmbeddingStore.open(run.items)
    data, fitted = rows_of_run(part, stores[1], config), fitted_to(config, part)
    training = tuned(run, config.training) or config.training
    arms, kind = {arm.name: arm for arm in ARMS}, config.fusion_kind
    for name, seed in left:
        train_copy(
            lambda name=name, seed=seed: arm_ranker(  # type: ignore[misc]
                arms[name], stores, data, fitted.ranker, fitted.fusion, seed=seed, kind=kind
            ),
            part,
            data,
            replace(training, seed=seed),
            out,
            arm=name,
        )
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run with time, baseline and LEARN")
    parser.add_argument("--seeds", type=int, default=1, help="the first so many of the run's")
    parser.add_argument("--shares", type=float, nargs="+", default=[FORWARD_SHARE])
    parser.add_argument("--out", type=Path, required=True, help="folder for the copies; those there are kept")
    asked = parser.parse_args()
    run = RunFolder(asked.run)
    seeds = run.seeds_of(COPIED[0])[: asked.seeds]
    print("| judged on | rows of new items | clicks | LEARN - baseline, points of AUC |\n|---|---|---|---|")
    for name, path in (("test", run.predictions_of), ("validation", run.validation_of)):
        print(table_line(name, [[pd.read_parquet(path(arm, seed)) for seed in seeds] for arm in COPIED]))
    for share in asked.shares:
        out = RunFolder(asked.out / f"{share:g}")
        name = f"last {share:g} of training"
        why_not = train_copies(run, share, seeds, out)
        if why_not is not None:
            print(f"| {name} | {why_not} | | |")
            continue
        paths = [[out.forward.validation_of(arm, seed) for seed in seeds] for arm in COPIED]
        print(table_line(name, [[pd.read_parquet(path) for path in of_arm] for of_arm in paths]))


if __name__ == "__main__":
    main()
