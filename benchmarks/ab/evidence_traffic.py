"""Evidence from simulated traffic: a lift planted on cold items, and budgets that invent a lift."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.ab.candidate_worlds import small_world
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.statistics.analysis import AnalysisConfig, analyse
from learn_rank.ab.statistics.interference import gap_in_errors

Row = dict[str, object]
COLD = "cold-start"
TRUTH = KnownEnvironment()


def cold_table(n_splits: int = 300, n_users: int = 2500, seed: int = 0) -> list[Row]:
    """How often the interval of the cold items holds the lift that was planted there, and how often 0.

    The treatment is the control with exact scores for cold items alone. The planted lift is the ratio of what
    both launches expect: sums over what they show of p(click), p(click) p(conversion) and p(click) x price.
    """
    frame = small_world(
        n_users=n_users,
        n_requests_per_day=3 * n_users // 2,
        n_candidates=6,
        noise=(1.2, 0.0),
        cold_only=True,
        seed=seed,
    )
    source, metrics = CandidateFiles(frame), ("CTR", "CVR", "revenue")
    truth = planted_lift(source)
    found: dict[str, list[tuple[bool, bool, float]]] = {metric: [] for metric in metrics}
    for number in range(n_splits):
        config = ABConfig(
            n_days=3, treatment_share=0.5, conversion_delay_days=0.0, seed=number, salt=str(number)
        )
        for row in analyse(simulate(source, TRUTH, config), AnalysisConfig(metrics=metrics)):
            if (row["bucket_kind"], row["bucket"]) == ("item", COLD):
                low, high = row["relative_low"], row["relative_high"]
                if low is None or high is None or row["relative"] is None:
                    raise ValueError(
                        f"seed: expected an interval in every split, got none for {row['metric']}"
                    )
                found[row["metric"]].append(
                    (low <= truth[row["metric"]] <= high, low <= 0 <= high, row["relative"])
                )
    return [
        {"metric": metric, "planted": truth[metric]}
        | dict(zip(("holds it", "holds 0", "mean estimate"), np.mean(each, axis=0).tolist(), strict=True))
        for metric, each in found.items()
    ]


def planted_lift(source: CandidateFiles) -> dict[str, float]:
    """Metric -> expected relative lift of cold items, all treatment against all control, without chance."""
    cold = source.item_buckets.index(COLD)
    values = []
    for world in "ab":
        shown: list[np.ndarray] = []
        simulate(
            source,
            TRUTH,
            ABConfig(n_days=3),
            world=world,
            on_day=lambda day, one, into=shown: into.append(  # type: ignore[misc]
                np.column_stack(
                    [one.p_click, one.p_click * one.p_conversion, one.p_click * one.price, one.row >= 0]
                )[day.item_bucket[one.row] == cold].sum(axis=0)
            ),
        )
        clicks, conversions, revenue, impressions = np.sum(shown, axis=0)
        values.append((clicks / impressions, conversions / clicks, revenue))
    lifts = [treatment / control - 1 for control, treatment in zip(*values, strict=True)]
    return dict(zip(("CTR", "CVR", "revenue"), map(float, lifts), strict=True))


def budget_table(seed: int = 4) -> list[Row]:
    """The A/B estimate of revenue beside the launch effect, where one arm bids higher, by kind of budget."""
    frame = budget_world(seed)
    rows: list[Row] = []
    for budget in ("none", "shared", "split"):
        config = ABConfig(n_days=2, budget=budget, treatment_share=0.5)
        ab, a, b = (simulate(CandidateFiles(frame), TRUTH, config, world=world) for world in ("ab", "a", "b"))
        row = analyse(ab, AnalysisConfig(metrics=("revenue",)), launch=(a, b))[0]
        rows.append(
            {"budget": budget, "A/B estimate": row["relative"], "low": row["relative_low"]}
            | {"high": row["relative_high"], "launch": row["launch"], "gap in errors": gap_in_errors(row)}
        )
    return rows


def budget_world(seed: int = 4) -> pd.DataFrame:
    """Binding budgets, and a treatment with every pCVR x 1.6: its bids drain a shared budget first."""
    frame = small_world(
        noise=(0.5, 0.5),
        n_users=3000,
        n_days=2,
        n_requests_per_day=6000,
        n_candidates=6,
        budget=250.0,
        seed=seed,
    )
    frame["pcvr_a"] = frame["pcvr_b"] = frame["pcvr_a"] / 2
    frame["pcvr_b"] *= 1.6
    return frame
