"""The paper's orderings, each held, refuted or open: paired differences of Recall@10 under both protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE

from learn_recall.comparison.judgement import ITEM_BUCKETS, Places, hits, inside, interval
from learn_recall.comparison.world import RecallWorld
from learn_recall.terminal.whole_table import WholeTable

PROTOCOLS = ("strict", "official")
K = 10


@dataclass(frozen=True)
class Ordering:
    """One claim: ``better`` is ahead of ``worse``, both of them names of models.

    Attributes:
        words: for people.
        better: name of a model.
        worse: name of a model.
        bucket: of `ITEM_BUCKETS`, the targets that the claim is about; None = all.
    """

    words: str
    better: str
    worse: str
    bucket: str | None = None


#: LEARN (AAAI 2025) claims those of towers, sampling, loss and text against ids; the others are ours to ask
ORDERINGS = (
    Ordering("item tower (a) > (b)", "tower_a", "tower_b"),
    Ordering("item tower (b) > (c)", "tower_b", "tower_c"),
    Ordering("item tower (c) > no alignment", "tower_c", "frozen_text"),
    Ordering("alignment from scratch > none", "tower_a", "frozen_text"),
    Ordering("weighted > uniform second stage", "tower_a", "random_sampling"),
    Ordering("weighted > no second stage", "tower_a", "no_sampling"),
    Ordering("all action > next item, same tower", "tower_a", "text_lm"),
    Ordering("text > ids", "text", "id"),
    Ordering("text > ids, targets with 1 to 5 events", "text", "id", "1-5"),
    Ordering("text > ids, targets without an event", "text", "id", "0"),
    Ordering("language model > random vectors", "text_lm", "random_input"),
    Ordering("language model > words", "text_lm", "words_input"),
    Ordering("both > language model alone", "text", "text_lm"),
    Ordering("text and ids > text", "learn", "text"),
    Ordering("text and ids > ids", "learn", "id"),
)


def judge_orderings(world: RecallWorld, places: Mapping[str, Sequence[Places]]) -> list[dict[str, Any]]:
    """Judge every ordering whose two models are there, and which two users or more can say something about.

    Args:
        world: what was asked.
        places: model -> `Places` of each seed.

    Returns:
        Rows with the words, n users and, by protocol, value, low and high (95 %, paired by user, of the means
        over seeds) and the verdict: "held" or "refuted" where the interval leaves out 0, else "open".
    """
    rows = []
    for ordering in ORDERINGS:
        if ordering.better not in places or ordering.worse not in places:
            continue
        is_asked_T = np.ones(len(world.targets), bool)
        if ordering.bucket is not None:
            is_asked_T = inside(world.train_counts[world.targets], *ITEM_BUCKETS[ordering.bucket])
        n_U = np.bincount(world.users[0], is_asked_T, minlength=len(world.users[1]))
        if (n_U > 0).sum() < 2:
            continue
        row: dict[str, Any] = {"words": ordering.words, "better": ordering.better, "worse": ordering.worse}
        row["n"] = int((n_U > 0).sum())
        for protocol in PROTOCOLS:
            difference_T = _found(places[ordering.better], protocol) - _found(
                places[ordering.worse], protocol
            )
            sum_U = np.bincount(world.users[0], difference_T * is_asked_T, minlength=len(n_U))
            row[protocol] = _verdict(sum_U[n_U > 0] / n_U[n_U > 0])
        rows.append(row)
    return rows


def ordering_table(rows: Sequence[Mapping[str, Any]]) -> WholeTable:
    """Show a row an ordering, in points of Recall@10.

    Args:
        rows: of `judge_orderings`.
    """
    table = WholeTable("claim", "users", *PROTOCOLS, box=SIMPLE, title="Orderings, points of R@10, 95 %")
    for row in rows:
        cells = [
            f"{row[name]['verdict']} {100 * row[name]['value']:+.2f} "
            f"[{100 * row[name]['low']:+.2f}, {100 * row[name]['high']:+.2f}]"
            for name in PROTOCOLS
        ]
        table.add_row(row["words"], str(row["n"]), *cells)
    return table


def _verdict(difference_U: np.ndarray) -> dict[str, Any]:
    low, high = interval(difference_U[None])
    verdict = "held" if low > 0 else "refuted" if high < 0 else "open"
    return {"value": float(difference_U.mean()), "low": low, "high": high, "verdict": verdict}


def _found(seeds: Sequence[Places], protocol: str) -> np.ndarray:
    """(T,) is a target in the list, mean over seeds."""
    if protocol == "strict":
        return np.asarray(np.mean([hits(places.filtered, K) for places in seeds], axis=0))
    return np.asarray(np.mean([places.unfiltered[0] < K for places in seeds], axis=0))


__all__ = ["ORDERINGS", "Ordering", "judge_orderings", "ordering_table"]
