"""What a model's scores are worth: strict and official protocol, history in and out, buckets, coverage.

U users, T targets, N items, K length of the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn_recall.comparison.world import RecallWorld
from learn_recall.files.whole_files import atomic_path
from learn_recall.towers.ranking import Ranks, rank_scores

KS = (5, 10, 20, 50, 100)
ITEM_BUCKETS = {"0": (0, 0), "1-5": (1, 5), "0-5": (0, 5), "6-20": (6, 20), "21+": (21, None)}
HISTORY_BUCKETS = {"1-3": (1, 3), "4-7": (4, 7), "8+": (8, None)}
RARE = "0-5"
DIAL = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
_OFFICIAL_BATCH = 1024
_TARGETS_AT_ONCE = 512
Scores = Callable[[slice], Tensor]


@dataclass(frozen=True)
class Places:
    """Of each target: how many items score higher and how many others the same; and the users' lists.

    Attributes:
        filtered: (2, T) int64, the history taken out of the ranking.
        unfiltered: (2, T) int64, the history left in.
        top: (U, 10) int64 items of the filtered list, -1 = none.
    """

    filtered: np.ndarray
    unfiltered: np.ndarray
    top: np.ndarray

    def save(self, path: Path) -> None:
        """Write atomically."""
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, filtered=self.filtered, unfiltered=self.unfiltered, top=self.top)

    @classmethod
    def load(cls, path: Path) -> Places:
        """Read back what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["filtered"], arrays["unfiltered"], arrays["top"])


def place_targets(world: RecallWorld, scores: Scores) -> Places:
    """Rank every target among all items.

    Args:
        world: the question.
        scores: gives (b, N) for a slice of the U users.
    """
    found = {name: _rank(world, scores, filters=name == "filtered") for name in ("filtered", "unfiltered")}
    n_places = {name: np.stack([ranks.n_higher, ranks.n_equal]) for name, ranks in found.items()}
    return Places(**n_places, top=found["filtered"].top[world.users[1]])


def hits(places: np.ndarray, k: int) -> np.ndarray:
    """Compute the expected hits in the first k, with ties in random order.

    Args:
        places: (2, T) int64, one of the two of `Places`.
        k: length of the list.

    Returns:
        (T,) float64.
    """
    n_higher, n_equal = places
    return np.clip(k - n_higher, 0, n_equal + 1) / (n_equal + 1)


def gains(places: np.ndarray, k: int) -> np.ndarray:
    """Compute the expected ``1 / log2(1 + place)`` within the first k, with ties in random order.

    Args:
        places: (2, T) int64, one of the two of `Places`.
        k: length of the list.

    Returns:
        (T,) float64.
    """
    n_higher, n_equal = places
    gain = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))])
    first, last = np.minimum(n_higher, k), np.minimum(n_higher + n_equal + 1, k)
    return (gain[last] - gain[first]) / (n_equal + 1)


def user_values(world: RecallWorld, places: np.ndarray) -> dict[str, np.ndarray]:
    """Compute each user's metrics.

    Args:
        world: the question.
        places: (2, T) int64, one of the two of `Places`.

    Returns:
        name -> (U,): R@k, N@k (mean over the user's targets) and, with several targets, H@k (any found).
    """
    _, first = world.users
    n_targets = np.diff(np.r_[first, len(world.targets)])
    values = {}
    for k in KS:
        hit = hits(places, k)
        values[f"R@{k}"] = np.add.reduceat(hit, first) / n_targets
        values[f"N@{k}"] = np.add.reduceat(gains(places, k), first) / n_targets
        if (n_targets > 1).any():
            values[f"H@{k}"] = 1 - np.multiply.reduceat(1 - hit, first)
    return values


def official(places: np.ndarray) -> dict[str, float]:
    """Count as the released LEARN code does: history left in, a tie is a hit, mean of the batches' means.

    Args:
        places: (2, T) int64, unfiltered.
    """
    found = {}
    for k in (10, 50):
        place = places[0]
        hit = (place < k).astype(float)
        gain = np.where(place < k, 1 / np.log2(place + 2), 0.0)
        for name, values in ((f"R@{k}", hit), (f"N@{k}", gain)):
            batches = [values[s : s + _OFFICIAL_BATCH].mean() for s in range(0, len(values), _OFFICIAL_BATCH)]
            found[name] = float(np.mean(batches))
    return found


def judge_towers(world: RecallWorld, places: Places) -> dict[str, Any]:
    """Collect all figures of one model and seed, as JSON.

    Args:
        world: the question.
        places: of its targets.
    """
    strict = {
        history: {name: float(v.mean()) for name, v in user_values(world, getattr(places, history)).items()}
        for history in ("filtered", "unfiltered")
    }
    count_T = world.train_counts[world.targets]
    length_T = (world.histories >= 0).sum(1)[world.users[0]]
    buckets: dict[str, Any] = {}
    for kind, names, values in (
        ("item_count", ITEM_BUCKETS, count_T),
        ("history_length", HISTORY_BUCKETS, length_T),
    ):
        buckets[kind] = {name: _bucket(places, inside(values, *limits)) for name, limits in names.items()}
    share = world.train_counts / max(world.train_counts.sum(), 1)
    shown = places.top[places.top >= 0]
    return {
        "strict": strict,
        "official": official(places.unfiltered),
        "buckets": buckets,
        "coverage@10": len(np.unique(shown)) / len(world.items),
        "popularity@10": float(share[shown].mean() * len(world.items)),
    }


def dial(world: RecallWorld, scores: Scores) -> list[dict[str, float | None]]:
    """Trace the head/tail curve: score - a log(training events + 1), a in deviations of a user's scores.

    Args:
        world: the question.
        scores: gives (b, N) for a slice of the U users.

    Returns:
        For each a of `DIAL`: a, R@10 and R@10 on rare targets, history taken out.
    """
    log_count_N = torch.from_numpy(np.log1p(world.train_counts)).float()
    sample = scores(slice(0, min(256, len(world.users[1])))).float()
    unit = float(sample.std(dim=1).mean())
    n_targets = len(world.targets)
    hit_AT = np.zeros((len(DIAL), n_targets))
    of_targets = _by_target(world, scores)
    for start in range(0, n_targets, _TARGETS_AT_ONCE):
        part = slice(start, min(start + _TARGETS_AT_ONCE, n_targets))
        chunk = of_targets(part)  # once for all strengths
        for place, strength in enumerate(DIAL):
            shift_N = strength * unit * log_count_N
            ranks = rank_scores(
                _constant(chunk, shift_N),
                world.targets[part],
                len(world.items),
                exclude=_constant(world.histories[world.users[0][part]]),
                k=0,
            )
            hit_AT[place, part] = ranks.recall(10)
    is_rare = inside(world.train_counts[world.targets], *ITEM_BUCKETS[RARE])
    return [
        {
            "a": strength,
            "R@10": float(hit_T.mean()),
            "rare R@10": float(hit_T[is_rare].mean()) if is_rare.any() else None,
        }
        for strength, hit_T in zip(DIAL, hit_AT, strict=True)
    ]


def interval(values_SU: np.ndarray) -> tuple[float, float]:
    """Give the 95 % interval of a mean over users, of the users' means over seeds.

    Args:
        values_SU: (S, U) float64.

    Returns:
        Its low and its high end.
    """
    mean_U = values_SU.mean(axis=0)
    half = 1.96 * mean_U.std(ddof=1) / np.sqrt(len(mean_U)) if len(mean_U) > 1 else np.inf
    return float(mean_U.mean() - half), float(mean_U.mean() + half)


def _rank(world: RecallWorld, scores: Scores, *, filters: bool) -> Ranks:
    """Rank all targets, given scores by user."""
    user = world.users[0]
    exclude = (lambda part: world.histories[user[part]]) if filters else None
    return rank_scores(_by_target(world, scores), world.targets, len(world.items), exclude=exclude)


def _by_target(world: RecallWorld, scores: Scores) -> Scores:
    """Scores of a slice of the targets, from those of a slice of the users."""
    user = world.users[0]

    def of_targets(part: slice) -> Tensor:
        members = user[part]
        chunk = scores(slice(int(members[0]), int(members[-1]) + 1))
        return chunk if len(members) == len(chunk) else chunk[torch.from_numpy(members - members[0])]

    return of_targets


def _constant(chunk: Any, shift: Tensor | None = None) -> Callable[[slice], Any]:
    """Rows of what lies in memory, less a shift."""
    return lambda part: chunk[part] if shift is None else chunk[part] - shift


def _bucket(places: Places, is_inside: np.ndarray) -> dict[str, Any]:
    n = int(is_inside.sum())
    found: dict[str, Any] = {"n": n}
    for name, of in (("R@10", hits), ("N@10", gains)):
        found[name] = float(of(places.filtered, 10)[is_inside].mean()) if n else None
    return found


def inside(values: np.ndarray, low: int, high: int | None) -> np.ndarray:
    """Tell which values lie in a bucket of `ITEM_BUCKETS` or `HISTORY_BUCKETS`.

    Args:
        values: (T,) counts.
        low: the least that is inside.
        high: the most that is inside; None = no upper end.
    """
    return (values >= low) & (values <= (np.inf if high is None else high))


__all__ = [
    "ITEM_BUCKETS",
    "Places",
    "Scores",
    "dial",
    "gains",
    "hits",
    "inside",
    "interval",
    "judge_towers",
    "official",
    "place_targets",
    "user_values",
]
