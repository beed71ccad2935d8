"""How often the interval over several trainings is right where retraining is simulated; one must fail.

    python benchmarks/ab_training.py > tables.md

Prints the tables "Several trainings" of docs/results/ab_evidence.md. A training is what it leaves: noise in a
ranker's scores, drawn anew for each training of each arm, the same for all users.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import special

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.ab.statistics.delta_method import Contrast, PerUser, contrast
from learn_rank.ab.statistics.resplits import rejection_band
from learn_rank.ab.statistics.retraining import over_trainings

METRICS, SHARE, KS = ("revenue", "CTR"), 0.2, (1, 3, 5)
Row = dict[str, object]


@dataclass(frozen=True)
class Market:
    """Users with requests for one of six candidates; a click pays the item's bid.

    Args:
        quality: (M,) logarithm of what an item's click rate is worth over the others'.
        bid: (M,) paid for a click.
        n_users: users; each has 1 + Poisson(1.5) requests and a click rate of its own, .4 x Beta(2, 6).
    """

    quality: np.ndarray
    bid: np.ndarray
    n_users: int = 3000

    @classmethod
    def usual(cls, n_items: int = 40) -> Market:
        """Items whose quality varies by half of itself."""
        rng = np.random.default_rng(0)
        return cls(rng.normal(0.0, 0.5, n_items), rng.lognormal(0.0, 0.3, n_items))

    def traffic(self, rng: np.random.Generator) -> Traffic:
        """Users, their candidates, and what each candidate would get of a click."""
        n_requests = 1 + rng.poisson(1.5, self.n_users)
        user = np.repeat(np.arange(self.n_users), n_requests)
        item = rng.integers(0, self.quality.size, (user.size, 6))
        rate = 0.4 * rng.beta(2, 6, self.n_users)
        chance = np.minimum(rate[user, None] * np.exp(self.quality[item]), 1.0)
        return Traffic(self, n_requests, user, item, chance, rng.random(item.shape) < chance)


@dataclass(frozen=True, eq=False)
class Traffic:
    """N requests with six candidates each; every ranker meets the same ones and the same chances."""

    market: Market
    n_requests: np.ndarray
    user: np.ndarray
    item: np.ndarray
    chance: np.ndarray
    would_click: np.ndarray

    def sums(self, score: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(U,) revenue and clicks of a ranker that shows the best by ``score`` (M,) of ``outcome`` (N, 6)."""
        rows, best = np.arange(self.user.size), score[self.item].argmax(axis=1)
        got = outcome[rows, best].astype(np.float64)
        paid = got * self.market.bid[self.item[rows, best]]
        revenue, clicks = (np.bincount(self.user, each, self.market.n_users) for each in (paid, got))
        return revenue, clicks


def contrasts(traffic: Traffic, scores: np.ndarray, arm: np.ndarray) -> dict[str, list[list[Contrast]]]:
    """Metric -> for each K in ``KS``: the mean's contrast, then that of each of the first K trainings.

    Args:
        traffic: of all.
        scores: (2, K, M) of both arms and all trainings.
        arm: (U,) bool, who has the treatment.
    """
    sums = np.array([[traffic.sums(score, traffic.would_click) for score in of_arm] for of_arm in scores])
    served = np.where(arm, sums[1], sums[0])  # (K, 2, U)
    below = {"revenue": None, "CTR": traffic.n_requests.astype(np.float64)}
    found: dict[str, list[list[Contrast]]] = {}
    for at, metric in enumerate(METRICS):

        def one(values: np.ndarray, metric: str = metric) -> Contrast:
            everyone = PerUser(values, below[metric])
            return contrast(everyone.of(~arm), everyone.of(arm))

        each = [one(values[at]) for values in served]
        found[metric] = [[one(served[:k, at].mean(axis=0)), *each[:k]] for k in KS]
    return found


def truth(market: Market, noise: Sequence[float], n_trainings: int = 3000) -> tuple[dict[str, float], float]:
    """Metric -> the lift over all trainings, by its chances; and the deviation of a training's CTR lift."""
    rng, small = np.random.default_rng(1), Market(market.quality, market.bid, 1000)
    sums = np.zeros((n_trainings, 2, len(METRICS)))
    for at in range(n_trainings):
        traffic = small.traffic(rng)
        for arm, spread in enumerate(noise):
            score = market.quality + rng.normal(0.0, spread, market.quality.size)
            sums[at, arm] = [each.sum() for each in traffic.sums(score, traffic.chance)]
    total = sums.sum(axis=0)
    lift = dict(zip(METRICS, (total[1] / total[0] - 1).tolist(), strict=True))
    return lift, float(np.log(sums[:, 1, 1] / sums[:, 0, 1]).std())


def table(noise: Sequence[float], n_worlds: int, seed: int = 0) -> list[Row]:
    """How often 95 % intervals miss the lift over all trainings: of the traffic alone, and of both.

    Args:
        noise: spread of the score noise of control and treatment; alike, the truth is 0 (A/A, trained apart).
        n_worlds: new users and new trainings each.
        seed: of the worlds.
    """
    market = Market.usual()
    lifts, spread = truth(market, noise)
    if noise[0] == noise[1]:
        lifts = dict.fromkeys(METRICS, 0.0)
    missed: dict[tuple[str, int], list[tuple[float, ...]]] = {(m, k): [] for m in METRICS for k in KS}
    for number in range(n_worlds):
        rng = np.random.default_rng([seed, number])
        traffic, arm = market.traffic(rng), rng.random(market.n_users) < SHARE
        trained = rng.normal(0.0, 1.0, (2, max(KS), market.quality.size)) * np.reshape(noise, (2, 1, 1))
        for metric, of_k in contrasts(traffic, market.quality + trained, arm).items():
            for k, (mean, *each) in zip(KS, of_k, strict=True):
                both = over_trainings(mean, each)
                missed[metric, k].append(
                    (
                        not mean.relative_low <= lifts[metric] <= mean.relative_high,
                        not both.relative_low <= lifts[metric] <= both.relative_high,
                        both.p < 0.05,
                        both.log_std_error / mean.log_std_error,
                        mean.log_std_error,
                    )
                )
    rows: list[Row] = []
    for (metric, k), found in missed.items():
        alone, together, rejected, wider, error = np.mean(found, axis=0)
        row: Row = {"noise": f"{noise[0]:g}, {noise[1]:g}", "metric": metric, "truth": lifts[metric], "K": k}
        row |= {"traffic alone misses": alone, "traffic and training misses": together}
        row |= {"p < .05": rejected, "its error over that of the traffic": wider}
        rows.append(row | {"training sd": spread, "traffic error": error})
    return rows


def method_table(n_draws: int, seed: int = 0) -> list[Row]:
    """Three intervals of the same variance where all is normal: how often each misses, and how wide it is.

    The traffic that trainings share has the variance 1; a training's own effect and its own traffic noise are
    multiples of that. Widths are over that of the interval that knows all variances.
    """
    rows: list[Row] = []
    for k, (effect, own) in itertools.product((2, 3, 5), ((0.0, 0.5), (0.3, 0.3), (1.0, 0.5), (10.0, 1.0))):
        rng = np.random.default_rng([seed, k])
        values = rng.normal(size=(n_draws, 1)) + rng.normal(0, np.sqrt(effect + own), (n_draws, k))
        mean, between = values.mean(axis=1), values.var(axis=1, ddof=1) / k
        traffic, alone = 1 + own / k, np.sqrt(1 + own)
        used = [
            over_trainings(
                Contrast(1.0, 1 + at, np.sqrt(traffic), 1e9, np.nan, np.nan),
                [Contrast(1.0, 1 + value, alone, 1e9, np.nan, np.nan) for value in each],
            )
            for at, each in zip(mean, values, strict=True)
        ]
        variance = np.maximum(1 + between, traffic)
        draws = special.chdtri(k - 1, (np.arange(400) + 0.5) / 400) / (k - 1)
        p = [
            2 * special.ndtr(-abs(at) / np.sqrt(np.maximum(1 + one / draws, traffic))).mean()
            for at, one in zip(mean, between, strict=True)
        ]
        df = np.minimum(variance**2 / (between**2 / (k - 1)), 1e9)
        hillis = special.stdtrit(df, 0.975) * np.sqrt(variance)
        known = special.ndtri(0.975) * np.sqrt(traffic + effect / k)
        row: Row = {"K": k, "training": effect, "own traffic": own}
        row |= {"Cochran's quantile (used)": float(np.mean([not one.low <= 0 <= one.high for one in used]))}
        row |= {"width": float(np.mean([one.high - one.delta for one in used])) / known}
        row |= {"degrees of freedom by Hillis": float((abs(mean) > hillis).mean())}
        row |= {"its width": float(hillis.mean()) / known, "generalised": float((np.array(p) < 0.05).mean())}
        rows.append(row)
    return rows


def _print(rows: Sequence[Row], *, has_head: bool = True) -> None:
    if has_head:
        print(f"\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(f'{v:.4g}' if isinstance(v, float) else str(v) for v in row.values())} |")
    sys.stdout.flush()


def main(worlds: Annotated[int, typer.Option(help="Worlds a line.")] = 2000) -> None:
    """Print every table as markdown."""
    started = time.monotonic()
    low, high = rejection_band(worlds)
    print(f"{worlds} worlds a line; band {low:.2%} .. {high:.2%}")
    for noise in ((0.3, 0.3), (1.0, 1.0), (1.0, 0.6)):
        _print(table(noise, worlds), has_head=noise == (0.3, 0.3))
    low, high = rejection_band(2 * worlds)
    print(f"\nnormal, {2 * worlds} draws a line; band {low:.2%} .. {high:.2%}")
    _print(method_table(2 * worlds))
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
