"""Candidates for a simulated test between two trained rankers of a marketplace run, and its known truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from learn_rank.ab.marketplace.baskets import JOURNEY, shop_prices
from learn_rank.ab.marketplace.exposure import Serving
from learn_rank.ab.marketplace.traffic import DAY, Traffic, draw_traffic
from learn_rank.ab.simulation.environment import MarketplaceEnvironment
from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dataset_files import read_dataset
from learn_rank.datasets.arithmetic import draw_lognormal
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.metrics.buckets import ITEM_RULE, USER_RULE, assign_buckets, training_counts
from learn_rank.run.config import read_config
from learn_rank.run.folder import RunFolder
from learn_recall.columns import (
    BRAND,
    CATEGORY,
    ITEM_BUCKET,
    ITEM_ID,
    PRICE,
    REQUEST_ID,
    TIMESTAMP,
    USER_BUCKET,
    USER_ID,
)
from learn_recall.files.whole_files import atomic_path
from learn_recall.terminal.progress import track_steps

__all__ = ["MarketplaceTest", "marketplace_candidates", "marketplace_environment"]

N_WARM_UP_DAYS = 2


@dataclass(frozen=True)
class MarketplaceTest:
    """What a test on a marketplace looks like before any arm is chosen.

    Args:
        n_days: days of the test; they follow the run's last test day.
        n_requests_per_day: visits of the users who are there on the first day.
        n_candidates: items that compete for a request.
        margin: share of a sale that an advertiser pays for it.
        advertiser_log_sd: spread of the advertisers' bids around that.
        budget_factor: an advertiser's daily budget over what the control is expected to bill it in a day; the
            half of the advertisers that are billed least have the median's.
        retrains: both rankers go on learning in the night behind each day, from the feed and from what they
            would have shown to everybody (`live_through`).
        training_seeds: whose rankers are taken, each of them one training of all arms.
        seed: of traffic and bids.

    Raises:
        ValueError: a count below 1, a factor that is not above 0, or no training seed, or one twice.
    """

    n_days: int = 9
    n_requests_per_day: int = 3000
    n_candidates: int = 20
    margin: float = 0.2
    advertiser_log_sd: float = 0.3
    budget_factor: float = 1.2
    retrains: bool = False
    training_seeds: tuple[int, ...] = (0,)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_days", "n_requests_per_day", "n_candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}. Remedy: raise it.")
        if not self.training_seeds or len(set(self.training_seeds)) < len(self.training_seeds):
            raise ValueError(
                f"training_seeds: expected one or more, each once, got {self.training_seeds}. "
                "Remedy: (0, 1, 2)."
            )
        for name in ("margin", "budget_factor"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name}: expected more than 0, got {getattr(self, name)}. Remedy: raise it."
                )


def marketplace_candidates(
    run: str | Path,
    out: str | Path,
    *,
    control: str = "baseline",
    treatments: Sequence[str] = ("learn",),
    test: MarketplaceTest = MarketplaceTest(),
) -> dict[str, dict[int, Path]]:
    """Write one file of candidates for each treatment and training: the same requests, items, bids in all.

    Two days of warm-up come before the days of the test: on them each ranker serves everybody once, and its
    scores are calibrated on what came of it. They stand in the files as the pre-period. All that is random
    in the traffic follows from ``test.seed``; the truth stays in the world and is in no file.

    Items and users go on arriving, and what the marketplace's own feed shows and sells on these days is known
    to both rankers from then on, in counts, rates and histories. Buckets are those of the training counts.
    Budgets follow the control's spending in the first training, so that all trainings meet the same ones.

    Args:
        run: folder of a finished ``learn-rank run --dataset marketplace``.
        out: folder for ``candidates-TREATMENT.parquet`` of the first training seed, and for
            ``candidates-TREATMENT-seed-N.parquet`` of further ones.
        control: the arm of today.
        treatments: arms that want traffic.
        test: size and money.

    Returns:
        Treatment -> training seed -> its file, in the schema of `CandidateFiles`.

    Raises:
        ValueError: the run is of other data, ends too early, or has not trained an arm.
    """
    from learn_rank.ab.marketplace.nightly_training import live_through  # noqa: PLC0415
    from learn_rank.ab.marketplace.open_rankers import open_rankers  # noqa: PLC0415 - these modules need torch

    run, out = Path(run), Path(out)
    dataset, (config, _) = read_dataset(RunFolder(run).tables), read_config(run)
    market = _market_of(dataset, run)
    if market.ab_days < test.n_days:
        raise ValueError(
            f"n_days: expected at most the {market.ab_days} days for which the marketplace of {run} goes on "
            f"after its recorded days, got {test.n_days}. Remedy: MarketplaceConfig(ab_days={test.n_days})."
        )
    world = generate_marketplace(market).world
    traffic = draw_traffic(
        dataset,
        world,
        market,
        start_day=market.n_days - N_WARM_UP_DAYS,
        n_days=N_WARM_UP_DAYS + test.n_days,
        n_requests_per_day=test.n_requests_per_day,
        n_candidates=test.n_candidates,
        seed=test.seed,
    )
    rows = _rows(dataset, traffic, test)
    is_warm_up = (rows[DAY] < market.n_days).to_numpy()
    serving = Serving(rows, world, n_candidates=test.n_candidates, seed=test.seed)
    seeds, arms = test.training_seeds, list(dict.fromkeys([control, *treatments]))
    scores: dict[tuple[int, str], np.ndarray] = {}
    with TemporaryDirectory() as work:
        opened = open_rankers(
            run,
            dataset,
            config,
            traffic,
            arms=arms,
            work=Path(work),
            seeds=seeds,
            retrains=test.retrains,
        )
        # one that learns by night tells of its days
        n_rankers = len(arms) * len(seeds)
        told = track_steps(opened, "score candidates, rankers", n_rankers, is_shown=not test.retrains)
        for seed, arm, ranker in told:
            if test.retrains:
                scores[seed, arm] = live_through(ranker, serving, is_warm_up)
            else:
                raw = ranker.scores(np.ones(len(rows), bool))
                scores[seed, arm] = serving.calibration(raw, is_warm_up)(raw)
    spend = serving.daily_spend(scores[seeds[0], control], is_warm_up)
    spend = spend.reindex(np.unique(rows["advertiser_id"])).fillna(0.0).clip(lower=spend.median())
    rows["budget"] = rows["advertiser_id"].map(test.budget_factor * spend).to_numpy()
    out.mkdir(parents=True, exist_ok=True)
    paths: dict[str, dict[int, Path]] = {treatment: {} for treatment in treatments}
    for treatment, seed in itertools.product(treatments, seeds):
        ending = "" if seed == seeds[0] else f"-seed-{seed}"
        paths[treatment][seed] = out / f"candidates-{treatment}{ending}.parquet"
        _write(paths[treatment][seed], rows, scores[seed, control], scores[seed, treatment])
    return paths


def marketplace_environment(run: str | Path) -> MarketplaceEnvironment:
    """The known truth of the marketplace that a run was made on.

    Raises:
        ValueError: the run is of other data.
    """
    run = Path(run)
    market = _market_of(read_dataset(RunFolder(run).tables), run)
    return MarketplaceEnvironment(generate_marketplace(market).world)


def _market_of(dataset: RankingDataset, run: Path) -> MarketplaceConfig:
    config = dataset.protocol.get("config")
    if dataset.name != "marketplace" or not isinstance(config, dict):
        raise ValueError(
            f"{run}: expected a run of the generated marketplace, whose truth is known, got one of "
            f"{dataset.name}. Remedy: learn-rank run --dataset marketplace, or give candidates of your own."
        )
    return MarketplaceConfig(**config)


def _rows(dataset: RankingDataset, traffic: Traffic, test: MarketplaceTest) -> pd.DataFrame:
    """The candidates with advertisers, bids and frozen buckets."""
    items = dataset.items
    counts = training_counts(dataset.train, dataset.interactions)
    brands = np.sort(items[BRAND].unique())
    generator = np.random.default_rng([test.seed, len(brands)])
    keenness = draw_lognormal(0.0, test.advertiser_log_sd, len(brands), generator)
    price = shop_prices(items[PRICE].to_numpy(), items[CATEGORY].to_numpy())
    advertised = pd.DataFrame(
        {
            "advertiser_id": items[BRAND],
            "bid": test.margin
            * price
            * JOURNEY.mean_quantity
            * keenness[np.searchsorted(brands, items[BRAND].to_numpy())],
            ITEM_BUCKET: assign_buckets(items[ITEM_ID], counts.items, ITEM_RULE),
        }
    ).set_axis(items[ITEM_ID])
    asked = traffic.asked[[REQUEST_ID, USER_ID, DAY, TIMESTAMP, ITEM_ID]]
    rows = asked.join(advertised, on=ITEM_ID)
    users = pd.Series(asked[USER_ID].unique())
    bucket = pd.Series(assign_buckets(users, counts.users, USER_RULE), index=users)
    return rows.assign(**{USER_BUCKET: rows[USER_ID].map(bucket)})


def _write(path: Path, rows: pd.DataFrame, control: np.ndarray, treatment: np.ndarray) -> None:
    """Day by day, one row group each, so that a day can be read alone."""
    scored = rows.assign(pctr_a=control[0], pcvr_a=control[1], pctr_b=treatment[0], pcvr_b=treatment[1])
    schema = pa.Schema.from_pandas(scored, preserve_index=False)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for _, of_day in scored.groupby(DAY):
            writer.write_table(pa.Table.from_pandas(of_day, schema, preserve_index=False))
