"""EASE's features for the rows of a dataset, of training rows without their own clicks, behind the host's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.ease import N_RAW, EaseConfig, fit_ease, regressed_places
from learn_rank.data.ease_features import EASE_FEATURES, OWN, EaseFeatures, rows_of_histories
from learn_rank.data.encoded_rows import EncodedDataset, EncodedRows, encode_dataset
from learn_recall.columns import CLICK, CONTEXT_ID, HISTORY, ITEM_ID, USER_ID
from learn_recall.store import EmbeddingStore

DEFAULT = EaseConfig()
#: what a host knows of which items go together: nothing; of the items; of their neighbours by text, too
HOSTS: dict[str, tuple[str, ...]] = {"none": (), "own": OWN, "near": EASE_FEATURES}


def host_rows(
    dataset: RankingDataset,
    items: EmbeddingStore,
    ease: str = "none",
    *,
    history_length: int = 80,
    has_item_history: bool = False,
    recent_popularity: bool = False,
    user_snapshot_days: float = 1.0,
    save: Path | None = None,
) -> EncodedDataset:
    """The rows of a run as its host sees them: `encode_dataset`, and behind its dense features EASE's.

    Args:
        dataset: with contexts for every row.
        items: as in `cross_fitted`.
        ease: of `HOSTS`.
        history_length, has_item_history, recent_popularity, user_snapshot_days: as in `encode_dataset`.
        save: file for the `EaseFeatures` with which requests are given the same columns.
    """
    data = encode_dataset(
        dataset,
        history_length=history_length,
        has_item_history=has_item_history,
        recent_popularity=recent_popularity,
        user_snapshot_days=user_snapshot_days,
    )
    if ease == "none":
        return data
    features, served = cross_fitted(dataset, items)
    if save is not None:
        served.save(save)
    return with_ease(data, {part: frame[list(HOSTS[ease])] for part, frame in features.items()})


def cross_fitted(
    dataset: RankingDataset, items: EmbeddingStore, config: EaseConfig = DEFAULT
) -> tuple[dict[str, pd.DataFrame], EaseFeatures]:
    """`EASE_FEATURES` of every row, those of training made without the row's own click.

    The contexts whose rows are among the interactions (``is_learned``) are divided into folds, and a fold's
    rows are scored by a regression on the interactions less the fold's clicks. All other rows, those of
    validation and test among them, are scored by the regression on all interactions.

    Args:
        dataset: with a context for every row; ``is_learned`` as in `learn_recall.export.export_embeddings`,
            without it those of all training rows.
        items: content store, or an item store whose blocks of the text are taken.
        config: of the regression.

    Returns:
        Part -> a frame of its rows, in order; and what makes the columns of later rows, from all
        interactions.

    Raises:
        ValueError: a row without context, or no item with enough interactions.
    """
    catalogue = dataset.items[ITEM_ID].to_numpy()
    text = _text_of(items, catalogue)
    log = dataset.interactions
    place = regressed_places(log[ITEM_ID].to_numpy(), catalogue, config)
    history = rows_of_histories(list(dataset.contexts[HISTORY]), pd.Index(catalogue), config.history_length)
    fold = _folds(dataset, config)
    context_of = {name: _contexts_of(part, name, dataset.contexts) for name, part in dataset.parts.items()}
    raw = {name: np.zeros((len(part), N_RAW), np.float32) for name, part in dataset.parts.items()}
    for number in reversed(range(-1, config.n_folds)):  # the last one, -1, is of all interactions
        kept = log if number < 0 else log[~_clicked_in(dataset, fold, number)]
        fitted = fit_ease(
            kept[USER_ID].to_numpy(), kept[ITEM_ID].to_numpy(), catalogue, text, config, place=place
        )
        for name, part in dataset.parts.items():
            at = context_of[name]
            of_part = fold[at] if name == "train" else np.full(len(part), -1)
            here = np.flatnonzero(of_part == number)
            item = pd.Index(catalogue).get_indexer(pd.Index(part[ITEM_ID].to_numpy()[here]))
            raw[name][here] = fitted.features(history[at[here]], item)
    scale = raw["train"].std(0)
    scale[scale == 0] = 1.0
    scale[4] = 1.0  # ease_is_known stays 0 or 1
    served = EaseFeatures(fitted, scale, config.history_length)
    return {name: served.frame(part) for name, part in raw.items()}, served


def _text_of(items: EmbeddingStore, catalogue: np.ndarray) -> np.ndarray:
    text = [block for block in items.card.blocks if block.name != "tower"] or list(items.card.blocks)
    vectors, present = items.lookup(catalogue)
    vectors = np.asarray(vectors, dtype=np.float32) * present[:, None]
    return np.concatenate([vectors[:, block.start : block.stop] for block in text], axis=1)


def _contexts_of(part: pd.DataFrame, name: str, contexts: pd.DataFrame) -> np.ndarray:
    """(rows,) the row's place in the contexts."""
    at = pd.Index(contexts[CONTEXT_ID]).get_indexer(pd.Index(part[CONTEXT_ID]))
    if (at < 0).any():
        raise ValueError(
            f"contexts: expected a row for every context_id of {name}, {int((at < 0).sum())} are missing; "
            "add them, with an empty history if need be."
        )
    return at


def _folds(dataset: RankingDataset, config: EaseConfig) -> np.ndarray:
    """(contexts,) fold of the learned contexts, -1 of the others."""
    contexts = dataset.contexts
    fold = np.random.default_rng(config.seed).integers(0, config.n_folds, len(contexts))
    if "is_learned" in contexts:
        is_learned = contexts["is_learned"].to_numpy(bool)
    else:
        is_learned = contexts[CONTEXT_ID].isin(dataset.train[CONTEXT_ID]).to_numpy()
    return np.where(is_learned, fold, -1)


def _clicked_in(dataset: RankingDataset, fold: np.ndarray, number: int) -> np.ndarray:
    """(interactions,) bool: clicked in a training row of the fold."""
    clicked = dataset.train[dataset.train[CLICK] > 0]
    at = pd.Index(dataset.contexts[CONTEXT_ID]).get_indexer(pd.Index(clicked[CONTEXT_ID]))
    held = clicked[fold[at] == number]
    pairs = pd.MultiIndex.from_arrays([held[USER_ID], held[ITEM_ID]])
    log = dataset.interactions
    return np.asarray(pd.MultiIndex.from_arrays([log[USER_ID], log[ITEM_ID]]).isin(pairs))


def with_ease(data: EncodedDataset, features: dict[str, pd.DataFrame]) -> EncodedDataset:
    """The rows with EASE's features behind their dense ones; a new item (`EncodedRows.newness`) loses `OWN`.

    Args:
        data: of `learn_rank.data.encoded_rows.encode_dataset`.
        features: of `cross_fitted`, of the same dataset; all columns or some of them (`OWN` for a
            host that reads no text).

    Raises:
        ValueError: a part whose rows are not as many, or a column of another name.
    """
    names = list(features["train"])
    unknown = [name for name in names if name not in EASE_FEATURES]
    if unknown:
        raise ValueError(f"features: expected columns among {EASE_FEATURES}, got {unknown[0]!r}.")

    def widened(rows: EncodedRows, frame: pd.DataFrame) -> EncodedRows:
        if len(frame) != len(rows):
            raise ValueError(f"features: expected {len(rows)} rows as in the data, got {len(frame)}.")
        own = data.n_dense + np.flatnonzero([name in OWN for name in names])
        return replace(
            rows,
            dense=np.concatenate([rows.dense, frame[names].to_numpy(np.float32)], axis=1),
            item_columns=np.concatenate([rows.item_columns, own]),
            unknown_item_dense=np.concatenate([rows.unknown_item_dense, np.zeros(len(own), np.float32)]),
            floor_weight=np.pad(rows.floor_weight, ((0, 0), (0, len(names)))),
        )

    return replace(
        data,
        train=widened(data.train, features["train"]),
        valid=widened(data.valid, features["valid"]),
        test=widened(data.test, features["test"]),
        n_dense=data.n_dense + len(names),
    )
