"""Whether the reference host stays above what needs no ranker: plain rates and recent popularity.

Run: python benchmarks/host_floor.py --rows 1000 5000 --seeds 0 1 2
     python benchmarks/host_floor.py --rows 30000 300000 --hosts "at rates"
     python benchmarks/host_floor.py --rows 30000 --hosts narrow wide "at rates"

Logs are drawn: an item's quality, which moves from day to day, a user's mood and taste decide a click and, of
a click, a conversion. The share of validation and test rows whose users training never had is set. For each
log the table has the AUC of the better floor and of hosts that begin at random and at rates, each with the
decay of its id embeddings chosen on validation as `learn-rank run` chooses it; a positive difference: the
host named last is above the better floor. Several seeds draw several logs: means over them, the floor that is
better on average, and a 95 % t interval of the difference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset, encode_dataset
from learn_rank.data.recent_popularity import RecentPopularity
from learn_rank.datasets.own import link_tables
from learn_rank.metrics.auc import AUC
from learn_rank.pipeline.ranker_stage import MOST_STEPS_WIDER
from learn_rank.rankers.grid import widening_scores
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker
from learn_rank.run.config import RunConfig
from learn_rank.run.predictions import rate_scores
from learn_rank.uncertainty.student_t import t_quantile
from learn_recall.columns import CLICK, CONVERSION, PCTR, PCVR

N_DAYS, N_ITEMS, N_SECTIONS = 20, 400, 8
HOSTS = {
    "at random": RankerConfig(history="din"),
    "at rates": RankerConfig(history="din", start="rates"),
    "narrow": RankerConfig(history="din", start="rates", embedding_dim=8, bottom_dims=(32, 16), tower_dim=16),
    "wide": RankerConfig(
        history="din", start="rates", embedding_dim=32, bottom_dims=(256, 128), tower_dim=64
    ),
}
"""The host of a run is "at rates"; "narrow" and "wide" say whether there is anything in its width."""


def drawn_log(n_rows: int, unseen: float, seed: int = 0) -> RankingDataset:
    """`n_rows` training rows of 14 days, and days of validation and test, `unseen` of whose users are new."""
    generator = np.random.default_rng(seed)
    n_users = max(50, n_rows // 25)
    n = n_rows * N_DAYS // 14
    day = np.sort(generator.integers(0, N_DAYS, n))
    user, item = generator.integers(0, n_users, n), generator.integers(0, N_ITEMS, n)
    is_later = (day >= 14) & (generator.random(n) < unseen)
    user = np.where(is_later, n_users + generator.integers(0, n_users, n), user)
    section = generator.integers(0, N_SECTIONS, N_ITEMS)
    quality = generator.normal(0, 0.7, N_ITEMS) + np.cumsum(
        generator.normal(0, 0.15, (N_DAYS, N_ITEMS)), axis=0
    )
    mood, taste = generator.normal(0, 0.5, 2 * n_users), generator.normal(0, 0.5, (2 * n_users, N_SECTIONS))
    logit = -2.2 + quality[day, item] + mood[user] + taste[user, section[item]]
    click = generator.random(n) < 1 / (1 + np.exp(-logit))
    bought = generator.random(n) < 1 / (
        1 + np.exp(-(quality[0, item] + 0.5 * taste[user, section[item]] - 0.5))
    )
    rows = pd.DataFrame(
        {
            "user_id": user,
            "item_id": item,
            "timestamp": 86_400 * (19_000 + day) + np.sort(generator.integers(0, 86_400, n)),
            CLICK: click.astype(int),
            CONVERSION: np.where(click, bought.astype(float), np.nan),
        }
    ).sort_values("timestamp", kind="stable")
    of_day = (rows["timestamp"] // 86_400 - 19_000).to_numpy()
    parts = {
        "train": rows[of_day < 14].reset_index(drop=True),
        "valid": rows[(of_day >= 14) & (of_day < 16)].reset_index(drop=True),
        "test": rows[of_day >= 16].reset_index(drop=True),
    }
    items = pd.DataFrame(
        {
            "item_id": np.arange(N_ITEMS),
            "title": [f"thing {number}" for number in range(N_ITEMS)],
            "category": [f"section {number}" for number in section],
        }
    )
    clicks = parts["train"].loc[parts["train"][CLICK] == 1, ["user_id", "item_id", "timestamp"]]
    return link_tables("drawn", items, clicks.reset_index(drop=True), parts, categorical=("category",))


FLOORS = ("rates", "recent")
TASKS = ("CTR", "CVR")


def scores_on_test(data: EncodedDataset, shape: RankerConfig, seed: int) -> pd.DataFrame:
    """Test scores of the host with the decay that validates best."""
    found: dict[float, pd.DataFrame] = {}

    def score(decay: float) -> float:
        settings = RankTrainConfig(embedding_weight_decay=decay, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            ranker, history = train_ranker(
                lambda: MultiTaskRanker(data.n_codes, data.n_dense, shape), data, settings, Path(folder)
            )
        found[decay] = predict(ranker, data.test)
        return max(result.score for result in history)

    scores = widening_scores(
        RunConfig().embedding_decays,
        score,
        most_wider=MOST_STEPS_WIDER,
        is_allowed=lambda decay: decay * RankTrainConfig().embedding_learning_rate < 1,
    )
    return found[max(scores, key=lambda decay: scores[decay])]


def aucs_on_test(n_rows: int, unseen: float, seed: int, hosts: Sequence[str]) -> dict[str, dict[str, float]]:
    """AUC of a drawn log's test rows: task -> floor or host -> AUC, of conversion on the clicked rows."""
    dataset = drawn_log(n_rows, unseen, seed)
    data = encode_dataset(dataset, has_item_history=True, recent_popularity=True)
    recent = RecentPopularity(dataset)
    scores = {
        "rates": rate_scores(dataset),
        "recent": recent.scores("test", recent.best_window()),
        **{name: scores_on_test(data, HOSTS[name], seed) for name in hosts},
    }
    clicked = dataset.test[CLICK].to_numpy() == 1
    asked = (CLICK, PCTR, clicked | True), (CONVERSION, PCVR, clicked)
    return {
        task: {
            name: AUC()(dataset.test[label].to_numpy()[rows], table[column].to_numpy()[rows]).value
            for name, table in scores.items()
        }
        for task, (label, column, rows) in zip(TASKS, asked, strict=True)
    }


def difference(values: np.ndarray) -> str:
    """Points with a 95 % t interval over the seeds, of one seed without."""
    points = 100 * values
    if len(points) < 2:
        return f"{points[0]:+.2f}"
    half = t_quantile(0.95, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points))
    return f"{points.mean():+.2f} [{points.mean() - half:+.2f}, {points.mean() + half:+.2f}]"


def main() -> None:
    """Print a row for each log and task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 5_000, 30_000, 300_000])
    parser.add_argument("--unseen", type=float, nargs="+", default=[0.0, 0.5, 0.97])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--hosts", nargs="+", choices=list(HOSTS), default=list(HOSTS)[:2])
    options = parser.parse_args()
    names = ("training rows, unseen users", "task", "better floor", *options.hosts, "over the floor")
    print(f"| {' | '.join(names)} |")
    print(f"|{'---|' * len(names)}")
    for n_rows in options.rows:
        for unseen in options.unseen:
            of_seeds = [aucs_on_test(n_rows, unseen, seed, options.hosts) for seed in options.seeds]
            for task in TASKS:
                auc = {
                    name: np.array([found[task][name] for found in of_seeds]) for name in of_seeds[0][task]
                }
                floor = max(FLOORS, key=lambda name: auc[name].mean())
                cells = [
                    f"{n_rows:,}, {unseen:.0%}",
                    task,
                    f"{floor} {auc[floor].mean():.4f}",
                    *(f"{auc[name].mean():.4f}" for name in options.hosts),
                    difference(auc[options.hosts[-1]] - auc[floor]),
                ]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
