"""What an engine has counted, as the evidence of the house's intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from learn_rank.evaluation.on_engine.won_pairs import N_POSITIVES, N_ROWS, TWICE_MET, TWICE_WON, USER
from learn_rank.metrics.base import AdditiveMetric, Metric, UserSums
from learn_rank.metrics.grouped_auc import PerUserAUC
from learn_rank.metrics.pooled_auc import ScoreRun
from learn_rank.uncertainty.scored_rows import Scored
from learn_recall.tables.parquet_files import from_arrow
from learn_recall.tables.rules import Rules


@dataclass(frozen=True, eq=False)
class EngineScores(Scored):
    """One model's scores of the rows of one bucket. Make it with `EngineScores.of`.

    Attributes:
        users: statistics by user.
        won: (U,) won pairs of all rows with a row of the user on either side, ties half.
    """

    users: PerUserAUC
    won: np.ndarray

    @classmethod
    def of(cls, counts: pa.Table, summed: dict[str, str]) -> EngineScores:
        """Read the result of `won_pairs` for one bucket.

        Args:
            counts: one row for each user, in any order.
            summed: column of a metric's settings -> its name in `counts`.
        """
        ids = counts[USER].combine_chunks()
        plain = from_arrow(pa.chunked_array([ids]), USER, Rules(further_ids=(USER,)))
        order = np.asarray(pc.sort_indices(pa.array(plain)))
        found = {name: _numbers(counts[name])[order] for name in (N_ROWS, N_POSITIVES, TWICE_WON, TWICE_MET)}
        n_rows, n_positives = found[N_ROWS], found[N_POSITIVES]
        pairs = n_positives * (n_rows - n_positives)
        auc = np.divide(found[TWICE_WON], 2 * pairs, out=np.full(pairs.size, np.nan), where=pairs > 0)
        sums = {name: _numbers(counts[given])[order].astype(np.float64) for name, given in summed.items()}
        weights = n_rows.astype(np.float64), n_positives.astype(np.float64)
        users = PerUserAUC(plain.to_numpy()[order], auc, n_rows, n_positives, *weights, sums)
        return cls(users, found[TWICE_MET] / 2)

    def per_user(self, metrics: Sequence[Metric]) -> PerUserAUC:
        """See `Scored.per_user`."""
        return self.users

    def won_by_user(self, n_users: int, all_positive: float) -> np.ndarray:
        """See `Scored.won_by_user`: the engine has counted them."""
        return self.won

    def user_sums(self, metric: AdditiveMetric) -> UserSums:
        """Refused: an engine counts pairs, and sums of anything else hang on the order of its workers."""
        raise self._error(str(metric))

    def in_score_order(self) -> Iterator[ScoreRun]:
        """Refused: the rows stay where they are."""
        raise self._error("resampling")

    def _error(self, what: str) -> ValueError:
        return ValueError(
            f"metrics: expected AUC, UAUC or WUAUC with intervals in closed form on an engine, got {what}. "
            "Remedy: judge the files in memory"
        )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.int64()).to_numpy()
