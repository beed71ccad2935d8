"""A team's own log of decisions as a parquet file: one row per logged action, with its chances."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_rank.ab.logged.decisions import LoggedBandit, Policy, evidence_mode
from learn_rank.ab.words import ARM_WORDS

__all__ = ["DecisionLog", "read_decision_log"]

USER, PROPENSITY, MODEL_LOGGED = "user_id", "propensity", "model_logged"
TARGETS = {"a": "p_a", "b": "p_b"}
MODEL_VALUES = {"a": "model_value_a", "b": "model_value_b"}


@dataclass(frozen=True, eq=False)
class DecisionLog:
    """What a log can be used for.

    Attributes:
        mode: "R" with propensities, "D" without.
        why: the sentence that says why it is this mode.
        bandit: users, propensities, rewards; None in mode D.
        policies: control and treatment as the log sees them; empty in mode D.
        counts: rows, users, mean reward, and how often each arm would have acted as logged.
    """

    mode: str
    why: str
    bandit: LoggedBandit | None
    policies: tuple[Policy, ...]
    counts: dict[str, float | int]


def read_decision_log(path: str | os.PathLike[str], reward: str = "click") -> DecisionLog:
    """Read a log and say what kind of evidence it can give.

    Columns: user_id (integers or strings); the reward; propensity, the chance in (0, 1] with which the logged
    action was taken; p_a and p_b, the chance in 0 .. 1 with which control and treatment would take that same
    action. Optional, for the doubly robust estimate: model_logged, a model's expected reward of the logged
    action, with model_value_a and model_value_b, its expected reward under each arm.

    Args:
        path: a parquet file or a folder of them.
        reward: name of the column that is averaged, e.g. click, conversion, revenue.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no rows, missing columns, values missing, propensities outside (0, 1], chances outside
            0 .. 1.
    """
    table = _read(path)
    _require(table, [USER, reward])
    if table.num_rows == 0:
        raise ValueError(f"{path}: expected rows, got none. Remedy: log some decisions.")
    if table.column(USER).null_count:
        raise ValueError(
            f"{USER}: expected an id in every row, got {table.column(USER).null_count} missing. "
            "Remedy: drop these rows; intervals are over users."
        )
    rewards, user = _numbers(table, reward), table.column(USER).to_pandas().to_numpy()
    counts: dict[str, float | int] = {
        "rows": table.num_rows,
        "users": len(set(user.tolist())),
        f"mean_{reward}": float(rewards.mean()),
    }
    given = table.column(PROPENSITY).to_pandas().to_numpy() if PROPENSITY in table.column_names else None
    mode, why = evidence_mode(given)
    if mode == "D":
        for arm, name in TARGETS.items():
            if name in table.column_names:
                counts[f"mean_chance_of_the_logged_action_{ARM_WORDS[arm]}"] = float(
                    _numbers(table, name).mean()
                )
        return DecisionLog(mode, why, None, (), counts)
    _require(table, list(TARGETS.values()))
    bandit = LoggedBandit(user, _numbers(table, PROPENSITY), rewards)
    return DecisionLog(mode, why, bandit, tuple(_policy(table, arm) for arm in TARGETS), counts)


def _policy(table: pa.Table, arm: str) -> Policy:
    has_model = {MODEL_LOGGED, MODEL_VALUES[arm]} <= set(table.column_names)
    return Policy(
        ARM_WORDS[arm],
        _numbers(table, TARGETS[arm]),
        _numbers(table, MODEL_LOGGED) if has_model else None,
        _numbers(table, MODEL_VALUES[arm]) if has_model else None,
    )


def _read(path: str | os.PathLike[str]) -> pa.Table:
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: expected a parquet file, found no such file.")
    try:
        return pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: expected a parquet file, got {error}. Remedy: write parquet.") from error


def _require(table: pa.Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(
            f"log: expected the columns {', '.join(missing)}, got {', '.join(table.column_names)}. "
            "Remedy: add them; docs/ab.md says what they hold."
        )


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    try:
        values = table.column(name).cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{name}: expected numbers, got {table.column(name).type}.") from error
    n_missing = int(np.isnan(values).sum())
    if n_missing:
        raise ValueError(
            f"{name}: expected a number in every row, got {n_missing} missing. Remedy: fill or drop them."
        )
    return values
