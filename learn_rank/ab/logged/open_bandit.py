"""The Open Bandit Dataset: real clicks logged by two policies, each estimated from the other's log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_rank.ab.logged.decisions import LoggedBandit, Policy
from learn_rank.ab.logged.estimators import HEADLINE, OffPolicyConfig, estimate

__all__ = ["BanditLog", "cross_check", "read_open_bandit"]

BEHAVIOURS = ("random", "bts")
_COLUMNS = ("item_id", "position", "click", "propensity_score")
_USER = "user_feature_"


@dataclass(frozen=True, eq=False)
class BanditLog:
    """One policy's log.

    Attributes:
        behaviour: the policy that logged.
        log: users, propensities and clicks. The data hold no user id: a user is a combination of the hashed
            user features, which puts several people into one cluster.
        item: (N,) item ids.
        position: (N,) place on the page.
    """

    behaviour: str
    log: LoggedBandit
    item: np.ndarray
    position: np.ndarray

    def frequencies(self) -> pd.Series:
        """Share of each item at each position, indexed by (position, item).

        The policy's action probabilities, averaged over the log's time and users. The mean logged propensity
        of an item is not that: rows where the item was likely are more often logged, and such means add up
        to more than 1.
        """
        index = pd.MultiIndex.from_arrays([self.position, self.item], names=["position", "item"])
        counts = pd.Series(1.0, index=index).groupby(level=["position", "item"]).sum()
        return counts / counts.groupby(level="position").transform("sum")


def read_open_bandit(folder: str | Path, behaviour: str, campaign: str = "men") -> BanditLog:
    """Read ``{behaviour}_{campaign}.csv`` or ``.csv.gz``.

    Args:
        folder: where the files lie.
        behaviour: "random" (uniform over items) or "bts" (Bernoulli Thompson sampling).
        campaign: e.g. "men".

    Raises:
        FileNotFoundError: no such file.
        ValueError: an unknown behaviour, missing columns, a propensity outside (0, 1].

    Source: Saito et al., "Open Bandit Dataset and Pipeline" (NeurIPS 2021, data sets and benchmarks).
    """
    if behaviour not in BEHAVIOURS:
        raise ValueError(f"behaviour: expected one of {', '.join(BEHAVIOURS)}, got {behaviour!r}.")
    names = [f"{behaviour}_{campaign}.csv.gz", f"{behaviour}_{campaign}.csv"]
    path = next((Path(folder) / name for name in names if (Path(folder) / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"folder: expected {names[0]} or {names[1]} in {folder}, got neither.")
    table = pd.read_csv(path)
    missing = [name for name in _COLUMNS if name not in table]
    features = [str(name) for name in table if str(name).startswith(_USER)]
    if missing or not features:
        raise ValueError(
            f"{path.name}: expected the columns {', '.join(_COLUMNS)} and {_USER}*, got none of "
            f"{', '.join(missing) if missing else _USER + '*'}. Remedy: take the file as published."
        )
    users = pd.util.hash_pandas_object(table[features].fillna(""), index=False).to_numpy()
    log = LoggedBandit(
        users, table["propensity_score"].to_numpy(np.float64), table["click"].to_numpy(np.float64)
    )
    return BanditLog(behaviour, log, table["item_id"].to_numpy(), table["position"].to_numpy())


def cross_check(
    folder: str | Path, campaign: str = "men", config: OffPolicyConfig | None = None
) -> list[dict[str, Any]]:
    """Each policy's click rate from the other policy's log, beside what its own log says.

    Definition: the uniform policy gives every item of a position the same chance; the bts policy is taken as
    `BanditLog.frequencies` of its own log, its average over the week, since it changes with every update.

    Args:
        folder: where the files lie.
        campaign: e.g. "men".
        config: default ``OffPolicyConfig()``.

    Returns:
        The rows of `estimate`, with ``logged_by``, ``own`` (mean of the policy's own log) with ``own_low``
        and ``own_high`` (clustered by user), and ``is_inside``: whether own lies in low .. high.
    """
    chosen = OffPolicyConfig() if config is None else config
    logs = {name: read_open_bandit(folder, name, campaign) for name in BEHAVIOURS}
    rows = []
    for behaviour, target in (("bts", "random"), ("random", "bts")):
        source, other = logs[behaviour], logs[target]
        rewards = other.log.reward
        own = estimate(other.log, [Policy(target, other.log.propensity)], chosen)[0]
        index = pd.MultiIndex.from_arrays([source.position, source.item])
        if target == "random":
            n_items = len(np.unique(np.concatenate([source.item, other.item])))
            chances = np.full(source.item.size, 1 / n_items)
        else:
            chances = other.frequencies().reindex(index).fillna(0.0).to_numpy()
        for row in estimate(source.log, [Policy(target, chances)], chosen):
            is_inside = None if row["low"] is None else bool(row["low"] <= own["value"] <= row["high"])
            rows.append(
                row
                | {"logged_by": behaviour, "own": float(rewards.mean()), "own_low": own["low"]}
                | {
                    "own_high": own["high"],
                    "is_inside": is_inside,
                    "is_headline": row["estimator"] == HEADLINE,
                }
            )
    return rows
