"""How far two stores have drifted apart: cosines, neighbours, ids that only one has, and their cards.

Two stores of one encoder can be compared by cosine; of two encoders, whose spaces have nothing to do with
each other, only by neighbours: whether an item is near the same items in both.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from learn_recall.errors import StoreError
from learn_recall.store.content_shards import known_texts
from learn_recall.store.ids import id_kind
from learn_recall.store.read import EmbeddingStore
from learn_recall.terminal.progress import track_steps

#: buckets by the number of an item's events: nothing, few, some, many
EVENT_BUCKETS: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 5), (6, 20), (21, None))
_ROWS_AT_ONCE = 1 << 13
_SHOWN_IDS = 5


@dataclass(frozen=True)
class DriftRow:
    """One bucket of the ids that have a vector in both stores.

    Args:
        bucket: "all", "same text", "other text", or a number of events such as "events 1-5".
        n_items: ids in it.
        mean_cosine: of the vectors of an id in the two stores; None where the dimensions differ, or no ids.
        min_cosine: the lowest.
        neighbour_overlap: mean share of the k nearest that are the same in both; None without a query.
        n_queries: ids whose neighbours were looked at.
    """

    bucket: str
    n_items: int
    mean_cosine: float | None
    min_cosine: float | None
    neighbour_overlap: float | None
    n_queries: int


@dataclass(frozen=True)
class StoreDiff:
    """What `diff_stores` found.

    Args:
        card: fields of the two cards that differ: name -> (one, other).
        only_one: how many ids only the first store has a vector of, and the first of them.
        only_other: the same of the second store.
        k: neighbours that were compared.
        n_candidates: ids among which they were looked for.
        rows: by bucket, "all" first.
    """

    card: dict[str, tuple[Any, Any]]
    only_one: tuple[int, list[Any]]
    only_other: tuple[int, list[Any]]
    k: int
    n_candidates: int
    rows: list[DriftRow]


def diff_stores(
    one: EmbeddingStore,
    other: EmbeddingStore,
    *,
    k: int = 10,
    n_queries: int = 1000,
    n_candidates: int = 100_000,
    events: Mapping[Any, int] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> StoreDiff:
    """Compare two stores id by id.

    Definition: cosines are of all ids with a vector in both. Neighbours are by cosine, the id left out: for a
    sample of ids, among another sample; the same ids are drawn for both stores, and equal similarities
    are settled by the order of the first store.

    Args:
        one: the first store.
        other: the second; of any dimension.
        k: neighbours of an id.
        n_queries: ids whose neighbours are compared, at most.
        n_candidates: ids among which the neighbours are, at most.
        events: number of events of an id, for buckets by popularity; an id that is missing has none.
        seed: of the samples.
        progress: show how far it is.

    Raises:
        StoreError: the ids are of two kinds, or no id has a vector in both.
    """
    _check(one, other, k)
    place = other.positions(one.ids)
    is_shared = (place >= 0) & one.present & other.present[place]
    row_one = np.flatnonzero(is_shared)
    row_other = place[row_one]
    if len(row_one) <= k:
        raise StoreError.of(
            "the two stores",
            expected=f"more than k = {k} ids with a vector in both",
            got=len(row_one),
            remedy="compare stores of one catalogue, or choose a smaller k",
        )
    is_in_one = np.zeros(len(other), dtype=bool)
    is_in_one[row_other] = True
    cosines = _cosines(one, other, row_one, row_other, progress)
    generator = np.random.default_rng(seed)
    queries = np.sort(generator.permutation(len(row_one))[:n_queries])
    candidates = np.sort(generator.permutation(len(row_one))[: max(n_candidates, k + 1)])
    near_one = _nearest(one, row_one, queries, candidates, k, progress=progress)
    near_other = _nearest(other, row_other, queries, candidates, k, progress=progress)
    overlaps = np.array([len(np.intersect1d(*pair)) / k for pair in zip(near_one, near_other, strict=True)])
    buckets = _buckets(one, other, row_one, row_other, events)
    return StoreDiff(
        card=_card_differences(one, other),
        only_one=_only(one, one.present & ~is_shared),
        only_other=_only(other, other.present & ~is_in_one),
        k=k,
        n_candidates=len(candidates),
        rows=[_row(name, is_member, cosines, queries, overlaps) for name, is_member in buckets.items()],
    )


def _check(one: EmbeddingStore, other: EmbeddingStore, k: int) -> None:
    if k < 1:
        raise StoreError.of("k", expected="at least 1", got=k, remedy="leave it out")
    kinds = id_kind(one.ids), id_kind(other.ids)
    if kinds[0] != kinds[1]:
        raise StoreError.of(
            f"ids of {other.path}",
            expected=f"{kinds[0]} ids as in {one.path}",
            got=f"{kinds[1]} ids",
            remedy="compare stores of one catalogue",
        )


def _cosines(
    one: EmbeddingStore, other: EmbeddingStore, row_one: np.ndarray, row_other: np.ndarray, progress: bool
) -> np.ndarray | None:
    """The cosine of each shared id's two vectors, (n,); None where the dimensions differ."""
    if one.card.dimension != other.card.dimension:
        return None
    cosines = np.empty(len(row_one))
    starts = range(0, len(row_one), _ROWS_AT_ONCE)
    for start in track_steps(starts, "cosines", len(starts), is_shown=progress):
        part = slice(start, start + _ROWS_AT_ONCE)
        pair = _unit(one.vectors[row_one[part]]), _unit(other.vectors[row_other[part]])
        cosines[part] = (pair[0] * pair[1]).sum(axis=1)
    return cosines


def _nearest(
    store: EmbeddingStore,
    row: np.ndarray,
    queries: np.ndarray,
    candidates: np.ndarray,
    k: int,
    *,
    progress: bool,
) -> np.ndarray:
    """The k nearest candidates of each query, (Q, k), the query itself left out."""
    asked = _unit(store.vectors[row[queries]]).astype(np.float32)
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    near = np.full((len(queries), k), -1)
    starts = range(0, len(candidates), _ROWS_AT_ONCE)
    for start in track_steps(starts, f"neighbours in {store.path.name}", len(starts), is_shown=progress):
        block = candidates[start : start + _ROWS_AT_ONCE]
        similar = asked @ _unit(store.vectors[row[block]]).astype(np.float32).T
        similar[queries[:, None] == block[None, :]] = -np.inf
        all_similar = np.concatenate([best, similar], axis=1)
        all_near = np.concatenate([near, np.broadcast_to(block, similar.shape)], axis=1)
        top = np.argsort(-all_similar, axis=1, kind="stable")[:, :k]
        best, near = np.take_along_axis(all_similar, top, axis=1), np.take_along_axis(all_near, top, axis=1)
    return near


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)  # a present row is never zeros


def _buckets(
    one: EmbeddingStore,
    other: EmbeddingStore,
    row_one: np.ndarray,
    row_other: np.ndarray,
    events: Mapping[Any, int] | None,
) -> dict[str, np.ndarray]:
    found = {"all": np.ones(len(row_one), dtype=bool)}
    texts = [known_texts(each) if each.card.kind == "content" else None for each in (one, other)]
    if texts[0] is not None and texts[1] is not None:
        same = (texts[0].digests.take(row_one) == texts[1].digests.take(row_other)).all(axis=1)
        found |= {"same text": same, "other text": ~same}
    if events is not None:
        count = np.fromiter((events.get(each, 0) for each in one.ids[row_one].tolist()), dtype=np.int64)
        for low, high in EVENT_BUCKETS:
            name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
            found[f"events {name}"] = (count >= low) & (count <= (np.inf if high is None else high))
    return found


def _row(
    bucket: str,
    is_member: np.ndarray,
    cosines: np.ndarray | None,
    queries: np.ndarray,
    overlaps: np.ndarray,
) -> DriftRow:
    inside = None if cosines is None or not is_member.any() else cosines[is_member]
    is_asked = is_member[queries]
    return DriftRow(
        bucket=bucket,
        n_items=int(is_member.sum()),
        mean_cosine=None if inside is None else float(inside.mean()),
        min_cosine=None if inside is None else float(inside.min()),
        neighbour_overlap=float(overlaps[is_asked].mean()) if is_asked.any() else None,
        n_queries=int(is_asked.sum()),
    )


def _only(store: EmbeddingStore, is_only: np.ndarray) -> tuple[int, list[Any]]:
    return int(is_only.sum()), store.ids[np.flatnonzero(is_only)[:_SHOWN_IDS]].tolist()


def _card_differences(one: EmbeddingStore, other: EmbeddingStore) -> dict[str, tuple[Any, Any]]:
    """Name what made the two otherwise; counts and hashes of the files aside."""
    cards = []
    for store in (one, other):
        fields = {name: value for name, value in asdict(store.card).items() if name not in _NOT_COMPARED}
        for name in ("identity", "versions"):
            inner = store.card.extra.get(name, {})
            fields |= {f"{name}.{key}": value for key, value in inner.items()}
        cards.append(fields)
    names = dict.fromkeys([*cards[0], *cards[1]])
    return {
        name: (cards[0].get(name), cards[1].get(name))
        for name in names
        if cards[0].get(name) != cards[1].get(name)
    }


_NOT_COMPARED = ("files", "extra", "n_ids", "n_present", "blocks")

__all__ = ["EVENT_BUCKETS", "DriftRow", "StoreDiff", "diff_stores"]
