"""Evaluation of trained towers: full ranking, strict ties, history filtered and not, means over samples."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from learn_recall.columns import ITEM_ID, USER_ID
from learn_recall.store import EmbeddingStore
from learn_recall.store.ids import as_id_array
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.inference import item_vectors, user_vectors
from learn_recall.towers.ranking import Ranks, rank_targets
from learn_recall.train.sequences import Sequences, build_sequences, gather_padded, last_events

BUCKETS = ((0, 0), (1, 5), (6, 20), (21, None))


@dataclass(frozen=True)
class RecallReport:
    """Result rows and what was left out.

    rows: dictionaries with metric ("recall@10", "ndcg@10", "coverage@10", ..), history ("filtered" or
    "unfiltered"), bucket ("all" or training events of the target, such as "1-5"), value (None without a
    target), n (targets).
    n_targets: ranked. n_unknown_item, n_without_history: targets that could not be ranked; they are in no
    mean.
    """

    rows: list[dict[str, Any]]
    n_targets: int
    n_unknown_item: int
    n_without_history: int

    def value(self, metric: str, *, history: str = "filtered", bucket: str = "all") -> float | None:
        """One number, for instance ``report.value("recall@10", history="unfiltered")``.

        Raises:
            KeyError: a row that is not there.
        """
        for row in self.rows:
            if (row["metric"], row["history"], row["bucket"]) == (metric, history, bucket):
                return row["value"]
        raise KeyError(
            f"{metric}, {history}, {bucket}: no such row; metrics: {sorted({r['metric'] for r in self.rows})}"
        )


def evaluate_towers(
    checkpoint: str | os.PathLike[str],
    content: EmbeddingStore,
    interactions: pd.DataFrame,
    targets: pd.DataFrame,
    *,
    ks: tuple[int, ...] = (10, 50, 100),
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> RecallReport:
    """Rank every item of the store for each target's user, given that user's interactions.

    Recall@k of a target is 1 if it stands among the first k, NDCG@k is 1 / log2(1 + its place); both are
    means over targets. Ties are strict: a target that ties with others gets the mean over all orders of the
    tie. Both protocols
    are reported: with the user's history taken out of the ranking (most published tables) and with it left
    in (the released LEARN code); a table that mixes them means nothing.

    Args:
        checkpoint: folder from `train_towers`.
        content: every item to rank, with its vector; made as the training's was.
        interactions: the users' histories: user_id, item_id, timestamp or position.
        targets: user_id, item_id; several rows per user are several targets.
        ks: lengths of the list.
        device: where to compute.
        progress: show how far it is.

    Returns:
        `RecallReport` with recall and ndcg per k, bucket and protocol, and coverage@10: the share of the
        catalogue that stands in somebody's first ten.

    Raises:
        StoreError: a store made by another encoder.
        ValueError: missing columns or no target to rank.
    """
    trained = load_checkpoint(checkpoint, device)
    trained.check_content(content)
    missing = [name for name in (USER_ID, ITEM_ID) if name not in targets]
    if missing:
        raise ValueError(f"targets: expected a column {missing[0]!r}; got {list(targets.columns)}")
    if not ks or min(ks) < 1:
        raise ValueError(f"ks: expected numbers of at least 1; got {ks}")
    sequences = build_sequences(interactions, content)
    row = content.positions(targets[ITEM_ID].to_numpy())
    is_known = (row >= 0) & content.present[row]
    user = _user_index(sequences, as_id_array(targets[USER_ID], name=USER_ID))
    has_history = (user >= 0) & (sequences.lengths[user] > 0)
    is_ranked = is_known & has_history
    if not is_ranked.any():
        raise ValueError(
            f"targets: expected items of the content store and users with interactions; got {len(targets)} "
            "targets, "
            f"{int((~is_known).sum())} with an unknown item, {int((~has_history).sum())} without a history"
        )
    user, row = user[is_ranked], row[is_ranked]

    catalogue = np.flatnonzero(content.present)
    place = np.where(content.present, np.cumsum(content.present) - 1, -1)
    known = trained.known_rows(content.ids)[catalogue]
    table = ContentTable(content, trained.towers.whitening, device)
    item_ND, embedded_NH = item_vectors(trained.towers, table, catalogue, known)
    distinct_user, which = np.unique(user, return_inverse=True)
    limit = trained.config.sampling.history_length
    recent = _placed(last_events(sequences, distinct_user, limit), place)
    user_VD = user_vectors(trained.towers, embedded_NH, recent)[torch.from_numpy(which).to(item_ND.device)]
    count = trained.counts(content.ids[row])
    rows: list[dict[str, Any]] = []
    for protocol in ("filtered", "unfiltered"):
        exclude = _histories(sequences, user, place) if protocol == "filtered" else None
        name = f"rank, history {protocol}" if progress else ""
        ranks = rank_targets(user_VD, item_ND, place[row], exclude=exclude, progress=name)
        rows += _metric_rows(ranks, count, ks, protocol)
        covered = np.unique(ranks.top[ranks.top >= 0])
        rows.append(_row("coverage@10", protocol, "all", len(covered) / len(catalogue), len(row)))
    return RecallReport(rows, len(row), int((~is_known).sum()), int((is_known & ~has_history).sum()))


def _metric_rows(ranks: Ranks, count: np.ndarray, ks: tuple[int, ...], protocol: str) -> list[dict[str, Any]]:
    members = {"all": np.ones(len(count), dtype=bool)}
    for low, high in BUCKETS:
        name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
        members[name] = (count >= low) & (count <= (np.inf if high is None else high))
    rows = []
    for k in ks:
        for metric, values in ((f"recall@{k}", ranks.recall(k)), (f"ndcg@{k}", ranks.ndcg(k))):
            for bucket, is_member in members.items():
                n = int(is_member.sum())
                rows.append(_row(metric, protocol, bucket, float(values[is_member].mean()) if n else None, n))
    return rows


def _row(metric: str, history: str, bucket: str, value: float | None, n: int) -> dict[str, Any]:
    return {"metric": metric, "history": history, "bucket": bucket, "value": value, "n": n}


def _user_index(sequences: Sequences, ids: np.ndarray) -> np.ndarray:
    """Index of each user id among the sequences' users, -1 = no interactions."""
    return pd.Index(sequences.user_ids).get_indexer(pd.Index(ids))


def _histories(sequences: Sequences, user: np.ndarray, place: np.ndarray) -> Callable[[slice], np.ndarray]:
    def of(part: slice) -> np.ndarray:
        start, length = sequences.offsets[user[part]], sequences.lengths[user[part]]
        return _placed(gather_padded(sequences.rows, start, length), place)

    return of


def _placed(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Store rows, -1 = padding, as rows of the catalogue."""
    return np.where(rows >= 0, place[np.maximum(rows, 0)], -1)
