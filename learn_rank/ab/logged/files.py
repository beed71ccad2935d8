"""A team's own log of decisions: one row per logged action, with its chances; read as every table is."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.ab.logged.decisions import LoggedBandit, Policy, evidence_mode
from learn_rank.ab.words import ARM_WORDS
from learn_recall.store.ids import as_id_array
from learn_recall.tables.column_checks import TableCheck
from learn_recall.tables.read import read_table

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
        path: a .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz file, or a folder of parquet parts.
        reward: name of the column that is averaged, e.g. click, conversion, revenue.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: everything that is wrong with the file and its columns.
        ValueError: propensities outside (0, 1], chances outside 0 .. 1.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: expected a log of decisions, found no such file.")
    rows = read_table(path)
    log = _Columns(rows, os.fspath(path))
    user, rewards = log.ids(USER), log.numbers(reward, "a finite number in each row")
    given = log.numbers(PROPENSITY, "a chance in (0, 1]", may_lack=True) if PROPENSITY in rows else None
    log.raise_if_wrong()
    counts: dict[str, float | int] = {
        "rows": len(rows),
        "users": len(set(user.tolist())),
        f"mean_{reward}": float(rewards.mean()),
    }
    mode, why = evidence_mode(given)
    if mode == "D" or given is None:
        chances = {arm: log.chances(name) for arm, name in TARGETS.items() if name in rows}
        log.raise_if_wrong()
        for arm, values in chances.items():
            counts[f"mean_chance_of_the_logged_action_{ARM_WORDS[arm]}"] = float(values.mean())
        return DecisionLog(mode, why, None, (), counts)
    parts = [_parts(log, arm) for arm in TARGETS]
    log.raise_if_wrong()
    policies = tuple(Policy(ARM_WORDS[arm], *part) for arm, part in zip(TARGETS, parts, strict=True))
    return DecisionLog(mode, why, LoggedBandit(user, given, rewards), policies, counts)


def _parts(log: _Columns, arm: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    has_model = {MODEL_LOGGED, MODEL_VALUES[arm]} <= set(log.rows)
    expected = "a model's expected reward in each row"
    return (
        log.chances(TARGETS[arm]),
        log.numbers(MODEL_LOGGED, expected) if has_model else None,
        log.numbers(MODEL_VALUES[arm], expected) if has_model else None,
    )


class _Columns:
    """Columns of a log as arrays; their problems are gathered and told together."""

    def __init__(self, rows: pd.DataFrame, name: str) -> None:
        self.rows = rows
        self._check = TableCheck(rows, name)

    def ids(self, name: str) -> np.ndarray:
        """(N,) ids, or none where they are wrong."""
        found = self._check.ids(name)
        is_whole = found is not None and found.notna().all()
        return as_id_array(found, name=name) if is_whole else np.empty(0, np.int64)

    def chances(self, name: str) -> np.ndarray:
        """(N,) chances."""
        return self.numbers(name, "a chance from 0 to 1 in each row")

    def numbers(self, name: str, expected: str, *, may_lack: bool = False) -> np.ndarray:
        """(N,) float64; NaN is a problem unless it may lack."""
        if not self._check.has(name, expected):
            return np.empty(0)
        found = self._check.numbers(name, expected)
        remedy = "fill these rows, or drop them and say so"
        if not may_lack:
            self._check.wrong_rows(name, self.rows[name].isna(), expected, remedy)
        self._check.wrong_rows(name, np.isinf(found), expected, remedy)
        return found

    def raise_if_wrong(self) -> None:
        """Tell every problem so far."""
        self._check.report().raise_if_wrong()


__all__ = ["DecisionLog", "read_decision_log"]
