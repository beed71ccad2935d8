"""How often the A/B statistics are right where the truth is known, and controls that must fail.

    python benchmarks/ab_evidence.py --data DATA > table.md

Prints the tables of docs/ab_evidence.md. DATA is the folder that holds open_bandit; without it that table is
left out.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from benchmarks.ab.evidence_traffic import budget_table, cold_table
from benchmarks.ab.evidence_worlds import EnumeratedBandit, HeavyUsers
from learn_rank.ab.logged.decisions import LoggedBandit, Policy
from learn_rank.ab.logged.estimators import estimate
from learn_rank.ab.logged.open_bandit import cross_check
from learn_rank.ab.statistics.delta_method import contrast
from learn_rank.ab.statistics.per_user import arms_of, metric_sums
from learn_rank.ab.statistics.resplits import rejection_band, resplit
from learn_rank.ab.statistics.skewness import flag, skewness_of_difference

METRICS = ("revenue", "CTR", "CVR")
SHARE = 0.2
Row = dict[str, object]


def aa_table(n_users: int = 20_000, n_splits: int = 2000, seed: int = 0) -> list[Row]:
    """Rejections at 5 % among A/A re-splits, per metric and bucket, with the flag of the bucket."""
    world = HeavyUsers(n_users, n_days=9).draw(np.random.default_rng(seed), 0.0)
    buckets = [("all", np.ones(n_users, bool), None)]
    buckets += [
        (f"users {name}", world.user_bucket == at, None) for at, name in enumerate(world.user_buckets)
    ]
    buckets += [(f"items {name}", np.ones(n_users, bool), name) for name in world.item_buckets]
    buckets.append(("200 users", np.arange(n_users) < 200, None))
    rows: list[Row] = []
    for name, users, items in buckets:
        sums = {metric: metric_sums(world, metric, users, item_bucket=items) for metric in METRICS}
        for metric, p in resplit(sums, SHARE, n_splits, seed + 1).items():
            scores = sums[metric].scores()
            cut = round(scores.size * (1 - SHARE))
            row: Row = {"bucket": name, "metric": metric, "rejections": float((p < 0.05).mean())}
            row |= {"ks_p": float(stats.kstest(p, "uniform").pvalue)}
            rows.append(row | {"flag": flag(scores[:cut], scores[cut:])})
    return rows


def wrong_tests(n_users: int = 20_000, n_splits: int = 2000, seed: int = 0) -> dict[str, float]:
    """Rejections at 5 % by the tests that must fail, on the same kind of users: all of them A/A."""
    world = HeavyUsers(n_users, n_days=9).draw(np.random.default_rng(seed), 0.0)
    sums = np.column_stack([world.total(name) for name in ("clicks", "impressions", "conversions")])
    by_day = np.concatenate([world.sums[name].sum(axis=2) for name in ("clicks", "revenue")], axis=1)
    rng, z, paired = np.random.default_rng(seed + 1), [], []
    for start in range(0, n_splits, 200):
        arms = (rng.random((min(200, n_splits - start), n_users)) < SHARE).astype(np.float64)
        size = arms.sum(axis=1, keepdims=True)
        treatment, daily = arms @ sums, arms @ by_day
        z.append(
            np.column_stack(
                [_z_test(sums.sum(axis=0) - treatment, treatment, *at) for at in ((0, 1), (2, 0))]
            )
        )
        gap = daily / size - (by_day.sum(axis=0) - daily) / (n_users - size)
        paired.append(stats.ttest_1samp(gap.reshape(-1, 2, 9), 0.0, axis=2).pvalue)
    rejected = (np.concatenate([np.concatenate(part) for part in (z, paired)], axis=1) < 0.05).mean(axis=0)
    return {
        "CTR by a z test of impressions": float(rejected[0]),
        "CVR by a z test of clicks": float(rejected[1]),
        "clicks by a paired t test of 9 days": float(rejected[2]),
        "revenue by a paired t test of 9 days": float(rejected[3]),
    }


def _z_test(control: np.ndarray, treatment: np.ndarray, above: int, below: int) -> np.ndarray:
    """p of two proportions whose trials are taken as independent."""
    n_a, n_b = control[:, below], treatment[:, below]
    pooled = (control[:, above] + treatment[:, above]) / (n_a + n_b)
    gap = treatment[:, above] / n_b - control[:, above] / n_a
    return 2 * stats.norm.sf(np.abs(gap) / np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b)))


def coverage_table(lift: float, n_users: int = 8000, n_worlds: int = 1000, seed: int = 0) -> list[Row]:
    """How often the 95 % interval of the relative lift, and of the difference, holds the truth."""
    world = HeavyUsers(n_users, click_lift=lift, conversion_lift=lift)
    truth = world.truth()
    hits: dict[str, list[tuple[bool, bool, bool]]] = {metric: [] for metric in METRICS}
    for number in range(n_worlds):
        drawn = world.draw(np.random.default_rng([seed, number]), SHARE)
        for metric, found in hits.items():
            control, treatment = arms_of(drawn, metric, np.ones(n_users, bool))
            one = contrast(control, treatment)
            base = _control_truth(metric)
            found.append(
                (
                    one.relative_low <= truth[metric] <= one.relative_high,
                    one.low <= truth[metric] * base <= one.high,
                    flag(control.scores(), treatment.scores()) is not None,
                )
            )
    return [
        {"lift": lift, "users": n_users, "metric": metric, "true_relative_lift": truth[metric]}
        | dict(zip(("relative", "difference", "flagged"), np.mean(found, axis=0).tolist(), strict=True))
        for metric, found in hits.items()
    ]


def _control_truth(metric: str) -> float:
    """The control's value in `HeavyUsers` of one day: products of the means that its docstring names."""
    impressions, click_rate, buy_rate = 1 + 2.0, 0.5 * 0.2, 0.05 + 0.3 * 0.5
    bill = np.exp(0.6**2 / 2) * np.exp(0.5**2 / 2)
    return {"CTR": click_rate, "CVR": buy_rate, "revenue": impressions * click_rate * buy_rate * bill}[metric]


def skewness_table(n_worlds: int = 4000, seed: int = 0) -> list[Row]:
    """Two-sided error and its tails by the skewness of the difference: what the flag's limit rests on."""
    rows: list[Row] = []
    for share in (0.2, 0.5):
        for n_users in (200, 1000, 4000, 16_000):
            rng, p, skewness, is_flagged = np.random.default_rng([seed, n_users]), [], [], []
            for _ in range(n_worlds):
                counts = rng.poisson(0.05, n_users)
                revenue = counts * rng.lognormal(0.0, 1.0, n_users)
                cut = round(n_users * (1 - share))
                control, treatment = revenue[:cut], revenue[cut:]
                found = stats.ttest_ind(treatment, control, equal_var=False) if revenue.any() else None
                if found is None or np.isnan(found.pvalue):
                    continue
                p.append(found.pvalue * np.sign(found.statistic))
                skewness.append(skewness_of_difference(control, treatment))
                is_flagged.append(flag(control, treatment) is not None)
            signed, shape = np.array(p), np.median(skewness, axis=0)
            row: Row = {"share": share, "users": n_users, "difference": shape[0], "arm": shape[1]}
            row |= {"rejections": float((np.abs(signed) < 0.05).mean())}
            row |= {"low": float(((signed < 0) & (signed > -0.05)).mean())}
            row |= {"high": float(((signed > 0) & (signed < 0.05)).mean())}
            rows.append(row | {"flagged": float(np.mean(is_flagged))})
    return rows


def bandit_table(
    n_logs: int = 400, n_users: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Estimator -> (bias, standard error of the bias, coverage of its 95 % interval) over many logs."""
    bandit, rng = EnumeratedBandit.usual(), np.random.default_rng(seed)
    wrong_model, uniform = np.full(bandit.reward.shape, 0.2), np.full(bandit.logging.shape, 0.25)
    found: dict[str, list[tuple[float, bool]]] = {}
    for _ in range(n_logs):
        user, kind, action, reward = bandit.draw(rng, n_users)
        chance = bandit.target[kind, action]
        for chances, model, names in (
            (bandit.logging, wrong_model, {"IPS": "IPS", "SNIPS": "SNIPS", "DR": "DR, wrong model"}),
            (uniform, bandit.reward, {"DR": "DR, wrong propensities", "IPS": "IPS, wrong propensities"}),
            (uniform, wrong_model, {"DR": "DR, both wrong"}),
        ):
            value = (bandit.target * model).sum(axis=1)[kind]
            policy = Policy("target", chance, model[kind, action], value)
            for row in estimate(LoggedBandit(user, chances[kind, action], reward), [policy]):
                if row["estimator"] in names:
                    is_held = row["low"] <= bandit.value <= row["high"]
                    found.setdefault(names[row["estimator"]], []).append((row["value"], is_held))
        found.setdefault("mean of the log", []).append((float(reward.mean()), False))
    table = {}
    for name, each in found.items():
        values, held = np.array(each, float).T
        bias, error = float(values.mean()) - bandit.value, float(values.std(ddof=1)) / np.sqrt(values.size)
        table[name] = (bias, error, float("nan") if name == "mean of the log" else float(held.mean()))
    return table


def main(
    data: Annotated[Path | None, typer.Option(help="Folder that holds open_bandit.")] = None,
    splits: Annotated[int, typer.Option(help="A/A re-splits.")] = 2000,
    worlds: Annotated[int, typer.Option(help="Worlds per line of coverage.")] = 1000,
    logs: Annotated[int, typer.Option(help="Logs of the enumerated bandit.")] = 400,
    traffic: Annotated[int, typer.Option(help="Splits of the world whose cold items got better.")] = 300,
) -> None:
    """Print every table as markdown."""
    started = time.monotonic()
    low, high = rejection_band(splits)
    _print(
        f"A/A, {splits} re-splits of 20,000 users; band {low:.2%} .. {high:.2%}", aa_table(n_splits=splits)
    )
    wrong = [{"test": name, "rejections": rate} for name, rate in wrong_tests(n_splits=splits).items()]
    _print("A/A by the wrong tests", wrong)
    rows = [row for lift in (0.0, 0.02, 0.1) for row in coverage_table(lift, n_worlds=worlds)]
    rows += coverage_table(0.0, n_users=200, n_worlds=worlds)
    _print(f"Coverage of 95 % intervals, {worlds} worlds a line", rows)
    _print(f"Error of Welch's test by skewness, {4 * worlds} worlds a line", skewness_table(4 * worlds))
    bandit = [
        {
            "estimator": name,
            "bias": bias,
            "standard error": error,
            "bias / error": bias / error,
            "coverage": held,
        }
        for name, (bias, error, held) in bandit_table(logs).items()
    ]
    _print(
        f"Enumerated bandit, {logs} logs of 2,000 rows, value {EnumeratedBandit.usual().value:.4f}", bandit
    )
    _print(f"A lift planted on cold items alone, {traffic} splits", cold_table(traffic))
    _print("Revenue where the treatment's bids read 1.6 times as high", budget_table())
    if data is not None:
        names = (
            "policy",
            "logged_by",
            "estimator",
            "value",
            "low",
            "high",
            "own",
            "is_inside",
            "ess",
            "supported",
        )
        checked = [{name: row[name] for name in names} for row in cross_check(data / "open_bandit")]
        _print("open_bandit, men: each policy's click rate from the other's log", checked)
    print(f"\n{time.monotonic() - started:.0f} s")


def _print(title: str, rows: list[Row]) -> None:
    names = list(rows[0])
    print(f"\n**{title}**\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row[name]) for name in names)} |")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
