"""What may know more than the text: each trial behind LEARN and behind the frozen text alone, on validation.

Run: python benchmarks/vector_trials.py runs/steam --seeds 2

A trial changes what the ranker of a finished `learn-rank run` is given, in both arms alike, and is trained as
the run's arms are; nothing is judged on the test rows. A line has the differences to the same arm without the
trial, in points with 95 % intervals over users and seeds; "kept" says that CTR AUC or UAUC of all rows is
above 0 and no column below. Codes of the text and the item-item regression are variants of `learn-rank
ablate`: `codes`, `learn_ease`. What was trained is kept in RUN/trials, so that more can follow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.trials.aligned_block import with_aligned_block
from benchmarks.trials.given import Given
from benchmarks.trials.neighbour_rates import with_neighbour_rates
from learn_rank.ablation.study import open_study
from learn_rank.data.dataset_files import read_dataset
from learn_rank.evaluation.compare import ALL, DeltaRow
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.metrics.buckets import COLD_START, OTHER
from learn_rank.rankers.train import predict, train_ranker
from learn_rank.run.arms import LEARN, RAW_TEXT, Arm, arm_ranker
from learn_rank.run.predictions import labelled_rows, write_predictions
from learn_rank.run.rows import rows_of_run
from learn_recall.files.whole_files import read_json
from learn_recall.store import EmbeddingStore

TRIALS: dict[str, Callable[[Given], Given]] = {
    "neighbour_rates": with_neighbour_rates,
    "aligned_block": with_aligned_block,
}
COLUMNS = (
    ("CTR", "AUC", "all", ALL),
    ("CTR", "UAUC", "all", ALL),
    ("CTR", "UAUC", "item", COLD_START),
    ("CTR", "UAUC", "item", OTHER),
    ("CVR", "AUC", "all", ALL),
    ("CVR", "UAUC", "all", ALL),
)


def with_block(arm: Arm, block: str | None) -> Arm:
    """The arm with one more block that is only compared."""
    if block is None or arm.blocks is None:
        return arm
    return replace(arm, blocks=(*arm.blocks, block), compared=(*arm.compared, block))


def validation_scores(
    run: Path, names: Sequence[str], arms: Sequence[Arm], seeds: Sequence[int]
) -> dict[tuple[str, str], list[pd.DataFrame]]:
    """(trial or "", arm) -> validation rows with scores, one table a seed; what is missing is trained."""
    study = open_study(run)
    dataset = read_dataset(study.run.tables)
    users, items = EmbeddingStore.open(study.run.users), EmbeddingStore.open(study.run.items)
    data = rows_of_run(dataset, items, study.config)
    own = Given(dataset, data, users, items, run / "trials")
    decay = read_json(study.run.tuning)["embedding_weight_decay"]
    labels = labelled_rows(dataset, "valid")
    found = {}
    for name in ("", *names):
        given = TRIALS[name](own) if name else own
        for arm in arms:
            tables = []
            for seed in seeds:
                place = run / "trials" / f"{name or 'without'}_{arm.name}" / f"seed-{seed}"
                scores = place.with_suffix(".parquet")
                if not scores.is_file():
                    print(f"training {name or 'without'} behind {arm.name}, seed {seed}", file=sys.stderr)
                    training = replace(study.config.training, seed=seed, embedding_weight_decay=decay)
                    ranker, _ = train_ranker(
                        lambda arm=arm, given=given, seed=seed: arm_ranker(  # type: ignore[misc]
                            with_block(arm, given.block),
                            (given.users, given.items),
                            given.data,
                            study.config.ranker,
                            study.config.fusion,
                            seed=seed,
                            kind=study.config.fusion_kind,
                        ),
                        given.data,
                        training,
                        place,
                    )
                    write_predictions(scores, labels, predict(ranker, given.data.valid))
                tables.append(pd.read_parquet(scores))
            found[name, arm.name] = tables
    return found


def line(rows: Sequence[DeltaRow]) -> list[str]:
    """The cells of one comparison and whether it is kept."""
    by_key = {(row["task"], row["metric"], row["bucket_kind"], row["bucket"]): row for row in rows}
    cells, of_clicks, is_worse = [], [], []
    for task, metric, kind, bucket in COLUMNS:
        row = by_key.get((task, metric, kind, bucket))
        if row is None or row["delta"] is None or row["low"] is None or row["high"] is None:
            cells.append("–")
            continue
        low, high = row["low"], row["high"]
        cells.append(f"{100 * row['delta']:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]")
        is_worse.append(high < 0)
        if task == "CTR" and kind == "all":
            of_clicks.append(low > 0)
    return [*cells, "kept" if any(of_clicks) and not any(is_worse) else "not kept"]


def main() -> None:
    """Print one line for each trial and arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished `learn-rank run`")
    parser.add_argument("--only", default=",".join(TRIALS), help="some of the trials, divided by commas")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    names = options.only.split(",")
    unknown = [name for name in names if name not in TRIALS]
    if unknown or options.seeds < 1:
        parser.error(f"expected --seeds of at least 1 and --only among {', '.join(TRIALS)}")
    arms = (LEARN, RAW_TEXT)
    found = validation_scores(options.run, names, arms, range(options.seeds))
    heads = [
        f"{task} {metric}" + ("" if kind == "all" else f", {bucket} {kind}s")
        for task, metric, kind, bucket in COLUMNS
    ]
    print(f"| trial | behind | {' | '.join(heads)} | |\n|---|---|{'---|' * (len(heads) + 1)}")
    for name in names:
        for arm in arms:
            tables = {"without": found["", arm.name], name: found[name, arm.name]}
            tasks = ("CTR", "CVR") if "pcvr" in tables[name][0] else ("CTR",)
            rows = evaluate_arms(tables, "without", tasks)[1]
            print(f"| `{name}` | {arm.name} | {' | '.join(line(rows))} |", flush=True)


if __name__ == "__main__":
    main()
