"""EASE: which items go together, by a ridge regression of items on items, new items by their text.

The towers hand on what fits into one vector an item. Which pairs of items go together fills a matrix of full
rank, and a ridge regression of every item on all others finds it in closed form. What it says of a row are
the weights between the user's items and the target, summed up: for the target itself, and for its nearest
known items by text, which is all that a new item has. `learn_rank.data.ease_rows` makes them for a dataset,
`learn_rank.data.ease_features` for a request.

Source: EASE (Steck, WWW 2019, arXiv 1905.03375), equation 8; neighbours by text are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import linalg, sparse

N_RAW = 8  # columns of `Ease.features`
_ROWS = 8192  # rows at a time: the weights of one chunk's histories are (rows, history) floats


@dataclass(frozen=True)
class EaseConfig:
    """How the regression is fitted.

    Attributes:
        ridge: added to the diagonal of the items' co-occurrence counts (lambda of the paper).
        min_events: an item with fewer interactions is not regressed, only its neighbours by text are.
        max_items: of the most frequent items, at most that many are regressed: time grows with the cube and
            memory with the square (20,000 items: 1.6 GB, several times while it is fitted).
        n_neighbours: nearest known items by text, whose weights are averaged.
        sharpness: of that average, softmax(sharpness x cosine).
        n_folds: of the cross-fit; a training row is scored by a regression without its fold's clicks.
        history_length: most recent items of a context that are summed.
        seed: of the folds.
    """

    ridge: float = 100.0
    min_events: int = 3
    max_items: int = 20_000
    n_neighbours: int = 20
    sharpness: float = 10.0
    n_folds: int = 5
    history_length: int = 80
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("min_events", "max_items", "n_neighbours", "history_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}.")
        if self.n_folds < 2:
            raise ValueError(
                f"n_folds: expected at least 2, got {self.n_folds}; one fold would hold out all."
            )
        if not self.ridge > 0:
            raise ValueError(f"ridge: expected more than 0, got {self.ridge}.")


def ease_weights(users: np.ndarray, items: np.ndarray, n_items: int, ridge: float) -> np.ndarray:
    """The regression's weights.

    Args:
        users, items: (n,) codes of the interactions, users from 0, items in [0, n_items); repeated pairs
            count once.
        n_items: N. ridge: lambda.

    Returns:
        (N, N) float32; [j, i] is the weight of item j in the score of item i, 0 on the diagonal.
    """
    n_users = int(users.max()) + 1 if len(users) else 1
    met = sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), (n_users, n_items))
    met.data[:] = 1.0  # duplicates were summed
    gram = (met.T @ met).toarray().astype(np.float64)
    gram[np.diag_indices(n_items)] += ridge
    inverse = linalg.cho_solve(linalg.cho_factor(gram, overwrite_a=True), np.eye(n_items), overwrite_b=True)
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices(n_items)] = 0.0
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Ease:
    """A fitted regression over a catalogue.

    Attributes:
        item_ids: (N,) of the catalogue.
        place: (N,) the item's place in ``weights``, -1 where it is not regressed.
        weights: (n, n) of `ease_weights`.
        near_place: (N, K) places of the nearest known items by text, the item itself left out.
        near_share: (N, K) of each in their average; sums to 1, or to 0 for an item without text.
    """

    item_ids: np.ndarray
    place: np.ndarray
    weights: np.ndarray
    near_place: np.ndarray
    near_share: np.ndarray

    def features(self, history: np.ndarray, item: np.ndarray) -> np.ndarray:
        """What the regression says of rows.

        Args:
            history: (B, H) rows of ``item_ids``, -1 = none.
            item: (B,) likewise, -1 = not in the catalogue.

        Returns:
            (B, 8) float32 of the weights between the history's items and the item: their sum, the largest,
            the two largest and the smallest; whether the item is regressed; then sum, largest and two
            largest for its neighbours.
        """
        found = []
        for start in range(0, len(item), _ROWS):
            of_history, of_item = history[start : start + _ROWS], item[start : start + _ROWS]
            from_BH = np.where(of_history >= 0, self.place[of_history], -1)
            has_BH = from_BH >= 0
            to_B = np.where(of_item >= 0, self.place[of_item], -1)
            known_B1 = (to_B >= 0)[:, None]
            from_BH = np.maximum(from_BH, 0)
            own_BH = np.where(has_BH & known_B1, self.weights[from_BH, np.maximum(to_B, 0)[:, None]], 0)
            near_BH = np.where(has_BH & (of_item >= 0)[:, None], self._of_neighbours(from_BH, of_item), 0)
            own, near = _summary(own_BH), _summary(near_BH)
            found.append(np.column_stack([own, own_BH.min(1), known_B1, near]))
        return np.concatenate(found).astype(np.float32) if found else np.empty((0, N_RAW), np.float32)

    def _of_neighbours(self, from_BH: np.ndarray, item_B: np.ndarray) -> np.ndarray:
        """(B, H) weight of each of the history's items in the scores of the item's neighbours, averaged."""
        near_BH = np.zeros(from_BH.shape, np.float32)
        for place_N, share_N in zip(self.near_place.T, self.near_share.T, strict=True):
            near_BH += share_N[item_B][:, None] * self.weights[from_BH, place_N[item_B][:, None]]
        return near_BH


def _summary(weights_BH: np.ndarray) -> np.ndarray:
    """Sum, largest and sum of the two largest, (B, 3)."""
    padded = np.pad(weights_BH, ((0, 0), (0, max(0, 2 - weights_BH.shape[1]))))
    largest = -np.partition(-padded, 1, axis=1)[:, :2]
    return np.column_stack([weights_BH.sum(1), largest[:, 0], largest.sum(1)])


def fit_ease(
    users: ArrayLike,
    items: ArrayLike,
    item_ids: np.ndarray,
    text: np.ndarray,
    config: EaseConfig = EaseConfig(),
    *,
    place: np.ndarray | None = None,
) -> Ease:
    """Fit on interactions.

    Args:
        users, items: (n,) ids of the interactions; items that are not in the catalogue are left out.
        item_ids: (N,) the catalogue, new items included.
        text: (N, C) frozen vectors of the catalogue, any length, zeros where an item has none.
        config: of the regression.
        place: (N,) of `regressed_places`, for several fits that regress the same items; None = these
            interactions decide.

    Raises:
        ValueError: lengths that differ, or no item with enough interactions.
    """
    users, items = np.asarray(users), np.asarray(items)
    if len(users) != len(items) or len(item_ids) != len(text):
        raise ValueError(
            f"users and items: expected equal lengths, got {len(users)} and {len(items)}; item_ids and "
            f"text, likewise: {len(item_ids)} and {len(text)}."
        )
    if place is None:
        place = regressed_places(items, item_ids, config)
    row = pd.Index(item_ids).get_indexer(pd.Index(items))
    code = np.where(row >= 0, place[row], -1)
    is_met = code >= 0
    user = pd.factorize(users)[0]
    weights = ease_weights(user[is_met], code[is_met], int((place >= 0).sum()), config.ridge)
    return Ease(np.asarray(item_ids), place, weights, *_neighbours(text, place, config))


def regressed_places(items: ArrayLike, item_ids: np.ndarray, config: EaseConfig) -> np.ndarray:
    """Which items are regressed: the most frequent ones that have events enough.

    Args:
        items: (n,) ids of the interactions. item_ids: (N,) the catalogue. config: of the regression.

    Returns:
        (N,) place of each, counted from 0 in the catalogue's order; -1 = not regressed.

    Raises:
        ValueError: there is none.
    """
    row = pd.Index(item_ids).get_indexer(pd.Index(np.asarray(items)))
    count = np.bincount(row[row >= 0], minlength=len(item_ids))
    by_count = np.argsort(-count, kind="stable")[: config.max_items]
    known = np.sort(by_count[count[by_count] >= config.min_events])
    if not len(known):
        raise ValueError(
            f"interactions: expected an item with at least {config.min_events} of them, got none; lower "
            "min_events or give more interactions."
        )
    place = np.full(len(item_ids), -1)
    place[known] = np.arange(len(known))
    return place


def _neighbours(text: np.ndarray, place: np.ndarray, config: EaseConfig) -> tuple[np.ndarray, np.ndarray]:
    """``near_place`` and ``near_share`` of `Ease`."""
    has_text = np.linalg.norm(text, axis=1) > 0
    known = np.flatnonzero((place >= 0) & has_text)
    k = max(0, min(config.n_neighbours, len(known) - 1))
    near_place, near_share = np.zeros((len(text), k), np.int64), np.zeros((len(text), k), np.float32)
    if k == 0:
        return near_place, near_share
    centred = text - text[known].mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    for start in range(0, len(text), _ROWS):
        part = np.flatnonzero(has_text[start : start + _ROWS]) + start
        cosine = unit[part] @ unit[known].T
        cosine[part[:, None] == known[None, :]] = -np.inf  # itself
        at = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        share = np.exp(config.sharpness * (np.take_along_axis(cosine, at, 1) - cosine.max(1, keepdims=True)))
        near_place[part] = place[known[at]]
        near_share[part] = share / share.sum(1, keepdims=True)
    return near_place, near_share
