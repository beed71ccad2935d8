"""What each arm costs on the log of `drift_log`, with and without the part that is left to the ranker.

Run: python benchmarks/drift_harm.py --out drift --seeds 2
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))  # the log lies there
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

import numpy as np
import pandas as pd
from drift_log import drift_dataset
from rich.console import Console

from learn_rank.metrics.auc import AUC
from learn_rank.pipeline.order import run_pipeline
from learn_rank.rankers.multi_task import RankerConfig
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder

QUIET = Console(quiet=True)


def run_drift(
    out, dataset, *, entry="concat", history="din", start="rates", seeds=(0,), **settings
) -> pd.DataFrame:
    """A row an arm and seed: AUC of clicks, and the mean pCTR of rows of new items, on test."""
    config = RunConfig(
        encoder_dtype="float32",
        seeds=tuple(seeds),
        max_seeds=len(seeds),
        embedding_decays=(10.0,),
        ranker=RankerConfig(fusion_entry=entry, history=history, start=start),
        training=RankTrainConfig(batch_size=256, **settings.pop("training", {})),
        **settings,
    )
    run_pipeline(lambda: dataset, {"log": "drift"}, out, config, console=QUIET)
    is_new = ~dataset.test.item_id.isin(dataset.train.item_id).to_numpy()
    found = []
    for arm in config.arms:
        for seed in seeds:
            rows = pd.read_parquet(RunFolder(out).predictions_of(arm, seed))
            auc = AUC()(rows["click"].to_numpy(), rows["pctr"].to_numpy()).value
            found.append({"arm": arm, "seed": seed, "auc": auc, "pctr_new": rows["pctr"][is_new].mean()})
    return pd.DataFrame(found)


def main() -> None:
    """Print points of AUC over the baseline, seed by seed, and what is predicted for new items."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1300)
    parser.add_argument("--entry", default="concat")
    parser.add_argument("--history", default="din")
    parser.add_argument("--start", default="rates", help="zero: the host that begins at random")
    options = parser.parse_args()
    for name, share in (("learned from all clicks of train", 0.0), ("a quarter left to the ranker", 0.25)):
        sizes = {"n_rows_per_day": options.rows, "n_test_rows_per_day": 4000}
        dataset = drift_dataset(later_share=share, **sizes)
        host = {name: getattr(options, name) for name in ("entry", "history", "start")}
        place = options.out / f"{'-'.join(host.values())}-{options.rows}-{share:g}"
        table = run_drift(place, dataset, **host, seeds=range(options.seeds))
        is_new = ~dataset.test.item_id.isin(dataset.train.item_id)
        print(
            f"{name}: of {is_new.mean():.0%} new, {dataset.test.click[is_new].mean():.3f} clicked", flush=True
        )
        base = table.loc[table.arm == "baseline", "auc"].to_numpy()
        for arm, rows in table.groupby("arm", sort=False):
            points = 100 * (rows["auc"].to_numpy() - base)
            print(
                f"  {arm:9} AUC {rows.auc.mean():.4f}, pCTR of new {rows.pctr_new.mean():.3f}, points "
                f"{np.mean(points):+.2f} {np.round(points, 2).tolist()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
