"""Prediction tables whose right verdict is known: nothing is trained."""

import numpy as np
import pandas as pd

from learn_rank.pipeline.judged_arms import judge_arms
from learn_rank.report import Report

SCORES = ("pctr", "pcvr", "pctcvr")


def planted(
    arms,
    *,
    n_seeds=3,
    n_users=400,
    n_rows=20,
    seed_noise=0.02,
    seed=0,
):
    """Arm -> a table per seed; clicks and conversions follow a level of the user and a taste for the item.

    Args:
        arms: arm -> how much of (level, taste) its click scores know, and the same for its conversion scores.
        n_seeds: trainings; each adds its own mistake to what an arm knows of taste.
        n_users, n_rows: users, and rows of each.
        seed_noise: how far the trainings differ.
        seed: of the log.
    """
    generator = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), n_rows)
    level = np.repeat(generator.normal(0, 1.2, n_users), n_rows)
    taste, wish = generator.normal(0, 1.0, (2, len(user)))
    click = generator.random(len(user)) < _share(level + taste - 0.5)
    conversion = click & (generator.random(len(user)) < _share(wish - 0.3))
    buckets = np.array(["cold-start", "long-tail", "other"])
    common = pd.DataFrame(
        {
            "user_id": user,
            "item_id": np.tile(np.arange(n_rows), n_users),
            "click": click.astype(np.int8),
            "conversion": conversion.astype(np.int8),
            "user_bucket": buckets[user % 3],
            "item_bucket": buckets[np.tile(np.arange(n_rows), n_users) % 3],
        }
    )
    noise = generator.normal(0, 1.0, (2, len(user)))
    tables = {}
    for arm, (of_click, of_conversion) in arms.items():
        own = []
        for _ in range(n_seeds):
            off = generator.normal(0, seed_noise)
            pctr = _share(of_click[0] * level + (of_click[1] + off) * taste + 0.5 * noise[0])
            pcvr = _share((of_conversion + off) * wish + 0.5 * noise[1])
            own.append(common.assign(pctr=pctr, pcvr=pcvr, pctcvr=pctr * pcvr))
        tables[arm] = own
    return tables


def report_of(tables):
    """The report of planted tables, without a run."""
    rows, deltas, precision = judge_arms(tables)
    n_seeds = len(tables["baseline"])
    about = {"seeds": list(range(n_seeds)), "confidence": 0.95, "precision": [dict(row) for row in precision]}
    return Report([dict(row) for row in rows], [dict(row) for row in deltas], about)


def copied(tables, arm):
    """An arm with the scores of another."""
    return [table.copy() for table in tables[arm]]


def mixed_heads(clicks, conversions):
    """Tables whose click scores are one arm's and whose conversion scores another's."""
    return [
        one.assign(pcvr=two["pcvr"], pctcvr=one["pctr"] * two["pcvr"])
        for one, two in zip(clicks, conversions, strict=True)
    ]


def _share(logit):
    return 1 / (1 + np.exp(-logit))
