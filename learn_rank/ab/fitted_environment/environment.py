"""An environment fitted on a team's own log: boosted trees for clicks and conversions, behind a gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from learn_rank.ab.fitted_environment.features import FeatureCodes
from learn_rank.ab.fitted_environment.gate import GateRow, gate_guard
from learn_rank.ab.fitted_environment.log import check_no_overlap
from learn_rank.ab.fitted_environment.trees import TreeData, Trees, fit_trees
from learn_rank.ab.statistics.guards import Guard

if TYPE_CHECKING:
    from learn_rank.ab.candidates.day import CandidateDay

__all__ = ["FAMILY", "FittedEnvironment", "check_families"]

FAMILY = "trees"


@dataclass(frozen=True, eq=False)
class FittedEnvironment:
    """Clicks and conversions as a log's users would have given them; made by `fit_environment`.

    Attributes:
        codes: how the candidates' columns become numbers.
        trees: the fitted models.
        data: what they were fitted on, for refits.
        gate: observed over expected on held-out days.
        card: everything else that is known of it.
        hashes: of the log's rows.
    """

    codes: FeatureCodes
    trees: Trees
    data: TreeData = field(repr=False)
    gate: tuple[GateRow, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)

    @property
    def name(self) -> str:
        """As printed in the report."""
        return f"boosted trees fitted on {self.card.get('n_rows', 0):,} impressions"

    @property
    def needs(self) -> tuple[str, ...]:
        """The features that it was fitted on."""
        return self.codes.names

    @property
    def guard(self) -> Guard:
        """The gate as one line of a report."""
        return gate_guard(self.gate)

    def click_probability(self, day: CandidateDay, rows: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """p(click | features, slot); never higher further down the page."""
        return self.trees.click(self.codes.matrix(self._taken(day, rows), slots))

    def conversion_probability(self, day: CandidateDay, rows: np.ndarray) -> np.ndarray:
        """p(conversion | click, features), alike in every slot."""
        return self.trees.conversion(self.codes.matrix(self._taken(day, rows), np.zeros(len(rows))))

    def replicas(self, n: int) -> list[FittedEnvironment]:
        """The environments that other users of the same kind would have given: refits on resampled users.

        Args:
            n: how many, >= 0.
        """
        return [
            FittedEnvironment(
                self.codes, fit_trees(self.data, seed), self.data, self.gate, self.card, self.hashes
            )
            for seed in range(1, n + 1)
        ]

    def check_arms(
        self, *, families: Sequence[str] = (), training: Sequence[str | Path | pd.DataFrame] = ()
    ) -> None:
        """Refuse arms that would be judged by themselves.

        Args:
            families: model families of the arms, e.g. "nets".
            training: tables that they were trained on, with user_id, item_id and timestamp.

        Raises:
            ValueError: an arm is of trees too, or learned from rows of the log.
        """
        check_families(families)
        check_no_overlap(self.hashes, training)

    def _taken(self, day: CandidateDay, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: day.columns[name][rows] for name in self.needs}


def check_families(families: Sequence[str]) -> None:
    """Refuse arms of the environment's own kind.

    Raises:
        ValueError: one of the arms is of trees.
    """
    if FAMILY in families:
        raise ValueError(
            f"--family: expected arms of another model family than the environment's {FAMILY!r}, got "
            f"{list(families)}. Remedy: such an arm shares the environment's mistakes and would be "
            "rewarded for them; use a log with propensities (mode R) instead."
        )
